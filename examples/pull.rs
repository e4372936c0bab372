//! Pulls events from the owned partitions into an engine of its own, which acknowledges them later, in any order.
//!
//! ```sh
//! cargo run --example pull
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob_aio::{
    Acknowledger, BlobCheckpointStore, EventHubConsumerClient, OwnedPartition,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::ReceivedEvent;
use tokio::sync::mpsc::{Receiver, Sender, channel};

type Work = (Acknowledger, Arc<ReceivedEvent>);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = EventHub::new(4);
    for number in 0..400 {
        hub.publish_by_key(&format!("sensor-{}", number % 50), format!("{number} degrees"));
    }

    let source = hub.consumer_group("$Default")?;
    let mut streams = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory())
        .max_in_flight(50) // of each partition
        .build_streams()?;
    let (sender, receiver) = channel(16);
    let engine = tokio::spawn(engine(receiver, hub.len(), streams.stop_handle()));
    let mut readers = Vec::new();
    while let Some(partition) = streams.next_partition().await? {
        readers.push(tokio::spawn(read(partition, sender.clone())));
    }
    for reader in readers {
        reader.await?;
    }
    engine.await?;
    println!("{}", streams.close().await?);
    Ok(())
}

/// One of these for each partition.
async fn read(mut partition: OwnedPartition, engine: Sender<Work>) {
    let acknowledger = partition.acknowledger();
    while let Some(events) = partition.next_batch(10).await {
        for event in events {
            if engine.send((acknowledger.clone(), event)).await.is_err() {
                break;
            }
        }
    }
    let id = partition.partition_id().to_owned();
    println!("partition {id}: {}", partition.close().await);
}

/// Takes events of all partitions, and finishes them in another order.
async fn engine(
    mut work: Receiver<Work>,
    total: usize,
    stop: eventhub_checkpointstore::processing::StopHandle,
) {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..total {
        let Some((acknowledger, event)) = work.recv().await else { break };
        running.spawn(async move {
            let pause = u64::try_from(event.sequence_number() % 7).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(pause)).await;
            acknowledger.acknowledge([&event]);
        });
    }
    while running.join_next().await.is_some() {}
    stop.stop();
}

//! The official `EventProcessor` over the double, with the official in-memory checkpoint store.

mod support;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use azure_core::time::Duration;
use azure_messaging_eventhubs::models::StartPositions;
use azure_messaging_eventhubs::processor::PartitionClient;
use azure_messaging_eventhubs::{
    CheckpointStore, EventProcessor, InMemoryCheckpointStore, StartLocation, StartPosition,
};
use futures::StreamExt;
use futures::future::select;
use futures::stream::FuturesUnordered;
use support::{HUB, NAMESPACE, client, eventually, start};

const PARTITIONS: usize = 4;
const EVENTS: usize = 2_000;

type Seen = Arc<Mutex<BTreeMap<String, Vec<i64>>>>;

fn total(seen: &Seen) -> usize {
    seen.lock().expect("no panic").values().map(Vec::len).sum()
}

async fn build(
    double: &eventhubs_double::EventHubsDouble,
    store: Arc<InMemoryCheckpointStore>,
) -> Arc<EventProcessor> {
    let earliest = StartPosition { location: StartLocation::Earliest, inclusive: false };
    EventProcessor::builder()
        .with_update_interval(Duration::milliseconds(500))
        .with_partition_expiration_duration(Duration::seconds(10))
        .with_start_positions(StartPositions { default: earliest, ..Default::default() })
        .build(client(double).await, store)
        .await
        .expect("the processor reads the hub's properties")
}

/// Reads a partition until its stream ends; a checkpoint after every 50th event.
async fn process(partition: Arc<PartitionClient>, seen: Seen) {
    let id = partition.get_partition_id().to_string();
    let mut events = partition.stream_events();
    while let Some(Ok(event)) = events.next().await {
        let sequence_number = event.sequence_number().expect("a sequence number");
        if sequence_number % 50 == 49 {
            partition.update_checkpoint(&event).await.expect("a checkpoint");
        }
        seen.lock().expect("no panic").entry(id.clone()).or_default().push(sequence_number);
    }
}

/// Runs the processor and all its partitions until the events are received.
///
/// The partitions are polled on this task: the stream of a `PartitionClient` is not `Send`.
async fn run(processor: &Arc<EventProcessor>, seen: &Seen) {
    let running = Arc::clone(processor);
    let run = tokio::spawn(async move { running.run().await });
    let partitions = FuturesUnordered::new();
    for _ in 0..PARTITIONS {
        let next = tokio::time::timeout(support::PATIENCE, processor.next_partition_client()).await;
        let partition = next.expect("a partition in time").expect("a partition");
        partitions.push(process(partition, Arc::clone(seen)));
    }
    let all_end = partitions.collect::<()>();
    let all_received = eventually("all events are received", || total(seen) >= EVENTS);
    select(pin!(all_received), pin!(all_end)).await;
    assert!(!run.is_finished(), "the processor goes on");
    run.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_receives_every_event_once_and_in_order() {
    let double = start(PARTITIONS).await;
    for id in 0..PARTITIONS {
        double.fill(
            &id.to_string(),
            (0..EVENTS / PARTITIONS).map(|number| format!("{id}: {number}")),
        );
    }
    let store = Arc::new(InMemoryCheckpointStore::new());
    let processor = build(&double, Arc::clone(&store)).await;
    let seen = Seen::default();
    run(&processor, &seen).await;

    let expected: Vec<i64> = (0..(EVENTS / PARTITIONS) as i64).collect();
    let seen = seen.lock().expect("no panic").clone();
    assert_eq!(seen.len(), PARTITIONS);
    for (id, numbers) in seen {
        assert_eq!(numbers, expected, "partition {id}");
    }
    assert_eq!(double.counters().delivered.values().sum::<u64>(), EVENTS as u64);
    assert!(double.receivers().iter().all(|receiver| receiver.owner_level == Some(0)));
    assert_eq!((double.receivers().len(), double.counters().stolen_links), (PARTITIONS, 0));

    let checkpoints =
        store.list_checkpoints(NAMESPACE, HUB, "$Default").await.expect("checkpoints");
    assert_eq!(checkpoints.len(), PARTITIONS);
    assert!(
        checkpoints.iter().all(|checkpoint| checkpoint.sequence_number == expected.last().copied())
    );
}

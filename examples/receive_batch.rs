//! Batches of events into a table, a transaction for each: async, over an event hub in memory.
//!
//! ```sh
//! cargo run --example receive_batch
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, EventHubConsumerClient,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::CheckpointPolicy;

/// What stands for a database: a batch is inserted as a whole.
#[derive(Default)]
struct Table(Mutex<Vec<String>>);

impl Table {
    fn insert(&self, rows: Vec<String>) -> usize {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.extend(rows);
        table.len()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = EventHub::new(4);
    for number in 0..1_000 {
        hub.publish_by_key(&format!("sensor-{}", number % 50), format!("{number} degrees"));
    }

    let client = EventHubConsumerClient::builder(
        hub.consumer_group("$Default")?,
        BlobCheckpointStore::in_memory(),
    )
    .max_batch_size(100)
    .max_wait_time(Some(Duration::from_secs(1)))
    .checkpoint_policy(CheckpointPolicy::every_batch())
    .build()?;
    let (table, stop) = (Arc::new(Table::default()), client.stop_handle());
    let summary = client
        .receive_batch(move |partition, events| {
            let (table, stop) = (Arc::clone(&table), stop.clone());
            async move {
                let rows = events.iter().map(|event| event.body().to_text().into_owned());
                // An error here would bring the whole batch again.
                let inserted = table.insert(rows.collect());
                println!("partition {}: {} rows", partition.partition_id(), events.len());
                if inserted == 1_000 {
                    stop.stop();
                }
                Ok(())
            }
        })
        .await?;
    println!("{summary}");
    Ok(())
}

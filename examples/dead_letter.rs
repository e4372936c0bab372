//! What happens to events that a handler cannot process: some are tried again, others are put aside.
//!
//! ```sh
//! cargo run --example dead_letter
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob::{
    BlobCheckpointStore, DeadLetterSink, EventHubConsumerClient, PartitionContext,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::{HandlerError, OnExhausted, ReceivedEvent, RetryPolicy};

/// Prints what it gets; a real one stores it, and fails if it cannot: then no checkpoint passes the events.
struct Aside;

impl DeadLetterSink for Aside {
    fn take(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
        error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for event in events {
            let (id, number) = (partition.partition_id(), event.sequence_number());
            println!("put aside: {id}/{number} {:?}, {error}", event.body().to_text());
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = EventHub::new(1);
    for body in ["21.5", "warm", "-300", "22.5", "end"] {
        hub.publish("0", body)?;
    }

    let client = EventHubConsumerClient::builder(
        hub.consumer_group("$Default")?,
        BlobCheckpointStore::in_memory(),
    )
    .retry(
        RetryPolicy::default()
            .with_initial(Duration::from_millis(10))
            .with_attempts(Some(3))
            .with_on_exhausted(OnExhausted::DeadLetter),
    )
    .dead_letter(Aside)
    .build()?;
    let stop = client.stop_handle();
    let summary = client.receive(move |partition, event| {
        let body = event.body().to_text();
        if body == "end" {
            stop.stop();
            return Ok(());
        }
        // It will never be a number.
        let degrees: f64 = body.parse().map_err(HandlerError::dead_letter)?;
        // This might pass; after three attempts it is put aside as well.
        if degrees < -273.15 {
            println!("attempt {}: {degrees} degrees", partition.attempt());
            return Err("colder than possible".into());
        }
        println!("processed: {degrees} degrees");
        Ok(())
    })?;
    println!("{summary}");
    Ok(())
}

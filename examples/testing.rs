//! A consumer's test as a user writes it: no Azure, no waiting, and a consumer that dies.
//!
//! ```sh
//! cargo run --example testing
//! ```
//!
//! The clock belongs to the test: it jumps when all threads wait, so the eight seconds of this test take no time.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};
use eventhub_checkpointstore::memory::{EventHub, TestClock};
use eventhub_checkpointstore::processing::{CheckpointPolicy, HandlerError, ReceivedEvent};

/// What is tested: adds up the amounts.
#[derive(Clone, Default)]
struct Totals(Arc<Mutex<Vec<u64>>>);

impl Totals {
    fn on_event(&self, event: &ReceivedEvent) -> Result<(), HandlerError> {
        let amount = event.body().to_text().parse()?;
        self.amounts().push(amount);
        Ok(())
    }

    fn amounts(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = TestClock::new();
    let hub = EventHub::with_clock(1, &clock);
    let store = BlobCheckpointStore::in_memory();
    let totals = Totals::default();
    let consumer = || {
        EventHubConsumerClient::builder(hub.consumer_group("$Default")?, store.clone())
            .checkpoint_policy(CheckpointPolicy::every(10, Duration::from_secs(5)))
            .partition_id("0")
            .test_clock(&clock)
            .build()
    };
    for amount in 1..=100 {
        hub.publish("0", amount.to_string())?;
    }

    let first = consumer()?;
    let (stop, tested) = (first.stop_handle(), totals.clone());
    let running = clock.spawn(move || first.receive(move |_, event| tested.on_event(event)));
    while totals.amounts().len() < 100 {
        clock.sleep(Duration::from_millis(10));
    }
    clock.sleep(Duration::from_secs(6)); // the checkpoint follows within 5 s
    hub.publish("0", "1000")?;
    clock.sleep(Duration::from_secs(1));
    stop.abandon(); // as a crash: the last event has no checkpoint
    running.join()?;
    assert_eq!(totals.amounts().len(), 101);

    let second = consumer()?;
    let (stop, tested) = (second.stop_handle(), totals.clone());
    let running = clock.spawn(move || second.receive(move |_, event| tested.on_event(event)));
    clock.sleep(Duration::from_secs(1));
    stop.stop();
    let summary = running.join()?;
    assert_eq!(summary.events, 1, "only what had no checkpoint comes again");
    assert_eq!(totals.amounts().iter().sum::<u64>(), 5_050 + 2 * 1_000);
    println!("{summary}, {:?} of model time", clock.elapsed());
    Ok(())
}

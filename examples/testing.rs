//! A consumer's tests as a user writes them: no Azure, no waiting, cut links, and consumers that die.
//!
//! ```sh
//! cargo run --example testing
//! ```
//!
//! In a crate of your own each function of `main`'s table is a `#[test]`. The clock belongs to the test: it jumps when all
//! threads wait, so minutes take no time. On the async surface `tokio::time::pause` does the same.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};
use eventhub_checkpointstore::memory::{EventHub, TestClock, TestThread};
use eventhub_checkpointstore::processing::{
    CheckpointPolicy, HandlerError, ReadEnd, ReceivedEvent, StopHandle, Summary,
};
use eventhub_checkpointstore::{Error, ErrorKind, MemoryContainer};

type Failure = Box<dyn std::error::Error>;

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

/// What each test begins with.
struct Bed {
    clock: TestClock,
    hub: EventHub,
    store: BlobCheckpointStore,
    totals: Totals,
}

impl Bed {
    fn new(partitions: usize) -> Self {
        let clock = TestClock::new();
        let hub = EventHub::with_clock(partitions, &clock);
        // Ownerships expire by the same clock.
        let container = MemoryContainer::new().with_clock(clock.clone());
        let store = BlobCheckpointStore::from_container(container);
        Self { clock, hub, store, totals: Totals::default() }
    }

    /// Publishes amounts to all partitions in turn.
    fn publish(&self, amounts: std::ops::RangeInclusive<u64>) -> Result<(), Error> {
        let ids = self.hub.partition_ids();
        for (id, amount) in ids.iter().cycle().zip(amounts) {
            self.hub.publish(id, amount.to_string())?;
        }
        Ok(())
    }

    /// Starts a consumer beside the test.
    fn start(&self) -> Result<(StopHandle, TestThread<Result<Summary, Error>>), Error> {
        let source = self.hub.consumer_group("$Default")?;
        let consumer = EventHubConsumerClient::builder(source, self.store.clone())
            .checkpoint_policy(CheckpointPolicy::every(10, Duration::from_secs(5)))
            .test_clock(&self.clock)
            .build()?;
        let (stop, totals) = (consumer.stop_handle(), self.totals.clone());
        let receiving = move || consumer.receive(move |_, event| totals.on_event(event));
        Ok((stop, self.clock.spawn(receiving)))
    }

    fn wait_for(&self, events: usize) {
        while self.totals.amounts().len() < events {
            self.clock.sleep(Duration::from_millis(10));
        }
    }
}

/// What had no checkpoint comes again, and nothing else.
fn a_crash_repeats_what_had_no_checkpoint() -> Result<String, Failure> {
    let bed = Bed::new(1);
    bed.publish(1..=100)?;
    let (stop, running) = bed.start()?;
    bed.wait_for(100);
    bed.clock.sleep(Duration::from_secs(6)); // the checkpoint follows within 5 s
    bed.hub.publish("0", "1000")?;
    bed.wait_for(101);
    stop.abandon(); // as a crash: nothing more is stored, and nothing given up
    running.join()?;

    let (stop, running) = bed.start()?;
    let crashed = bed.clock.elapsed();
    bed.wait_for(102);
    let took = bed.clock.elapsed().saturating_sub(crashed); // the dead consumer's ownership has to expire
    stop.stop();
    assert_eq!(running.join()?.events, 1);
    assert_eq!(bed.totals.amounts().iter().sum::<u64>(), 5_050 + 2 * 1_000);
    assert!(took > Duration::from_secs(60) && took < Duration::from_secs(150), "{took:?}");
    Ok(format!("the event without a checkpoint came again after {} s", took.as_secs()))
}

/// Links break and are made again behind the last event.
fn a_cut_link_repeats_nothing() -> Result<String, Failure> {
    let bed = Bed::new(1);
    let (stop, running) = bed.start()?;
    for cut in 1..=20 {
        bed.publish(1..=50)?;
        bed.wait_for(50 * (cut - 1) + 25);
        let error = Error::new(ErrorKind::Network, "cut by a test");
        bed.hub.fail_next_receive("0", ReadEnd::Failed(error))?;
        bed.wait_for(50 * cut);
    }
    stop.stop();
    let summary = running.join()?;
    assert_eq!((summary.events, bed.totals.amounts().len()), (1_000, 1_000));
    Ok(format!("20 cuts: {summary}"))
}

/// A second consumer gets its share, and after a stop of the first one all of it, without a repeat.
fn a_stop_hands_over_without_a_repeat() -> Result<String, Failure> {
    let bed = Bed::new(4);
    let (stop_first, first) = bed.start()?;
    bed.publish(1..=100)?;
    bed.wait_for(100);
    bed.clock.sleep(Duration::from_secs(6)); // what is taken from a living consumer repeats what has no checkpoint
    let (stop_second, second) = bed.start()?;
    bed.clock.sleep(Duration::from_secs(60));
    bed.publish(101..=200)?;
    bed.wait_for(200);
    stop_first.stop();
    let gone = first.join()?;
    bed.publish(201..=300)?;
    bed.wait_for(300);
    stop_second.stop();
    let last = second.join()?;
    assert_eq!((gone.events, last.events), (150, 150));
    assert_eq!(bed.totals.amounts().iter().sum::<u64>(), 45_150);
    Ok(format!("{} events by the first, {} by the second", gone.events, last.events))
}

/// Events that expired before they were read are passed over, and the rest comes.
fn expired_events_are_skipped() -> Result<String, Failure> {
    let bed = Bed::new(1);
    bed.publish(1..=100)?;
    bed.hub.expire_until("0", 90)?;
    let (stop, running) = bed.start()?;
    bed.wait_for(10);
    // A reader with a higher owner level, as of another program: the consumer leaves, and comes back while it owns.
    bed.hub.steal("0")?;
    bed.publish(101..=110)?;
    bed.wait_for(20);
    stop.stop();
    let summary = running.join()?;
    assert_eq!(*bed.totals.amounts(), (91..=110).collect::<Vec<_>>());
    Ok(summary.to_string())
}

fn main() -> Result<(), Failure> {
    for (name, test) in [
        ("a crash", a_crash_repeats_what_had_no_checkpoint as fn() -> Result<String, Failure>),
        ("cut links", a_cut_link_repeats_nothing),
        ("a stop", a_stop_hands_over_without_a_repeat),
        ("retention", expired_events_are_skipped),
    ] {
        println!("{name}: {}", test()?);
    }
    Ok(())
}

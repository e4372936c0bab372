//! The works of the async surface.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::ownership::{OwnershipOptions, StartingPosition};
use eventhub_checkpointstore::processing::{CheckpointPolicy, OpenPartition, Summary};
use eventhub_checkpointstore::{Clock, ConsumerGroup, MemoryContainer};
use maybe_async::must_be_async as maybe_async;
use subject::{BlobCheckpointStore, EventHubConsumerClient, EventSource};
use tokio::runtime::{Builder, Runtime};

use super::resources::{Resources, Rounds, resources};
use super::{Size, assert_events};

#[allow(clippy::duplicate_mod, reason = "one double for both surfaces")]
#[path = "doubles.rs"]
mod doubles;

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Its time jumps when all tasks wait.
pub fn paused_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn client(hub: &EventHub) -> EventHubConsumerClient {
    let source = hub.consumer_group("bench").expect("a name");
    let store = BlobCheckpointStore::in_memory();
    EventHubConsumerClient::builder(source, store).build().expect("a client")
}

/// Reads the events and forgets them.
pub async fn bare(hub: &EventHub, events: usize) {
    let source = hub.consumer_group("bench").expect("a name");
    let request = OpenPartition::new("0", StartingPosition::Earliest);
    let mut reader = source.open(request).await.expect("a reader");
    let (mut count, mut batch) = (0, Vec::new());
    while count < events {
        reader.receive(&mut batch, 300, Duration::from_secs(5)).await.expect("events");
        count += batch.len();
        batch.clear();
    }
}

pub async fn in_batches(hub: &EventHub, events: usize) {
    let client = client(hub);
    let (stop, count) = (client.stop_handle(), AtomicUsize::new(0));
    let summary = client.receive_batch(move |_, batch| {
        if count.fetch_add(batch.len(), Ordering::Relaxed) + batch.len() == events {
            stop.stop();
        }
        async { Ok(()) }
    });
    assert_events(&summary.await.expect("a summary"), events);
}

pub async fn one_by_one(hub: &EventHub, events: usize) {
    let client = client(hub);
    let (stop, count) = (client.stop_handle(), AtomicUsize::new(0));
    let summary = client.receive(move |_, _| {
        if count.fetch_add(1, Ordering::Relaxed) + 1 == events {
            stop.stop();
        }
        async { Ok(()) }
    });
    assert_events(&summary.await.expect("a summary"), events);
}

/// Receives what comes at 100,000 events a second for so long.
pub async fn paced(duration: Duration, latency: Duration) -> Summary {
    let hub = EventHub::new(1);
    let source = hub.consumer_group("bench").expect("a name");
    let store = doubles::Slow { store: BlobCheckpointStore::in_memory(), latency };
    let client = EventHubConsumerClient::builder(source, store).build().expect("a client");
    let stop = client.stop_handle();
    let publishing = std::thread::spawn(move || {
        super::resources::publish_at_pace(&hub, duration);
        stop.stop();
    });
    let summary = client.receive_batch(|_, _| async { Ok(()) }).await.expect("a summary");
    publishing.join().expect("no panic");
    summary
}

/// After a tenth of the events, and after all of them.
pub async fn flat(size: Size) -> [Resources; 2] {
    let group = ConsumerGroup::new("bench.servicebus.windows.net", "endless", "bench");
    let source = doubles::Endless(group.expect("names"));
    let store = BlobCheckpointStore::in_memory();
    let client = EventHubConsumerClient::builder(source, store).build().expect("a client");
    let (stop, count) = (client.stop_handle(), AtomicUsize::new(0));
    let early = Arc::new(std::sync::Mutex::new(Resources::default()));
    let noted = Arc::clone(&early);
    let summary = client.receive(move |_, _| {
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count == size.flat_events / 10 {
            *noted.lock().expect("no panic") = resources();
        }
        if count >= size.flat_events {
            stop.stop();
        }
        async { Ok(()) }
    });
    assert!(summary.await.expect("a summary").events >= size.flat_events);
    let early = *early.lock().expect("no panic");
    [early, resources()]
}

/// Memory and threads before any partition is owned, and while this many are owned.
pub async fn many(size: Size) -> [Resources; 2] {
    const INTERVAL: Duration = Duration::from_secs(2);
    let hub = EventHub::new(size.partitions);
    let source = hub.consumer_group("bench").expect("a name");
    let (rounds, opened) = (Rounds::default(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&opened);
    let options = OwnershipOptions::new(INTERVAL, Duration::from_secs(20)).expect("options");
    let client = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory())
        .ownership_options(options)
        .observer(rounds.clone())
        .on_partition_initialize(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .expect("a client");
    let before = resources();
    let (stop, handled) = (client.stop_handle(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&handled);
    let receiving = tokio::spawn(async move {
        let on_event = move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        };
        client.receive(on_event).await
    });
    while opened.load(Ordering::Relaxed) < size.partitions {
        pause(Duration::from_millis(10)).await;
    }
    for id in hub.partition_ids() {
        hub.publish(&id, "an event").expect("a partition");
    }
    pause(size.watch).await;
    let mut then = resources();
    (then.rounds, then.latest_round_ms) = (rounds.count(), rounds.latest(INTERVAL));
    assert_eq!(handled.load(Ordering::Relaxed), size.partitions);
    stop.stop();
    let summary = receiving.await.expect("no panic").expect("a summary");
    assert_events(&summary, size.partitions);
    assert_eq!(summary.relinquished, size.partitions);
    [before, then]
}

/// The time of the paused runtime.
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.0.elapsed()
    }
}

/// How long an event waits whose partition's owner dies or stops then, for another consumer of the group.
pub async fn takeover(is_crash: bool, phase: Duration) -> Duration {
    let begun = tokio::time::Instant::now();
    let hub = EventHub::new(2);
    let container = MemoryContainer::new().with_clock(Paused(begun));
    let store = BlobCheckpointStore::from_container(container);
    let handled = Arc::new(AtomicUsize::new(0));
    let start = |count: Option<Arc<AtomicUsize>>| {
        let source = hub.consumer_group("bench").expect("a name");
        let builder = EventHubConsumerClient::builder(source, store.clone());
        let builder = builder.checkpoint_policy(CheckpointPolicy::manual());
        let client = builder.build().expect("a client");
        let stop = client.stop_handle();
        let running = tokio::spawn(async move {
            let on_event = move |_, _| {
                if let Some(count) = &count {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                async { Ok(()) }
            };
            client.receive(on_event).await
        });
        (stop, running)
    };
    let first = start(None);
    pause(Duration::from_secs(60)).await;
    let second = start(Some(Arc::clone(&handled)));
    // Each has one.
    pause(Duration::from_secs(300) + phase).await;
    if is_crash {
        first.0.abandon();
    } else {
        first.0.stop();
    }
    let ended = begun.elapsed();
    for id in hub.partition_ids() {
        hub.publish(&id, "an event").expect("a partition");
    }
    while handled.load(Ordering::Relaxed) < 2 {
        pause(Duration::from_millis(100)).await;
        assert!(begun.elapsed() < ended + Duration::from_secs(1_000), "nobody took over");
    }
    let took = begun.elapsed() - ended;
    second.0.stop();
    first.1.await.expect("no panic").expect("a summary");
    second.1.await.expect("no panic").expect("a summary");
    took
}

//! Two official processors, one of which dies; and a late one that steals.

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use azure_core::time::Duration;
use azure_messaging_eventhubs::error::ErrorKind;
use azure_messaging_eventhubs::models::StartPositions;
use azure_messaging_eventhubs::processor::PartitionClient;
use azure_messaging_eventhubs::{EventProcessor, StartLocation, StartPosition};
use eventhubs_double::EventHubsDouble;
use futures::StreamExt;
use support::store::OneGroupStore;
use support::{client, eventually, start};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

const PARTITIONS: usize = 8;
const EVENTS_EACH: i64 = 2_500;

/// The events that all processors of a test saw; they live on one thread, as their streams are not `Send`.
#[derive(Default)]
struct Seen {
    events: RefCell<BTreeMap<String, Vec<i64>>>,
    disconnected: RefCell<usize>,
    /// Where a processor started in a partition, and the checkpoint that stood there then.
    starts: RefCell<Vec<(Option<i64>, i64)>>,
}

impl Seen {
    fn total(&self) -> usize {
        self.events.borrow().values().map(Vec::len).sum()
    }

    fn is_complete(&self) -> bool {
        let events = self.events.borrow();
        events.len() == PARTITIONS
            && events.values().all(|numbers| numbers.contains(&(EVENTS_EACH - 1)))
    }

    /// How many events were seen more than once.
    fn duplicates(&self) -> usize {
        self.total() - PARTITIONS * EVENTS_EACH as usize
    }

    fn assert_nothing_is_lost(&self) {
        for (id, numbers) in self.events.borrow().iter() {
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers, (0..EVENTS_EACH).collect::<Vec<_>>(), "partition {id}");
        }
    }
}

/// How often a processor looks at the ownerships, and when those of others count as expired.
///
/// Each test lets only one of its processors look more than once. One that looks while another is about to steal
/// from it revokes a partition whose stream still receives, and that can cost the official client its connection.
struct Rhythm {
    interval: Duration,
    expiry: Duration,
}

const ONCE: Rhythm = Rhythm { interval: Duration::seconds(100), expiry: Duration::seconds(200) };

async fn build(
    double: &EventHubsDouble,
    store: &Arc<OneGroupStore>,
    rhythm: Rhythm,
) -> Arc<EventProcessor> {
    let earliest = StartPosition { location: StartLocation::Earliest, inclusive: false };
    EventProcessor::builder()
        .with_update_interval(rhythm.interval)
        .with_partition_expiration_duration(rhythm.expiry)
        .with_start_positions(StartPositions { default: earliest, ..Default::default() })
        .build(client(double).await, Arc::clone(store) as _)
        .await
        .expect("the processor reads the hub's properties")
}

/// Reads a partition until its stream ends; a checkpoint after every 10th event.
async fn process(partition: Arc<PartitionClient>, store: Arc<OneGroupStore>, seen: Rc<Seen>) {
    let id = partition.get_partition_id().to_string();
    let checkpoint = store.checkpoint(&id);
    let mut first = true;
    let mut events = partition.stream_events();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::ConsumerDisconnected(_)), "{error:?}");
                *seen.disconnected.borrow_mut() += 1;
                break;
            }
        };
        let number = event.sequence_number().expect("a sequence number");
        if std::mem::take(&mut first) {
            seen.starts.borrow_mut().push((checkpoint, number));
        }
        seen.events.borrow_mut().entry(id.clone()).or_default().push(number);
        if number % 10 == 9 {
            partition.update_checkpoint(&event).await.expect("a checkpoint");
        }
        // An event takes its time, so that a takeover falls into the middle.
        if number % 100 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    }
    drop(events);
    // Only `close` makes room in the processor for the partition to come back. It complains about the stolen link.
    if let Some(partition) = Arc::into_inner(partition) {
        let _ = partition.close().await;
    }
}

/// Runs a processor, with all its partitions below one task, so that aborting it aborts everything.
fn spawn(
    processor: Arc<EventProcessor>,
    store: &Arc<OneGroupStore>,
    seen: &Rc<Seen>,
) -> JoinHandle<()> {
    let (store, seen) = (Arc::clone(store), Rc::clone(seen));
    spawn_local(async move {
        let partitions = LocalSet::new();
        let dispatch = async {
            while let Ok(partition) = processor.next_partition_client().await {
                partitions.spawn_local(process(partition, Arc::clone(&store), Rc::clone(&seen)));
            }
        };
        let running = async { futures::join!(processor.run(), dispatch).0 };
        partitions.run_until(running).await.expect("the processor runs");
    })
}

fn filled(double: &EventHubsDouble) {
    for id in 0..PARTITIONS {
        double.fill(&id.to_string(), (0..EVENTS_EACH).map(|number| number.to_string()));
    }
}

#[tokio::test]
async fn the_other_processor_takes_over_when_one_dies() {
    LocalSet::new()
        .run_until(async {
            let double = start(PARTITIONS).await;
            let (store, seen) = (Arc::new(OneGroupStore::default()), Rc::new(Seen::default()));
            let dying = spawn(build(&double, &store, ONCE).await, &store, &seen);
            eventually("the first one has all", || double.receivers().len() == PARTITIONS).await;
            let rhythm =
                Rhythm { interval: Duration::milliseconds(500), expiry: Duration::seconds(8) };
            let living = spawn(build(&double, &store, rhythm).await, &store, &seen);
            let half = PARTITIONS as u64 / 2;
            eventually("the second one has half", || double.counters().stolen_links == half).await;

            filled(&double);
            eventually("some events are received", || seen.total() > 1_000).await;
            dying.abort();
            eventually("the rest is received", || seen.is_complete()).await;

            seen.assert_nothing_is_lost();
            // A partition resumes after its last checkpoint: at most 9 events are seen again.
            assert!(seen.duplicates() <= 9 * PARTITIONS, "{} duplicates", seen.duplicates());
            for (checkpoint, first) in seen.starts.borrow().iter() {
                assert_eq!(*first, checkpoint.map_or(0, |checkpoint| checkpoint + 1));
            }
            assert!(!living.is_finished());
            living.abort();
        })
        .await;
}

#[tokio::test]
async fn a_late_processor_steals_and_the_loser_is_disconnected() {
    LocalSet::new()
        .run_until(async {
            let double = start(PARTITIONS).await;
            filled(&double);
            let (store, seen) = (Arc::new(OneGroupStore::default()), Rc::new(Seen::default()));
            let early = spawn(build(&double, &store, ONCE).await, &store, &seen);
            eventually("the first one has all", || double.receivers().len() == PARTITIONS).await;
            eventually("some events are received", || seen.total() > 1_000).await;

            let rhythm = Rhythm { interval: Duration::milliseconds(500), ..ONCE };
            let late = spawn(build(&double, &store, rhythm).await, &store, &seen);
            eventually("the rest is received", || seen.is_complete()).await;
            seen.assert_nothing_is_lost();
            assert_eq!(*seen.disconnected.borrow(), PARTITIONS / 2);
            assert_eq!(double.counters().stolen_links, PARTITIONS as u64 / 2);
            assert!(!early.is_finished() && !late.is_finished());
            early.abort();
            late.abort();
        })
        .await;
}

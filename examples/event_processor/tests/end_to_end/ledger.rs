//! What all processors of a test saw; they live on one thread, as their streams are not `Send`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use azure_messaging_eventhubs::EventProcessor;
use azure_messaging_eventhubs::error::ErrorKind;
use azure_messaging_eventhubs::processor::PartitionClient;
use futures::StreamExt;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::fixture::{EVENTS_EACH, Fixture, PARTITIONS};

/// Where a processor started in a partition.
pub struct Start {
    pub processor: &'static str,
    /// The sequence number of the checkpoint that stood there then.
    pub checkpoint: Option<i64>,
    pub first: i64,
}

#[derive(Default)]
pub struct Ledger {
    events: RefCell<BTreeMap<String, Vec<i64>>>,
    pub disconnected: RefCell<usize>,
    pub starts: RefCell<Vec<Start>>,
    /// What the tasks of partitions panicked with.
    failures: RefCell<Vec<String>>,
}

impl Ledger {
    pub fn total(&self) -> usize {
        self.events.borrow().values().map(Vec::len).sum()
    }

    /// How many different events were seen.
    pub fn distinct(&self) -> usize {
        let events = self.events.borrow();
        let distinct = events.values().map(|numbers| {
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            numbers.dedup();
            numbers.len()
        });
        distinct.sum()
    }

    pub fn is_complete(&self) -> bool {
        let events = self.events.borrow();
        let at_the_end = |numbers: &Vec<i64>| numbers.contains(&(EVENTS_EACH - 1));
        events.len() == PARTITIONS && events.values().all(at_the_end)
    }

    pub fn duplicates(&self) -> usize {
        self.total() - self.distinct()
    }

    pub fn assert_no_failures(&self) {
        assert_eq!(*self.failures.borrow(), Vec::<String>::new());
    }

    /// Everybody begins behind the checkpoint, and events after the first one of a partition follow without a gap.
    ///
    /// Returns how many events were lost.
    pub fn losses(&self, before: &dyn Fn(&str) -> i64) -> usize {
        let events = self.events.borrow();
        let expected: i64 = (0..PARTITIONS).map(|id| EVENTS_EACH - before(&id.to_string())).sum();
        assert!(events.iter().all(|(id, numbers)| numbers.iter().min() == Some(&before(id))));
        expected as usize - self.distinct()
    }

    pub fn assert_starts_after_checkpoints(&self) {
        for start in self.starts.borrow().iter() {
            assert_eq!(start.first, start.checkpoint.map_or(0, |number| number + 1));
        }
    }
}

/// Runs a processor, with all its partitions below one task, so that aborting it aborts everything.
pub fn spawn(
    name: &'static str,
    processor: Arc<EventProcessor>,
    fixture: &Rc<Fixture>,
    ledger: &Rc<Ledger>,
) -> JoinHandle<()> {
    let (fixture, ledger) = (Rc::clone(fixture), Rc::clone(ledger));
    spawn_local(async move {
        let partitions = LocalSet::new();
        let dispatch = async {
            while let Ok(partition) = processor.next_partition_client().await {
                let (fixture, ledger) = (Rc::clone(&fixture), Rc::clone(&ledger));
                let task = process(name, partition, fixture, Rc::clone(&ledger));
                let task = partitions.spawn_local(task);
                partitions.spawn_local(async move {
                    if let Err(failure) = task.await {
                        ledger.failures.borrow_mut().push(failure.to_string());
                    }
                });
            }
        };
        let running = async { futures::join!(processor.run(), dispatch).0 };
        partitions.run_until(running).await.expect("the store reports no error");
    })
}

/// Reads a partition until its stream ends; a checkpoint after every 10th event.
async fn process(
    name: &'static str,
    partition: Arc<PartitionClient>,
    fixture: Rc<Fixture>,
    ledger: Rc<Ledger>,
) {
    let id = partition.get_partition_id().to_string();
    // The link is open already, so this is at least what the processor started from.
    let checkpoint = fixture.checkpoint(&id).await.and_then(|found| found.sequence_number());
    let mut first = true;
    let mut events = partition.stream_events();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::ConsumerDisconnected(_)), "{error:?}");
                *ledger.disconnected.borrow_mut() += 1;
                break;
            }
        };
        let number = event.sequence_number().expect("a sequence number");
        if std::mem::take(&mut first) {
            ledger.starts.borrow_mut().push(Start { processor: name, checkpoint, first: number });
        }
        ledger.events.borrow_mut().entry(id.clone()).or_default().push(number);
        if number % 10 == 9 {
            partition.update_checkpoint(&event).await.expect("a checkpoint");
        }
        // An event takes its time, so that a takeover falls into the middle.
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    drop(events);
    // As the example does. It complains that the link is gone.
    if let Some(partition) = Arc::into_inner(partition) {
        let _ = partition.close().await;
    }
}

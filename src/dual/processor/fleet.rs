//! The state that all partitions of a consumer share: which are won, open and left, and why the consumer ends.

mod stop;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use log::warn;

use super::partition::Partition;
use super::rounds::Rounds;
use super::workers::{Bell, Clock, Tasks};
use super::{
    CheckpointStore, Checkpointer, EventSource, LOG, Origin, OwnershipManager, PartitionContext,
    Settings, maybe_async,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ConsumerGroup;
use crate::ownership::StartingPosition;
use crate::processing::{CloseReason, LeaveCause, Observers, StopHandle, guarded};

pub(super) struct Fleet {
    pub(super) source: Arc<dyn EventSource>,
    pub(super) store: Option<Arc<dyn CheckpointStore>>,
    /// `None` without load balancing.
    pub(super) manager: Option<OwnershipManager>,
    pub(super) checkpointer: Option<Checkpointer>,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) tasks: Arc<Tasks>,
    pub(super) observers: Observers,
    /// Wakes tasks that wait for partitions, or for their end.
    pub(super) bell: Bell,
    /// Wakes the rounds.
    pub(super) rounds: Bell,
    stop: StopHandle,
    state: Mutex<FleetState>,
    pub(super) events: AtomicUsize,
    pub(super) dead_lettered: AtomicUsize,
    /// Whether a reader has worked. Until then, a permanent failure ends the consumer.
    has_received: AtomicBool,
}

#[derive(Default)]
struct FleetState {
    open: BTreeMap<String, Arc<Partition>>,
    /// The partitions to open.
    won: VecDeque<Start>,
    /// Partitions that were won again before the former reader has ended.
    waiting: BTreeMap<String, Start>,
    /// Partitions that were left although the ownership still holds, for example because another reader took the link.
    left: BTreeSet<String>,
    /// Without load balancing: the partitions to read, and whether each was given to a reader.
    begun: BTreeMap<String, Begun>,
    fatal: Option<Error>,
    /// When running handlers are abandoned; set by the stop.
    deadline: Option<Instant>,
    /// The partitions that have closed since the stop and are not relinquished yet.
    drained: Vec<String>,
    /// Whether the ownerships are being relinquished, so that nothing is renewed any more.
    is_relinquishing: bool,
    is_over: bool,
    unsaved: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Yes,
    /// Its reader has ended for good.
    Ended,
}

/// A partition to read from a position.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) partition_id: String,
    pub(super) position: StartingPosition,
    pub(super) sequence_number: Option<i64>,
}

impl Fleet {
    pub(super) fn start(
        origin: Origin,
        mut settings: Settings,
        stop: &StopHandle,
    ) -> Result<Arc<Self>> {
        let clock = settings.clock.clone();
        let tasks = Arc::new(Tasks::new(&clock)?);
        let observers = Observers::new(&settings.observers);
        let store = origin.store.map(|store| match store.with_fence() {
            Some(fenced) => Arc::from(fenced),
            None => store,
        });
        let manager = match &store {
            Some(store) if settings.partition_id.is_none() => {
                Some(manager(&origin.source, store, &settings)?)
            }
            _ => None,
        };
        if manager.is_some() {
            // A partition that another reader takes loses its link at once, not only in our next round.
            settings.owner_level.get_or_insert(0);
        }
        let checkpointer = store.as_ref().map(|store| {
            let (store, clock, tasks) = (Arc::clone(store), clock.clone(), Arc::clone(&tasks));
            Checkpointer::assemble(store, settings.policy, clock, tasks, observers.clone())
        });
        let fleet = Arc::new(Self {
            source: origin.source,
            store,
            manager,
            checkpointer,
            bell: Bell::new(&clock),
            rounds: Bell::new(&clock),
            settings,
            clock,
            tasks,
            observers,
            stop: stop.clone(),
            state: Mutex::default(),
            events: AtomicUsize::new(0),
            dead_lettered: AtomicUsize::new(0),
            has_received: AtomicBool::new(false),
        });
        let listener = Arc::downgrade(&fleet);
        stop.listen(Arc::new(move || {
            if let Some(fleet) = listener.upgrade() {
                fleet.begin_stop();
            }
        }));
        fleet.tasks.start(Box::new(Rounds::new(&fleet)))?;
        Ok(fleet)
    }

    fn lock(&self) -> MutexGuard<'_, FleetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn group(&self) -> &ConsumerGroup {
        self.source.group()
    }

    pub(super) fn is_stopping(&self) -> bool {
        let state = self.lock();
        self.stop.is_stopped() || state.is_over || state.deadline.is_some()
    }

    /// Returns whether the partition is still owned.
    pub(super) fn is_owned(&self, partition_id: &str) -> bool {
        self.manager.as_ref().is_none_or(|manager| manager.is_owned(partition_id))
    }

    /// Returns whether nothing is left to renew: after a stop, and the end of all partitions.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        let is_stopping = self.stop.is_stopped() || state.deadline.is_some();
        let is_done = state.open.is_empty() || state.is_relinquishing || self.stop.is_abandoned();
        state.is_over || (is_stopping && is_done)
    }

    pub(super) fn open(&self) -> BTreeSet<String> {
        self.lock().open.keys().cloned().collect()
    }

    pub(super) fn is_open(&self, partition_id: &str) -> bool {
        self.lock().open.contains_key(partition_id)
    }

    /// Starts a partition at once, or when its former reader has ended.
    pub(super) fn win(&self, start: Start) {
        let mut state = self.lock();
        state.left.remove(&start.partition_id);
        if state.open.contains_key(&start.partition_id) {
            state.waiting.insert(start.partition_id.clone(), start);
        } else {
            state.won.retain(|other| other.partition_id != start.partition_id);
            state.won.push_back(start);
        }
        drop(state);
        self.bell.ring();
    }

    /// Ends a partition that must not be read any more.
    pub(super) fn lose(&self, partition_id: &str, cause: LeaveCause) {
        let partition = {
            let mut state = self.lock();
            state.left.remove(partition_id);
            state.waiting.remove(partition_id);
            state.won.retain(|start| start.partition_id != partition_id);
            state.open.get(partition_id).cloned()
        };
        if let Some(partition) = partition {
            partition.leave(cause);
        }
    }

    /// Returns the next partition to read, which counts as open from now on. `None` if there is none now.
    pub(super) fn take_won(self: &Arc<Self>) -> Option<(Arc<Partition>, Start)> {
        let mut state = self.lock();
        if state.deadline.is_some() || state.is_over {
            return None;
        }
        let start = state.won.pop_front()?;
        let partition = Partition::new(self, &start.partition_id);
        state.open.insert(start.partition_id.clone(), Arc::clone(&partition));
        Some((partition, start))
    }

    /// Notes that the reader of a partition has ended, including its last checkpoint.
    pub(super) fn closed(
        &self,
        partition_id: &str,
        reason: &CloseReason,
        is_saved: bool,
        restart: Option<Start>,
    ) {
        let mut state = self.lock();
        state.open.remove(partition_id);
        if !is_saved {
            state.unsaved.insert(partition_id.to_owned());
        }
        let is_stopping = state.deadline.is_some() || state.is_over;
        if let Some(start) = state.waiting.remove(partition_id) {
            state.won.push_back(start);
        } else if is_stopping {
            state.drained.push(partition_id.to_owned());
        } else if let Some(start) = restart.filter(|_| self.is_owned(partition_id)) {
            state.won.push_back(start);
        } else if self.manager.is_some() {
            // A lost partition is started again if it is won again.
            if !matches!(reason, CloseReason::Lost(_) | CloseReason::Stale) {
                state.left.insert(partition_id.to_owned());
            }
        } else if matches!(reason, CloseReason::Stopped) {
            // The program closed it early, or no thread could be started for it: it comes again.
            state.begun.insert(partition_id.to_owned(), Begun::No);
        } else {
            state.begun.insert(partition_id.to_owned(), Begun::Ended);
            if state.begun.values().all(|begun| *begun == Begun::Ended) {
                let text = format!("partition {partition_id}: {reason}");
                state.fatal.get_or_insert(Error::new(ErrorKind::Other, text));
            }
        }
        drop(state);
        self.bell.ring();
    }

    /// Notes that a reader works.
    pub(super) fn note_received(&self) {
        self.has_received.store(true, Ordering::Relaxed);
    }

    /// Returns whether an error ends a consumer that could not read any partition yet, because it will not go away: there
    /// is no such consumer group, for example. The service may open a link before it refuses it.
    pub(super) fn is_fatal_at_start(&self, error: &Error) -> bool {
        !self.has_received.load(Ordering::Relaxed) && is_permanent(error)
    }

    /// Notes a loss that load balancing does not see. Its next round finds out who has the partition.
    pub(super) fn note_taken(&self, partition_id: &str) {
        if let Some(manager) = &self.manager {
            manager.note_taken(partition_id);
        }
    }

    /// Without load balancing, each partition is given to one reader. Returns those that have none, and counts them as
    /// given.
    pub(super) fn begin_all(&self, partition_ids: Vec<String>) -> Vec<String> {
        let mut state = self.lock();
        let begun = &mut state.begun;
        let is_new = |id: &String| *begun.entry(id.clone()).or_insert(Begun::No) == Begun::No;
        let new: Vec<_> = partition_ids.into_iter().filter(is_new).collect();
        for id in &new {
            state.begun.insert(id.clone(), Begun::Yes);
        }
        new
    }

    pub(super) fn begin_again(&self, partition_id: &str) {
        self.lock().begun.insert(partition_id.to_owned(), Begun::No);
    }

    /// Returns the partitions that were left although their ownership still holds.
    pub(super) fn left(&self) -> Vec<String> {
        self.lock().left.iter().cloned().collect()
    }

    /// Reports a failure that the consumer survives.
    pub(super) fn report(&self, partition: Option<&Arc<Partition>>, error: &Error) {
        let id = partition.map(|partition| partition.id());
        match id {
            Some(id) => warn!(target: LOG, "partition {id}: {error}"),
            None => warn!(target: LOG, "{error}"),
        }
        self.observers.tell(LOG, |observer| observer.failed(id, error));
        if let Some(on_error) = &self.settings.on_error {
            let context = partition.map(PartitionContext::new);
            guarded(LOG, "on_error", || on_error(context.as_ref(), error));
        }
    }
}

/// Returns whether a failure stays as it is until somebody changes the configuration.
pub(super) fn is_permanent(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AccessDenied
            | ErrorKind::ContainerNotFound
            | ErrorKind::Configuration
            | ErrorKind::InvalidInput
            | ErrorKind::Rejected
    )
}

fn manager(
    source: &Arc<dyn EventSource>,
    store: &Arc<dyn CheckpointStore>,
    settings: &Settings,
) -> Result<OwnershipManager> {
    let store = Arc::clone(store);
    OwnershipManager::builder(store, source.group(), settings.owner_id.clone())
        .options(settings.ownership)
        .starting_positions(settings.positions.clone())
        .fail_on_shared_owner_id(settings.fails_on_shared_owner_id)
        .build()
}

#[maybe_async]
impl Fleet {
    /// Waits for a partition to read. `None` after a stop.
    pub(super) async fn next(self: &Arc<Self>) -> Option<(Arc<Partition>, Start)> {
        loop {
            if self.is_stopping() {
                self.begin_stop();
                return None;
            }
            if let Some(won) = self.take_won() {
                return Some(won);
            }
            if self.lock().fatal.is_some() {
                self.begin_stop();
                return None;
            }
            self.bell.wait(None).await;
        }
    }
}

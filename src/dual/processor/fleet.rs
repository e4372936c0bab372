//! The state that all partitions of a consumer share: its ownerships, its checkpoints, and its stop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, warn};

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
use crate::processing::{CloseReason, LeaveCause, Observers, StopHandle, Summary, guarded};

/// The time limit for relinquishing the partitions after the last one is closed.
const RELINQUISH_LIMIT: Duration = Duration::from_secs(5);
/// The extra time after the shutdown timeout for partitions that are closing.
const GRACE: Duration = Duration::from_millis(500);

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
    /// Without load balancing: the partitions that were opened before.
    begun: BTreeSet<String>,
    fatal: Option<Error>,
    /// When running handlers are abandoned; set by the stop.
    deadline: Option<Instant>,
    is_over: bool,
    unsaved: BTreeSet<String>,
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
    pub(super) fn closed(&self, partition_id: &str, reason: &CloseReason, is_saved: bool) {
        let mut state = self.lock();
        state.open.remove(partition_id);
        if !is_saved {
            state.unsaved.insert(partition_id.to_owned());
        }
        let is_stopping = state.deadline.is_some() || state.is_over;
        if let Some(start) = state.waiting.remove(partition_id) {
            state.won.push_back(start);
        } else if !is_stopping && self.manager.is_some() {
            // A lost partition is started again if it is won again.
            if !matches!(reason, CloseReason::Lost(_) | CloseReason::Stale) {
                state.left.insert(partition_id.to_owned());
            }
        } else if !is_stopping && state.open.is_empty() && state.won.is_empty() {
            let text = format!("partition {partition_id}: {reason}");
            state.fatal.get_or_insert(Error::new(ErrorKind::Other, text));
        }
        drop(state);
        self.bell.ring();
    }

    /// Notes a loss that load balancing does not see. Its next round finds out who has the partition.
    pub(super) fn note_taken(&self, partition_id: &str) {
        if let Some(manager) = &self.manager {
            manager.note_taken(partition_id);
        }
    }

    /// Without load balancing, each partition is opened once. Returns whether this is the first time.
    pub(super) fn begin_once(&self, partition_id: &str) -> bool {
        self.lock().begun.insert(partition_id.to_owned())
    }

    pub(super) fn begin_again(&self, partition_id: &str) {
        self.lock().begun.remove(partition_id);
    }

    /// Returns the partitions that were left although their ownership still holds.
    pub(super) fn left(&self) -> Vec<String> {
        self.lock().left.iter().cloned().collect()
    }

    /// Ends the consumer because of an error.
    pub(super) fn fail(&self, error: Error) {
        self.lock().fatal.get_or_insert(error);
        self.begin_stop();
    }

    pub(super) fn take_fatal(&self) -> Option<Error> {
        self.lock().fatal.take()
    }

    /// Begins the stop: from now on, nothing is opened or received.
    pub(super) fn begin_stop(&self) {
        let now = self.clock.now();
        let open: Vec<_> = {
            let mut state = self.lock();
            let deadline = now.checked_add(self.settings.shutdown_timeout);
            state.deadline.get_or_insert(deadline.unwrap_or(now + RELINQUISH_LIMIT));
            if self.stop.is_abandoned() {
                state.deadline = Some(now);
            }
            state.won.clear();
            state.waiting.clear();
            state.open.values().cloned().collect()
        };
        // As after a crash, nothing more may be written.
        let is_abandoned = self.stop.is_abandoned();
        let cause = if is_abandoned { LeaveCause::Lapsed } else { LeaveCause::Stop };
        for partition in open {
            partition.leave(cause);
        }
        self.rounds.ring();
        self.bell.ring();
    }

    /// Returns the deadline for the last checkpoint of a partition that closes now.
    pub(super) fn close_deadline(&self) -> Option<Instant> {
        let deadline = self.lock().deadline;
        deadline.or_else(|| self.clock.now().checked_add(self.settings.shutdown_timeout))
    }

    /// Ends all jobs of this consumer, whatever they do.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.rounds.ring();
        self.stop.forget_listeners();
        self.tasks.abort_all();
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

fn manager(
    source: &Arc<dyn EventSource>,
    store: &Arc<dyn CheckpointStore>,
    settings: &Settings,
) -> Result<OwnershipManager> {
    let store = Arc::clone(store);
    OwnershipManager::builder(store, source.group(), settings.owner_id.clone())
        .options(settings.ownership)
        .starting_positions(settings.positions.clone())
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

    /// Waits for the partitions to close, and relinquishes them.
    pub(super) async fn finish(&self) -> Summary {
        self.begin_stop();
        // Partitions that give up at the deadline can still report it.
        let deadline = self.close_deadline().map(|deadline| deadline + GRACE);
        loop {
            let is_late = deadline.is_some_and(|deadline| deadline <= self.clock.now());
            if is_late || self.lock().open.is_empty() {
                break;
            }
            self.bell.wait(deadline).await;
        }
        let relinquished = match &self.manager {
            Some(manager) if !self.stop.is_abandoned() => {
                manager.relinquish_all(RELINQUISH_LIMIT).await.released().count()
            }
            _ => 0,
        };
        let state = self.lock();
        let unfinished: Vec<_> = state.open.keys().cloned().collect();
        let unsaved = state.unsaved.iter().cloned().collect();
        drop(state);
        for partition_id in &unfinished {
            warn!(target: LOG, "partition {partition_id}: the handler did not return in time");
        }
        self.end();
        let summary = Summary {
            events: self.events.load(Ordering::Relaxed),
            checkpoints: self.checkpointer.as_ref().map_or(0, Checkpointer::written),
            dead_lettered: self.dead_lettered.load(Ordering::Relaxed),
            relinquished,
            unsaved,
            unfinished,
        };
        debug!(target: LOG, "stopped: {summary}");
        summary
    }
}

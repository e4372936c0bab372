//! The writes of one partition's checkpoint.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::mark::Mark;
use super::{Bell, Job, LOG, Shared, maybe_async, save};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, CheckpointUpdate, ConsumerGroup, UpdateOutcome};
use crate::processing::{CheckpointOutcome, CheckpointSchedule, Due, Span, WriteEnd, WriteQueue};

/// Decides whether a partition may still be written, and is told when it turns out to be stale.
pub(crate) trait Guard: Send + Sync {
    fn may_write(&self) -> bool;
    fn is_stale(&self);
    /// Is told once that the checkpoint is not stored because a later one is, until one is stored again.
    fn is_not_stored(&self, error: &Error);
}

/// The writes of one partition.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    group: ConsumerGroup,
    pub(super) partition_id: String,
    guard: Option<Arc<dyn Guard>>,
    state: Mutex<SlotState>,
    /// Rung when a wait after a failure should end.
    bell: Bell,
}

struct SlotState {
    queue: WriteQueue<Mark>,
    schedule: CheckpointSchedule,
    has_writer: bool,
    failures: u32,
}

impl Slot {
    pub(super) fn new(
        shared: &Arc<Shared>,
        group: &ConsumerGroup,
        partition_id: &str,
        guard: Option<Arc<dyn Guard>>,
    ) -> Self {
        let state = SlotState {
            queue: WriteQueue::new(),
            schedule: CheckpointSchedule::new(shared.policy),
            has_writer: false,
            failures: 0,
        };
        Self {
            shared: Arc::clone(shared),
            group: group.clone(),
            partition_id: partition_id.to_owned(),
            guard,
            state: Mutex::new(state),
            bell: Bell::new(&shared.clock),
        }
    }

    pub(super) fn key(&self) -> (ConsumerGroup, String) {
        (self.group.clone(), self.partition_id.clone())
    }

    /// Returns whether nothing more is written.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().queue.is_closed()
    }

    /// Returns whether the last position that was reached will not be stored.
    pub(crate) fn has_given_up(&self) -> bool {
        self.lock().queue.has_given_up()
    }

    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the position advanced by this many events.
    pub(crate) fn advance(self: &Arc<Self>, mark: Mark, events: u64) {
        let now = self.shared.clock.now();
        let (begins, starts) = {
            let mut state = self.lock();
            if !state.queue.offer(mark) {
                return;
            }
            let begins = state.schedule.advanced(events, now);
            (begins, state.needs_writer(now))
        };
        self.start_writer_if(starts);
        if begins && !starts {
            self.shared.note_waiting();
        }
    }

    /// Notes that a handler has processed a batch.
    pub(crate) fn batch_ended(self: &Arc<Self>) {
        self.lock().schedule.batch_ended();
        self.look();
    }

    /// Requests a write of the pending position now, regardless of the policy.
    pub(crate) fn request(self: &Arc<Self>) {
        self.lock().schedule.request();
        self.look();
    }

    /// Starts a write if one is due.
    pub(super) fn look(self: &Arc<Self>) -> Due {
        let now = self.shared.clock.now();
        let (due, starts) = {
            let mut state = self.lock();
            (state.schedule.due(now), state.needs_writer(now))
        };
        self.start_writer_if(starts);
        due
    }

    fn start_writer_if(self: &Arc<Self>, starts: bool) {
        if !starts {
            return;
        }
        if let Err(error) = self.shared.tasks.start(Box::new(Writer(Arc::clone(self)))) {
            warn!(target: LOG, "could not start writing a checkpoint: {error}");
            self.lock().has_writer = false;
        }
    }

    /// Ends the writes, for example after a loss. Does not wait for a write in progress.
    pub(crate) fn give_up(&self) {
        self.lock().queue.close();
        self.bell.ring();
        self.ring_watchers();
    }

    fn ring_watchers(&self) {
        self.shared.watchers().iter().for_each(|bell| bell.ring());
    }

    /// Returns the checkpoint to write now. `None` ends the writer.
    fn begin(&self) -> Option<Mark> {
        let is_allowed = self.guard.as_ref().is_none_or(|guard| guard.may_write());
        let now = self.shared.clock.now();
        let mut state = self.lock();
        if !is_allowed {
            state.queue.close();
        }
        let mark = if state.schedule.due(now) == Due::Now || state.failures > 0 {
            state.queue.begin()
        } else {
            None
        };
        match &mark {
            Some(_) => state.schedule.begin(),
            None => state.has_writer = false,
        }
        mark
    }

    /// Records the result of a write. Returns when to retry.
    fn end(&self, result: &Result<CheckpointUpdate>) -> Option<Instant> {
        let end = match result {
            Ok(update) => match update.outcome {
                UpdateOutcome::Stale => WriteEnd::Refused,
                UpdateOutcome::OutOfOrder => WriteEnd::Passed,
                _ => WriteEnd::Saved,
            },
            Err(_) => WriteEnd::Failed,
        };
        let mut state = self.lock();
        state.queue.end(end);
        if end != WriteEnd::Failed {
            state.failures = 0;
            return None;
        }
        state.failures = state.failures.saturating_add(1);
        let pause = self.shared.retry.pause(state.failures, fastrand::u64(..));
        Some(self.shared.clock.now() + pause)
    }

    fn tell(&self, checkpoint: &Checkpoint, took: Duration, result: &Result<CheckpointUpdate>) {
        let outcome = match result {
            Ok(update) => match update.outcome {
                UpdateOutcome::Stale => CheckpointOutcome::Stale,
                UpdateOutcome::OutOfOrder => CheckpointOutcome::OutOfOrder,
                _ => CheckpointOutcome::Written,
            },
            Err(error) => CheckpointOutcome::Failed(error),
        };
        match &outcome {
            CheckpointOutcome::Written => {
                self.shared.written.fetch_add(1, Ordering::Relaxed);
            }
            CheckpointOutcome::Stale => {
                warn!(target: LOG, "partition {}: another consumer's checkpoint is ahead", self.partition_id);
            }
            CheckpointOutcome::OutOfOrder => {
                debug!(target: LOG, "partition {}: a later checkpoint is stored", self.partition_id);
            }
            CheckpointOutcome::Failed(error) => {
                debug!(target: LOG, "partition {}: {error}", self.partition_id);
            }
        }
        let observers = &self.shared.observers;
        observers.tell(LOG, |observer| observer.checkpoint(checkpoint, took, &outcome));
    }
}

impl SlotState {
    fn needs_writer(&mut self, now: Instant) -> bool {
        let needs = !self.has_writer
            && !self.queue.is_closed()
            && self.queue.is_unsaved()
            && self.schedule.due(now) == Due::Now;
        self.has_writer |= needs;
        needs
    }
}

#[maybe_async]
impl Slot {
    /// Waits until nothing is left to write. Returns `false` if the last position is not stored: because of the deadline, a
    /// loss, or a later checkpoint that is stored.
    pub(crate) async fn wait_until_written(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let watcher = Arc::new(Bell::new(&self.shared.clock));
        self.shared.watchers().push(Arc::clone(&watcher));
        let is_saved;
        self.request();
        // A writer that waits after a failure retries now.
        self.bell.ring();
        loop {
            {
                let state = self.lock();
                if state.queue.is_closed() || !state.queue.is_unsaved() {
                    is_saved = !state.queue.has_given_up();
                    break;
                }
            }
            if deadline.is_some_and(|deadline| deadline <= self.shared.clock.now()) {
                is_saved = false;
                break;
            }
            watcher.wait(deadline).await;
        }
        self.shared.watchers().retain(|other| !Arc::ptr_eq(other, &watcher));
        is_saved
    }
}

/// Writes the checkpoints of a partition until nothing is due.
struct Writer(Arc<Slot>);

#[maybe_async]
impl Job for Writer {
    async fn run(self: Box<Self>) {
        let slot = self.0;
        while let Some(mark) = slot.begin() {
            let began = slot.shared.clock.now();
            let (checkpoint, result) = match mark.checkpoint(&slot.group, &slot.partition_id) {
                Ok(checkpoint) => {
                    let span = checkpoint_span(&checkpoint);
                    let result = save(&*slot.shared.store, &checkpoint, &span).await;
                    note_failure(&span, &result);
                    (Some(checkpoint), result)
                }
                Err(error) => (None, Err(error)),
            };
            let was_passed = slot.lock().queue.is_passed();
            let again = slot.end(&result);
            if let Some(checkpoint) = checkpoint {
                let took = slot.shared.clock.now().saturating_duration_since(began);
                slot.tell(&checkpoint, took, &result);
            }
            match (&slot.guard, &result) {
                (Some(guard), Ok(update)) if update.outcome == UpdateOutcome::Stale => {
                    guard.is_stale();
                }
                (Some(guard), Ok(update))
                    if update.outcome == UpdateOutcome::OutOfOrder && !was_passed =>
                {
                    guard.is_not_stored(&not_stored(&slot.partition_id));
                }
                _ => {}
            }
            slot.ring_watchers();
            if let Some(again) = again {
                slot.bell.wait(Some(again)).await;
            }
        }
        slot.ring_watchers();
    }
}

fn checkpoint_span(checkpoint: &Checkpoint) -> Span {
    let number = checkpoint.sequence_number();
    Span::checkpoint(checkpoint.group(), checkpoint.partition_id(), number)
}

fn note_failure(span: &Span, result: &Result<CheckpointUpdate>) {
    match result {
        Ok(update) if !update.is_written() => span.failed(&format!("{:?}", update.outcome)),
        Ok(_) => {}
        Err(error) => span.failed(&format!("{:?}", error.kind())),
    }
}

fn not_stored(partition_id: &str) -> Error {
    let text = format!(
        "checkpoint of partition {partition_id}: it is not stored, because a later one is. If the event hub was \
         recreated or failed over, its sequence numbers have restarted: reset or delete its checkpoints"
    );
    Error::new(ErrorKind::InvalidData, text)
}

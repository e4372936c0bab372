//! The shared state of one owned partition.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::fleet::Fleet;
use super::workers::Bell;
use super::{Guard, LOG, Mark, Slot};
use crate::error::Error;
use crate::model::ConsumerGroup;
use crate::processing::{
    CloseReason, LastEnqueued, LeaveCause, LossCause, PartitionLife, Phase, ReadEnd, ReceivedEvent,
};

/// How long the result of a lease check is cached.
const LOOK: Duration = Duration::from_millis(500);

pub(super) struct Partition {
    fleet: Arc<Fleet>,
    id: String,
    opened_at: Instant,
    /// `None` without a store.
    slot: Option<Arc<Slot>>,
    state: Mutex<State>,
    /// Wakes the reader.
    pub(super) bell: Bell,
    /// Ends a receive.
    interrupter: Mutex<Option<Listener>>,
    /// Wake handlers between two attempts.
    listeners: Mutex<Vec<Listener>>,
}

type Listener = Arc<dyn Fn() + Send + Sync>;

struct State {
    life: PartitionLife<Arc<ReceivedEvent>>,
    last_enqueued: Option<LastEnqueued>,
    /// The sequence number at which a checkpoint was requested.
    requested: Option<i64>,
    end: Option<Arc<ReadEnd>>,
    looked_at: Option<Instant>,
    /// The number of events done since the watermark moved.
    done: u64,
}

impl Partition {
    pub(super) fn new(fleet: &Arc<Fleet>, id: &str) -> Arc<Self> {
        let state = State {
            life: PartitionLife::new(fleet.settings.max_in_flight),
            last_enqueued: None,
            requested: None,
            end: None,
            looked_at: None,
            done: 0,
        };
        Arc::new_cyclic(|this: &Weak<Self>| {
            let guard = Arc::new(PartitionGuard(Weak::clone(this)));
            let checkpointer = fleet.checkpointer.as_ref();
            Self {
                fleet: Arc::clone(fleet),
                id: id.to_owned(),
                opened_at: fleet.clock.now(),
                slot: checkpointer.map(|writes| writes.open_slot(fleet.group(), id, guard)),
                state: Mutex::new(state),
                bell: Bell::new(&fleet.clock),
                interrupter: Mutex::default(),
                listeners: Mutex::default(),
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    pub(super) fn group(&self) -> &ConsumerGroup {
        self.fleet.group()
    }

    pub(super) fn slot(&self) -> Option<&Arc<Slot>> {
        self.slot.as_ref()
    }

    pub(super) fn owned_for(&self) -> Duration {
        self.fleet.clock.now().saturating_duration_since(self.opened_at)
    }

    pub(super) fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.lock().last_enqueued.clone()
    }

    pub(super) fn set_last_enqueued(&self, last: LastEnqueued) {
        self.lock().last_enqueued = Some(last);
        let lag = self.lag();
        let observers = &self.fleet.observers;
        if let Some(lag) = lag.filter(|_| !observers.is_empty()) {
            observers.tell(LOG, |observer| observer.lag(&self.id, lag));
        }
    }

    pub(super) fn lag(&self) -> Option<i64> {
        let state = self.lock();
        let last = state.last_enqueued.as_ref()?.sequence_number;
        let tracker = state.life.tracker();
        let not_done = i64::try_from(tracker.in_flight()).unwrap_or(i64::MAX);
        Some(last.saturating_sub(tracker.last_received()?).max(0).saturating_add(not_done))
    }

    pub(super) fn is_owned(&self) -> bool {
        self.lock().life.may_save() && self.fleet.is_owned(&self.id)
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().life.phase()
    }

    pub(super) fn opened(&self) {
        self.lock().life.opened();
    }

    pub(super) fn link_ended(&self) {
        self.lock().life.link_ended();
    }

    pub(super) fn room(&self) -> usize {
        self.lock().life.room()
    }

    pub(super) fn last_received(&self) -> Option<i64> {
        self.lock().life.tracker().last_received()
    }

    /// Returns whether a handler may start. Checks the lease from time to time.
    pub(super) fn may_handle(&self) -> bool {
        let now = self.fleet.clock.now();
        {
            let mut state = self.lock();
            if !state.life.may_handle() {
                return false;
            }
            if state.looked_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK) {
                return true;
            }
            state.looked_at = Some(now);
        }
        if self.fleet.is_stopping() {
            self.leave(LeaveCause::Stop);
            return false;
        }
        if !self.fleet.is_owned(&self.id) {
            self.leave(LeaveCause::Lapsed);
            return false;
        }
        true
    }

    /// Returns whether a handler may still start, after a stop, with an event that was received before it.
    pub(super) fn may_drain(&self) -> bool {
        let is_stopped = {
            let state = self.lock();
            state.life.phase() == Phase::Draining
                && state.life.may_save()
                && state.life.cause() == Some(LeaveCause::Stop)
        };
        let now = self.fleet.clock.now();
        is_stopped
            && self.fleet.is_owned(&self.id)
            && self.fleet.close_deadline().is_none_or(|deadline| now < deadline)
    }

    /// Returns the new events.
    pub(super) fn note_received(
        &self,
        events: impl Iterator<Item = ReceivedEvent>,
    ) -> Vec<Arc<ReceivedEvent>> {
        let mut state = self.lock();
        let mut new = Vec::with_capacity(events.size_hint().0);
        for event in events {
            let event = Arc::new(event);
            if state.life.received(event.sequence_number(), Arc::clone(&event)) {
                new.push(event);
            }
        }
        new
    }

    /// Marks these events as done.
    pub(super) fn acknowledge(&self, numbers: impl Iterator<Item = i64>) {
        let wakes = {
            let mut state = self.lock();
            let was_full = state.life.tracker().room() == 0;
            let mut moved = false;
            for number in numbers {
                state.done += 1;
                moved |= state.life.done(number);
            }
            if let (Some((watermark, event)), Some(slot)) =
                (state.life.tracker().watermark().filter(|_| moved), &self.slot)
            {
                let event = Arc::clone(event);
                let requested = state.requested.take_if(|number| *number <= watermark).is_some();
                // Under the lock, so that a request that comes now finds the position.
                slot.advance(Mark::Event(event), std::mem::take(&mut state.done));
                if requested {
                    slot.request();
                }
            }
            was_full && state.life.tracker().room() > 0
        };
        if wakes {
            self.bell.ring();
        }
    }

    /// Requests a checkpoint at this event, to be written as soon as possible.
    pub(super) fn request_checkpoint(&self, sequence_number: i64) {
        let is_done = {
            let mut state = self.lock();
            let watermark = state.life.tracker().watermark().map(|(number, _)| number);
            let is_done = watermark.is_some_and(|watermark| watermark >= sequence_number);
            if !is_done {
                state.requested = state.requested.max(Some(sequence_number));
            }
            is_done
        };
        if is_done && let Some(slot) = &self.slot {
            slot.request();
        }
    }

    /// Wakes everything that waits for the partition. A listener that is gone is removed with the partition.
    pub(super) fn listen(&self, listener: Listener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Sets what ends a receive of the present link.
    pub(super) fn set_interrupter(&self, interrupter: Option<Listener>) {
        *self.interrupter.lock().unwrap_or_else(PoisonError::into_inner) = interrupter;
    }

    pub(super) fn leave(&self, cause: LeaveCause) {
        if !self.lock().life.leave(cause) {
            return;
        }
        if cause.is_loss()
            && let Some(slot) = &self.slot
        {
            slot.give_up();
        }
        if matches!(cause, LeaveCause::Displaced | LeaveCause::Stale) {
            self.fleet.note_taken(&self.id);
        }
        self.bell.ring();
        let interrupter = self.interrupter.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for wake in interrupter.into_iter().chain(listeners) {
            wake();
        }
    }

    /// Notes that the source has no more events.
    pub(super) fn source_ended(&self, end: ReadEnd) {
        self.lock().end = Some(Arc::new(end));
        self.leave(LeaveCause::SourceEnded);
    }

    pub(super) fn may_save(&self) -> bool {
        self.lock().life.may_save()
    }

    pub(super) fn reason(&self) -> CloseReason {
        let state = self.lock();
        match state.life.cause() {
            Some(LeaveCause::Lapsed) => CloseReason::Lost(LossCause::Lapsed),
            Some(LeaveCause::Taken) => CloseReason::Lost(LossCause::Taken),
            Some(LeaveCause::Displaced) => CloseReason::Lost(LossCause::Displaced),
            Some(LeaveCause::Stale) => CloseReason::Stale,
            Some(LeaveCause::HandlerStop) => CloseReason::HandlerStopped,
            Some(LeaveCause::SourceEnded) => match &state.end {
                Some(end) => CloseReason::SourceEnded(Arc::clone(end)),
                None => CloseReason::Stopped,
            },
            Some(LeaveCause::Stop) | None => CloseReason::Stopped,
        }
    }

    /// Nothing more is written.
    pub(super) fn close(&self) {
        self.lock().life.close();
        if let (Some(slot), Some(checkpointer)) = (&self.slot, &self.fleet.checkpointer) {
            checkpointer.close_slot(slot);
        }
    }
}

struct PartitionGuard(Weak<Partition>);

impl Guard for PartitionGuard {
    fn may_write(&self) -> bool {
        self.0.upgrade().is_some_and(|partition| partition.is_owned())
    }

    fn is_stale(&self) {
        if let Some(partition) = self.0.upgrade() {
            partition.leave(LeaveCause::Stale);
        }
    }

    fn is_not_stored(&self, error: &Error) {
        if let Some(partition) = self.0.upgrade() {
            partition.fleet.report(Some(&partition), error);
        }
    }
}

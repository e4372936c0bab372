//! Writes checkpoints in the background: the newest of each partition, one at a time.

mod mark;
mod slot;

pub(super) use mark::Mark;
pub(super) use slot::{Guard, Slot};

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::warn;

use super::runtime::workers::{Bell, Clock, Tasks, save};
use super::{CheckpointStore, Job, LOG, maybe_async};
use crate::error::Result;
use crate::model::{Checkpoint, ConsumerGroup};
use crate::processing::{CheckpointPolicy, Due, Observers, RetryPolicy};

/// Writes a consumer's checkpoints in the background.
///
/// Pass each position to [`update`](Self::update), which returns at once. The [`CheckpointPolicy`] decides when to write.
/// Only the newest position of a partition is written, one write at a time, and never twice. A failed write is retried
/// until it succeeds or a newer position arrives. With a [`FencedCheckpointStore`](super::FencedCheckpointStore), a former
/// owner cannot move a position back: its partition becomes [stale](Self::is_stale), and nothing more is written.
///
/// Call [`flush`](Self::flush) at the end: positions that are not written are lost when the last clone is dropped.
///
#[doc = example!("checkpointer/checkpointer")]
#[derive(Clone)]
pub struct Checkpointer(Arc<Handle>);

/// The timer ends when the last clone is dropped.
struct Handle(Arc<Shared>);

struct Shared {
    store: Arc<dyn CheckpointStore>,
    policy: CheckpointPolicy,
    retry: RetryPolicy,
    clock: Clock,
    tasks: Arc<Tasks>,
    observers: Observers,
    slots: Mutex<HashMap<(ConsumerGroup, String), Arc<Slot>>>,
    /// Rung when a partition starts to wait for its due time.
    timer: Bell,
    has_timer: AtomicBool,
    is_closed: AtomicBool,
    written: AtomicUsize,
    watchers: Mutex<Vec<Arc<Bell>>>,
}

impl Checkpointer {
    /// Creates a checkpointer that writes to a store by a policy.
    ///
    #[doc = example!("checkpointer/flush")]
    ///
    /// # Errors
    ///
    /// None on the blocking surface. On the async surface, [`ErrorKind::Configuration`](crate::ErrorKind::Configuration)
    /// outside of a tokio runtime, which runs the writes.
    pub fn new(store: impl CheckpointStore + 'static, policy: CheckpointPolicy) -> Result<Self> {
        Self::by_clock(Arc::new(store), policy, Clock::default())
    }

    pub(crate) fn by_clock(
        store: Arc<dyn CheckpointStore>,
        policy: CheckpointPolicy,
        clock: Clock,
    ) -> Result<Self> {
        let tasks = Arc::new(Tasks::new(&clock)?);
        Ok(Self::assemble(store, policy, clock, tasks, Observers::default()))
    }

    pub(super) fn assemble(
        store: Arc<dyn CheckpointStore>,
        policy: CheckpointPolicy,
        clock: Clock,
        tasks: Arc<Tasks>,
        observers: Observers,
    ) -> Self {
        let timer = Bell::new(&clock);
        let shared = Shared {
            store,
            policy,
            retry: RetryPolicy::default(),
            clock,
            tasks,
            observers,
            slots: Mutex::default(),
            timer,
            has_timer: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            written: AtomicUsize::new(0),
            watchers: Mutex::default(),
        };
        Self(Arc::new(Handle(Arc::new(shared))))
    }

    /// Notes that one more event of a partition was processed, with its checkpoint.
    ///
    /// The positions of a partition must increase. Nothing more is written for a stale partition.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/flush"))]
    pub fn update(&self, checkpoint: &Checkpoint) {
        let slot = self.slot_of(checkpoint.group(), checkpoint.partition_id());
        slot.advance(Mark::Checkpoint(Box::new(checkpoint.clone())), 1);
    }

    /// Returns whether another consumer's checkpoint was found to be ahead, so that nothing more is written for the
    /// partition.
    ///
    #[doc = example!("checkpointer/forget")]
    pub fn is_stale(&self, group: &ConsumerGroup, partition_id: &str) -> bool {
        let slots = self.shared().lock_slots();
        let slot = slots.get(&(group.clone(), partition_id.to_owned()));
        slot.is_some_and(|slot| slot.is_closed())
    }

    /// Forgets a partition, for example after its loss. A position that is not written yet will not be written. A write in
    /// progress is not awaited, and only a fenced store keeps it from replacing a later one.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/forget"))]
    pub fn forget(&self, group: &ConsumerGroup, partition_id: &str) {
        let slot = self.shared().lock_slots().remove(&(group.clone(), partition_id.to_owned()));
        if let Some(slot) = slot {
            slot.give_up();
        }
    }

    /// Ends the writes of an opened partition, and forgets it unless it was opened again in the meantime.
    pub(super) fn close_slot(&self, slot: &Arc<Slot>) {
        slot.give_up();
        let mut slots = self.shared().lock_slots();
        let key = slot.key();
        if slots.get(&key).is_some_and(|other| Arc::ptr_eq(other, slot)) {
            slots.remove(&key);
        }
    }

    /// Returns the number of written checkpoints.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/flush"))]
    pub fn written(&self) -> usize {
        self.shared().written.load(Ordering::Relaxed)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    fn slot_of(&self, group: &ConsumerGroup, partition_id: &str) -> Arc<Slot> {
        let mut slots = self.shared().lock_slots();
        let key = (group.clone(), partition_id.to_owned());
        Arc::clone(slots.entry(key).or_insert_with(|| self.new_slot(group, partition_id, None)))
    }

    /// Returns the slot of a newly opened partition, with its guard.
    pub(super) fn open_slot(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        guard: Arc<dyn Guard>,
    ) -> Arc<Slot> {
        let slot = self.new_slot(group, partition_id, Some(guard));
        let key = (group.clone(), partition_id.to_owned());
        self.shared().lock_slots().insert(key, Arc::clone(&slot));
        slot
    }

    fn new_slot(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        guard: Option<Arc<dyn Guard>>,
    ) -> Arc<Slot> {
        Arc::new(Slot::new(self.shared(), group, partition_id, guard))
    }
}

#[maybe_async]
impl Checkpointer {
    /// Writes all pending positions and waits for the writes, but no longer than the limit. Returns the partitions whose
    /// last position is not stored.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/flush"))]
    #[must_use = "a position that is not stored is processed again"]
    pub async fn flush(&self, limit: Duration) -> Vec<String> {
        let slots: Vec<_> = self.shared().lock_slots().values().cloned().collect();
        for slot in &slots {
            slot.request();
        }
        let deadline = self.shared().clock.now().checked_add(limit);
        let mut unsaved = Vec::new();
        for slot in slots {
            if !slot.wait_until_written(deadline).await {
                unsaved.push(slot.partition_id.clone());
            }
        }
        unsaved.sort();
        unsaved
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.timer.ring();
        for (_, slot) in self.0.lock_slots().drain() {
            slot.give_up();
        }
    }
}

impl Shared {
    fn lock_slots(&self) -> MutexGuard<'_, HashMap<(ConsumerGroup, String), Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Arc<Bell>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One timer serves all partitions. It starts with the first partition that needs it.
    fn note_waiting(self: &Arc<Self>) {
        if self.has_timer.swap(true, Ordering::AcqRel) {
            self.timer.ring();
        } else if let Err(error) = self.tasks.start(Box::new(Timer(Arc::clone(self)))) {
            warn!(target: LOG, "checkpoints will be delayed, because their timer could not start: {error}");
            self.has_timer.store(false, Ordering::Release);
        }
    }
}

impl fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpointer")
            .field("policy", &self.shared().policy)
            .finish_non_exhaustive()
    }
}

/// Watches the partitions whose checkpoint becomes due at some time.
struct Timer(Arc<Shared>);

#[maybe_async]
impl Job for Timer {
    async fn run(self: Box<Self>) {
        let shared = self.0;
        while !shared.is_closed.load(Ordering::Acquire) {
            let slots: Vec<_> = shared.lock_slots().values().cloned().collect();
            let due = slots.iter().filter_map(|slot| match slot.look() {
                Due::At(at) => Some(at),
                Due::Now | Due::Never => None,
            });
            let next = due.min();
            drop(slots);
            shared.timer.wait(next).await;
        }
    }
}

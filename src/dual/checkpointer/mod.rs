//! Writes checkpoints beside the processing: the newest of each partition, one at a time.

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

/// A consumer's checkpoints, written beside its work.
///
/// Tell it each position with [`update`](Self::update), which returns at once. It writes by its [`CheckpointPolicy`]:
/// only the newest position of a partition, one write of it at a time, none twice. Failed writes are tried again until
/// they succeed or a newer position comes. With a [`FencedCheckpointStore`](super::FencedCheckpointStore) a former
/// owner cannot take a position back: then the partition is [stale](Self::is_stale), and nothing more is written.
///
/// [`flush`](Self::flush) before the end: positions that were not written by then are lost with the last clone.
///
#[doc = example!("checkpointer/checkpointer")]
#[derive(Clone)]
pub struct Checkpointer(Arc<Handle>);

/// With the last clone the timer ends.
struct Handle(Arc<Shared>);

struct Shared {
    store: Arc<dyn CheckpointStore>,
    policy: CheckpointPolicy,
    retry: RetryPolicy,
    clock: Clock,
    tasks: Arc<Tasks>,
    observers: Observers,
    slots: Mutex<HashMap<(ConsumerGroup, String), Arc<Slot>>>,
    /// Rung when a partition begins to wait for its time.
    timer: Bell,
    has_timer: AtomicBool,
    is_closed: AtomicBool,
    written: AtomicUsize,
    watchers: Mutex<Vec<Arc<Bell>>>,
}

impl Checkpointer {
    /// Writes to a store by a policy.
    ///
    #[doc = example!("checkpointer/flush")]
    ///
    /// # Errors
    ///
    /// None on the blocking surface. On the async one, [`ErrorKind::Configuration`](crate::ErrorKind::Configuration)
    /// outside of a tokio runtime, in which the writes run.
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

    /// Notes that one more event of a partition is processed, and that this is its checkpoint now.
    ///
    /// The positions of a partition must rise. Nothing is written any more for a partition that is stale.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/flush"))]
    pub fn update(&self, checkpoint: &Checkpoint) {
        let slot = self.slot_of(checkpoint.group(), checkpoint.partition_id());
        slot.advance(Mark::Checkpoint(Box::new(checkpoint.clone())), 1);
    }

    /// Whether another consumer's checkpoint of a partition was found to be ahead, so that nothing more is written.
    ///
    #[doc = example!("checkpointer/forget")]
    pub fn is_stale(&self, group: &ConsumerGroup, partition_id: &str) -> bool {
        let slots = self.shared().lock_slots();
        let slot = slots.get(&(group.clone(), partition_id.to_owned()));
        slot.is_some_and(|slot| slot.is_closed())
    }

    /// Forgets a partition, as after its loss: a position that is not written yet stays so.
    ///
    #[cfg_attr(not(doctest), doc = example!("checkpointer/forget"))]
    pub fn forget(&self, group: &ConsumerGroup, partition_id: &str) {
        let slot = self.shared().lock_slots().remove(&(group.clone(), partition_id.to_owned()));
        if let Some(slot) = slot {
            slot.give_up();
        }
    }

    /// How many checkpoints were written.
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

    /// The writes of a partition from its opening on, under its guard.
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
    /// Writes all positions that are not written yet, and waits for it, but not longer than the limit. Returns the
    /// partitions whose last position is not stored.
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
            if !slot.settle(deadline).await {
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

    /// One timer serves all partitions; it begins with the first that needs it.
    fn note_waiting(self: &Arc<Self>) {
        if self.has_timer.swap(true, Ordering::AcqRel) {
            self.timer.ring();
        } else if let Err(error) = self.tasks.start(Box::new(Timer(Arc::clone(self)))) {
            warn!(target: LOG, "checkpoints are not written in time: {error}");
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

/// Looks after the partitions whose checkpoint is due at some time.
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

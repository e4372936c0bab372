//! The stop of a consumer: partitions drain, their last checkpoints are stored, and the ownerships are relinquished.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::super::partition::Partition;
use super::super::{Checkpointer, LOG, Slot, maybe_async};
use super::Fleet;
use crate::error::Error;
use crate::processing::{LeaveCause, Summary};

/// The time limit for relinquishing the partitions after the last one is closed.
const RELINQUISH_LIMIT: Duration = Duration::from_secs(5);
/// The extra time after the shutdown timeout for partitions that are closing.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait for all partitions to close, so that they are relinquished together.
const TOGETHER: Duration = Duration::from_secs(1);
/// The time limit for the last checkpoints of partitions whose handler has not returned.
const LAST_CHECKPOINTS_LIMIT: Duration = Duration::from_secs(2);
/// The longest shutdown timeout that can be added to an `Instant` without an overflow.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

impl Fleet {
    /// Ends the consumer because of an error.
    pub(in super::super) fn fail(&self, error: Error) {
        self.lock().fatal.get_or_insert(error);
        self.begin_stop();
    }

    pub(in super::super) fn take_fatal(&self) -> Option<Error> {
        self.lock().fatal.take()
    }

    /// Begins the stop: from now on, nothing is opened or received.
    pub(in super::super) fn begin_stop(&self) {
        let now = self.clock.now();
        let open: Vec<_> = {
            let mut state = self.lock();
            state.deadline.get_or_insert(now + self.shutdown_timeout());
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
    pub(in super::super) fn close_deadline(&self) -> Option<Instant> {
        let deadline = self.lock().deadline;
        deadline.or_else(|| self.clock.now().checked_add(self.shutdown_timeout()))
    }

    fn shutdown_timeout(&self) -> Duration {
        self.settings.shutdown_timeout.min(LONGEST_TIMEOUT)
    }

    /// Ends all jobs of this consumer, whatever they do.
    pub(in super::super) fn end(&self) {
        self.lock().is_over = true;
        self.rounds.ring();
        self.stop.forget_listeners();
        self.tasks.abort_all();
    }
}

#[maybe_async]
impl Fleet {
    /// Waits for the partitions to close, and relinquishes them.
    pub(in super::super) async fn finish(&self) -> Summary {
        self.begin_stop();
        // Partitions that give up at the deadline can still report it.
        let deadline = self.close_deadline().map(|deadline| deadline + GRACE);
        let together_until = self.clock.now() + TOGETHER;
        let mut relinquished = 0;
        loop {
            let now = self.clock.now();
            let is_late = deadline.is_some_and(|deadline| deadline <= now);
            if is_late || self.lock().open.is_empty() {
                break;
            }
            if now < together_until {
                let until = deadline.map_or(together_until, |end| end.min(together_until));
                self.bell.wait(Some(until)).await;
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            relinquished += self.relinquish_drained(left).await;
            self.bell.wait(deadline).await;
        }
        self.save_unfinished().await;
        self.lock().is_relinquishing = true;
        if let Some(manager) = self.manager.as_ref().filter(|_| !self.stop.is_abandoned()) {
            let outcomes = manager.relinquish_all(RELINQUISH_LIMIT).await;
            relinquished += outcomes.released().count();
        }
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

    /// Relinquishes the partitions that have closed, while others still drain. Returns how many.
    async fn relinquish_drained(&self, left: Option<Duration>) -> usize {
        let drained = std::mem::take(&mut self.lock().drained);
        match &self.manager {
            Some(manager) if !drained.is_empty() && !self.stop.is_abandoned() => {
                let limit = left.map_or(RELINQUISH_LIMIT, |left| left.min(RELINQUISH_LIMIT));
                manager.relinquish(&drained, limit).await.released().count()
            }
            _ => 0,
        }
    }

    /// Stores what was acknowledged in partitions whose handler has not returned, before another consumer reads on.
    async fn save_unfinished(&self) {
        let open: Vec<_> = self.lock().open.values().cloned().collect();
        let deadline = self.clock.now().checked_add(LAST_CHECKPOINTS_LIMIT);
        let may_save =
            |partition: &&Arc<Partition>| partition.may_save() && !self.stop.is_abandoned();
        let open: Vec<_> = open.iter().filter(may_save).collect();
        open.iter().filter_map(|partition| partition.slot()).for_each(Slot::request);
        for partition in open {
            if let Some(slot) = partition.slot()
                && !slot.wait_until_written(deadline).await
            {
                self.lock().unsaved.insert(partition.id().to_owned());
            }
        }
    }
}

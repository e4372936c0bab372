//! When checkpoints are written.

use std::time::{Duration, Instant};

/// When a checkpoint is written: after a number of events, after a time, or both, whichever comes first.
///
/// With every policy, a last checkpoint is written when a partition is closed or the consumer stops. Writes are coalesced:
/// while one is in progress, newer positions wait, and only the newest of them is written. If a process is killed, the
/// events since its last stored checkpoint are processed again, including those during a write in progress.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::processing::CheckpointPolicy;
///
/// assert_eq!(CheckpointPolicy::default(), CheckpointPolicy::every(1_000, Duration::from_secs(10)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckpointPolicy {
    events: Option<u64>,
    interval: Option<Duration>,
    batches: bool,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        Self::every(1_000, Duration::from_secs(10))
    }
}

impl CheckpointPolicy {
    /// Writes after this many events (at least one), or this long after the first event that is not covered yet.
    ///
    #[doc = shared_example!("processing/checkpoint_policy")]
    pub const fn every(events: u64, interval: Duration) -> Self {
        Self {
            events: Some(if events == 0 { 1 } else { events }),
            interval: Some(interval),
            batches: false,
        }
    }

    /// Writes after each batch that a handler has processed.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/checkpoint_policy"))]
    pub const fn every_batch() -> Self {
        Self { events: None, interval: None, batches: true }
    }

    /// Writes after each event.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/checkpoint_policy"))]
    pub const fn every_event() -> Self {
        Self { events: Some(1), interval: None, batches: false }
    }

    /// Writes only when the handler requests it, as with Python's `update_checkpoint`, and at the end.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/checkpoint_policy"))]
    pub const fn manual() -> Self {
        Self { events: None, interval: None, batches: false }
    }
}

/// When the next checkpoint of one partition is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    At(Instant),
    /// Not before something happens.
    Never,
}

/// The policy applied to one partition: it tracks the events that no checkpoint covers yet.
#[derive(Debug, Clone)]
pub(crate) struct CheckpointSchedule {
    policy: CheckpointPolicy,
    events: u64,
    since: Option<Instant>,
    is_requested: bool,
}

impl CheckpointSchedule {
    pub(crate) fn new(policy: CheckpointPolicy) -> Self {
        Self { policy, events: 0, since: None, is_requested: false }
    }

    /// Notes that the position advanced by this many events. Returns whether the wait began with it.
    pub(crate) fn advanced(&mut self, events: u64, now: Instant) -> bool {
        self.events = self.events.saturating_add(events);
        let begins = self.since.is_none();
        self.since.get_or_insert(now);
        begins && self.policy.interval.is_some()
    }

    pub(crate) fn batch_ended(&mut self) {
        self.is_requested |= self.policy.batches && self.since.is_some();
    }

    /// Makes the noted position due now, regardless of the policy.
    pub(crate) fn request(&mut self) {
        self.is_requested |= self.since.is_some();
    }

    pub(crate) fn due(&self, now: Instant) -> Due {
        let Some(since) = self.since else { return Due::Never };
        if self.is_requested || self.policy.events.is_some_and(|limit| self.events >= limit) {
            return Due::Now;
        }
        match self.policy.interval.map(|interval| since.checked_add(interval)) {
            Some(Some(at)) if at <= now => Due::Now,
            Some(Some(at)) => Due::At(at),
            Some(None) | None => Due::Never,
        }
    }

    /// Notes that a write of the noted position begins.
    pub(crate) fn begin(&mut self) {
        (self.events, self.since, self.is_requested) = (0, None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn whichever_comes_first() {
        let now = Instant::now();
        let mut schedule = CheckpointSchedule::new(CheckpointPolicy::every(3, SECOND));
        assert_eq!(schedule.due(now), Due::Never, "nothing to write");
        assert!(schedule.advanced(1, now));
        assert_eq!(schedule.due(now), Due::At(now + SECOND));
        assert_eq!(schedule.due(now + SECOND), Due::Now);
        assert!(!schedule.advanced(2, now));
        assert_eq!(schedule.due(now), Due::Now);
        schedule.begin();
        assert_eq!(schedule.due(now + SECOND), Due::Never);
    }

    #[test]
    fn the_other_policies() {
        let now = Instant::now();
        let mut schedule = CheckpointSchedule::new(CheckpointPolicy::every_batch());
        schedule.advanced(1_000_000, now);
        assert_eq!(schedule.due(now + 1000 * SECOND), Due::Never);
        schedule.batch_ended();
        assert_eq!(schedule.due(now), Due::Now);

        let mut schedule = CheckpointSchedule::new(CheckpointPolicy::every_event());
        schedule.advanced(1, now);
        assert_eq!(schedule.due(now), Due::Now);

        let mut schedule = CheckpointSchedule::new(CheckpointPolicy::manual());
        schedule.advanced(1, now);
        schedule.batch_ended();
        assert_eq!(schedule.due(now + 1000 * SECOND), Due::Never);
        schedule.request();
        assert_eq!(schedule.due(now), Due::Now);
    }

    #[test]
    fn an_interval_without_end_is_never_due() {
        let mut schedule = CheckpointSchedule::new(CheckpointPolicy::every(0, Duration::MAX));
        schedule.events = 0;
        schedule.since = Some(Instant::now());
        assert_eq!(schedule.due(Instant::now()), Due::Never);
    }
}

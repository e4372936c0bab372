//! When failed work is retried.

use std::time::Duration;

/// A pause lets other threads or tasks run, such as the one that stops the consumer.
const SHORTEST: Duration = Duration::from_millis(1);

/// How often and at what pace a handler gets failed events again.
///
/// The pause doubles from `initial` to `max`; a quarter of it is random. By default, retries continue forever: no event is
/// skipped, and other partitions are not affected.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::processing::{OnExhausted, RetryPolicy};
///
/// let retry = RetryPolicy::default()
///     .with_initial(Duration::from_millis(50))
///     .with_attempts(Some(5))
///     .with_on_exhausted(OnExhausted::DeadLetter);
/// assert_eq!(retry.attempts(), Some(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    initial: Duration,
    max: Duration,
    attempts: Option<u32>,
    on_exhausted: OnExhausted,
}

/// What happens to events after the last attempt of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnExhausted {
    /// The consumer stops. The events are delivered again when it is restarted.
    #[default]
    Stop,
    /// The events go to the dead letter sink. Without a sink, the consumer stops.
    DeadLetter,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            attempts: None,
            on_exhausted: OnExhausted::default(),
        }
    }
}

impl RetryPolicy {
    /// Sets the first pause. Default: 100 ms. A pause is never shorter than 1 ms.
    ///
    #[doc = shared_example!("processing/retry_policy")]
    #[must_use]
    pub fn with_initial(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// Sets the longest pause. Default: 30 s.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/retry_policy"))]
    #[must_use]
    pub fn with_max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// Sets how often the handler gets the same events, including the first time. Default: `None`, forever.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/retry_policy"))]
    #[must_use]
    pub fn with_attempts(mut self, attempts: Option<u32>) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets what happens after the last attempt.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/retry_policy"))]
    #[must_use]
    pub fn with_on_exhausted(mut self, on_exhausted: OnExhausted) -> Self {
        self.on_exhausted = on_exhausted;
        self
    }

    /// Returns how often the handler gets the same events.
    pub fn attempts(&self) -> Option<u32> {
        self.attempts
    }

    /// Returns what happens after the last attempt.
    pub fn on_exhausted(&self) -> OnExhausted {
        self.on_exhausted
    }

    pub(crate) fn is_exhausted(&self, attempt: u32) -> bool {
        self.attempts.is_some_and(|attempts| attempt >= attempts)
    }

    /// Returns the pause after an attempt; the first attempt is 1.
    pub(crate) fn pause(&self, attempt: u32, seed: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        let jitter = fastrand::Rng::with_seed(seed).f64() / 4.0;
        full.mul_f64(1.0 - jitter).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = RetryPolicy::default();
        for (attempt, millis) in [(1, 100), (2, 200), (5, 1_600), (10, 30_000), (u32::MAX, 30_000)]
        {
            let longest = Duration::from_millis(millis);
            for seed in 0..50 {
                let pause = retry.pause(attempt, seed);
                assert!(pause <= longest && pause >= longest * 3 / 4, "{attempt}: {pause:?}");
            }
        }
        for never in [retry.with_initial(Duration::ZERO), retry.with_max(Duration::ZERO)] {
            assert_eq!(never.pause(7, 1), Duration::from_millis(1));
        }
        let endless = retry.with_initial(Duration::MAX).with_max(Duration::MAX);
        assert!(endless.pause(3, 1) > Duration::from_secs(1));
    }

    #[test]
    fn attempts_count_from_the_first() {
        assert!(!RetryPolicy::default().is_exhausted(u32::MAX));
        let retry = RetryPolicy::default().with_attempts(Some(2));
        assert!(!retry.is_exhausted(1) && retry.is_exhausted(2));
    }
}

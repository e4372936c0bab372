//! Pauses that double, with jitter. When a service comes back, its consumers then do not return all at once.

use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    initial: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, failures: 0 }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the pause before the next attempt: between half of the current limit and all of it.
    pub(super) fn next_pause(&mut self) -> Duration {
        let doubled =
            self.initial.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.max).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        let pauses: Vec<_> = (0..100).map(|_| backoff.next_pause()).collect();
        for (failures, pause) in pauses.into_iter().enumerate() {
            let limit = Duration::from_millis(100 << failures.min(20)).min(Duration::from_secs(30));
            assert!(pause >= limit / 2 && pause <= limit, "{failures}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(100));
    }
}

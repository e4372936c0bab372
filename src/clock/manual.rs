//! A clock that a test controls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::Clock;

/// A clock that stands still until a test [advances](Self::advance) it. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.clone().advance(Duration::from_secs(60));
/// assert_eq!(clock.now() - before, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    origin: Instant,
    system_origin: SystemTime,
    elapsed: Arc<Mutex<Duration>>,
}

impl ManualClock {
    /// Creates a clock at the current time.
    ///
    #[doc = shared_example!("clock/manual")]
    pub fn new() -> Self {
        Self { origin: Instant::now(), system_origin: SystemTime::now(), elapsed: Arc::default() }
    }

    /// Advances the time.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("clock/manual"))]
    pub fn advance(&self, time: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(time);
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.origin + self.elapsed()
    }

    fn system_time(&self) -> SystemTime {
        self.system_origin + self.elapsed()
    }
}

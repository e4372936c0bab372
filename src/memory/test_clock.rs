//! A clock for tests with threads: it stands still while any thread works, and jumps when all threads wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;

/// The wall-clock time at which tests begin.
const BEGIN: Duration = Duration::from_secs(1_700_000_000);

/// A clock for tests on the blocking surface, where an hour takes no real time.
///
/// It counts the participating threads: the one that created it, those that [`spawn`](Self::spawn) starts, and those of
/// consumers that use the clock. As soon as all of them wait, the time jumps to the next moment that one of them waits for.
/// A participating thread must not wait for another one in a way that the clock does not see, such as
/// [`JoinHandle::join`](std::thread::JoinHandle::join) or a channel.
///
/// On the async surface, `tokio::time::pause` does the same.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::memory::TestClock;
///
/// let clock = TestClock::new();
/// let sleeper = clock.spawn({
///     let clock = clock.clone();
///     move || clock.sleep(Duration::from_secs(3_600))
/// });
/// sleeper.join();
/// assert_eq!(clock.elapsed(), Duration::from_secs(3_600));
/// ```
#[derive(Clone)]
pub struct TestClock(Arc<Inner>);

struct Inner {
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// The number of participating threads that do not wait.
    running: usize,
    next_id: u64,
    waiting: HashMap<u64, Waiting>,
}

struct Waiting {
    until: Option<Duration>,
    condvar: Arc<Condvar>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// Creates a clock. The calling thread participates.
    ///
    #[doc = shared_example!("memory/test_clock")]
    pub fn new() -> Self {
        let state = State { running: 1, ..State::default() };
        Self(Arc::new(Inner { origin: Instant::now(), state: Mutex::new(state) }))
    }

    /// Returns the time since the clock was created.
    pub fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// Returns the current moment.
    pub fn now(&self) -> Instant {
        self.0.origin + self.elapsed()
    }

    /// Returns the current wall-clock time.
    pub fn system_time(&self) -> SystemTime {
        UNIX_EPOCH + BEGIN + self.elapsed()
    }

    /// Waits for a duration of this clock.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/test_clock"))]
    pub fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        Alarm::new(self).wait(Some(until));
    }

    /// Starts a participating thread.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/test_clock"))]
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> TestThread<T> {
        let ended = Arc::new(Ended { result: Mutex::new(None), alarm: Alarm::new(self) });
        let (taking_part, end) = (self.take_part(), Arc::clone(&ended));
        thread::spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            *end.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            end.alarm.ring();
            drop(taking_part);
        });
        TestThread(ended)
    }

    /// Counts another thread until the result is dropped on that thread.
    pub(crate) fn take_part(&self) -> TakingPart {
        self.lock().running += 1;
        TakingPart(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Implements the trait for stores and containers of the same test.
impl Clock for TestClock {
    fn now(&self) -> Instant {
        Self::now(self)
    }

    fn system_time(&self) -> SystemTime {
        Self::system_time(self)
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestClock").field(&self.elapsed()).finish()
    }
}

impl State {
    /// Lets the time jump if no thread works.
    fn jump(&mut self) {
        if self.running > 0 {
            return;
        }
        let Some(next) = self.waiting.values().filter_map(|waiting| waiting.until).min() else {
            return;
        };
        self.elapsed = self.elapsed.max(next);
        let due: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.until.is_some_and(|until| until <= self.elapsed))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.wake(id);
        }
    }

    fn wake(&mut self, id: u64) -> bool {
        let Some(waiting) = self.waiting.remove(&id) else { return false };
        self.running += 1;
        waiting.condvar.notify_all();
        true
    }
}

/// A participating thread.
pub(crate) struct TakingPart(TestClock);

impl Drop for TakingPart {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.jump();
    }
}

/// Wakes one waiting thread, or the next one that waits.
pub(crate) struct Alarm {
    clock: TestClock,
    state: Mutex<AlarmState>,
    condvar: Arc<Condvar>,
}

#[derive(Default)]
struct AlarmState {
    is_rung: bool,
    waits_as: Option<u64>,
}

impl Alarm {
    pub(crate) fn new(clock: &TestClock) -> Self {
        Self { clock: clock.clone(), state: Mutex::default(), condvar: Arc::default() }
    }

    pub(crate) fn ring(&self) {
        let mut state = self.clock.lock();
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = own.waits_as.is_some_and(|id| state.wake(id));
        own.is_rung |= !woken;
    }

    pub(crate) fn wait(&self, until: Option<Instant>) {
        let mut state = self.clock.lock();
        let id = state.next_id;
        {
            let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut own.is_rung) {
                return;
            }
            own.waits_as = Some(id);
        }
        state.next_id += 1;
        let until = until.map(|until| until.saturating_duration_since(self.clock.0.origin));
        state.waiting.insert(id, Waiting { until, condvar: Arc::clone(&self.condvar) });
        state.running -= 1;
        state.jump();
        while state.waiting.contains_key(&id) {
            state = self.condvar.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waits_as = None;
    }
}

struct Ended<T> {
    result: Mutex<Option<thread::Result<T>>>,
    alarm: Alarm,
}

/// A participating thread of a test.
#[must_use = "a test waits for its threads"]
pub struct TestThread<T>(Arc<Ended<T>>);

impl<T> TestThread<T> {
    /// Waits for the thread to end, and returns its result.
    ///
    /// # Panics
    ///
    /// If the thread panicked.
    pub fn join(self) -> T {
        loop {
            let result = self.0.result.lock().unwrap_or_else(PoisonError::into_inner).take();
            match result {
                Some(Ok(result)) => return result,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => self.0.alarm.wait(None),
            }
        }
    }

    /// Returns whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.0.result.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl<T> fmt::Debug for TestThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestThread").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn sleepers_wake_in_the_order_of_their_times() {
        let clock = TestClock::new();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = [30, 10, 20]
            .map(|seconds| {
                let (clock, woken) = (clock.clone(), Arc::clone(&woken));
                let sleeper = clock.clone();
                clock.spawn(move || {
                    sleeper.sleep(SECOND * seconds);
                    woken.lock().unwrap().push((seconds, sleeper.elapsed()));
                })
            })
            .into();
        for sleeper in sleepers {
            sleeper.join();
        }
        let expected = [10, 20, 30].map(|seconds| (seconds, SECOND * seconds));
        assert_eq!(*woken.lock().unwrap(), expected);
    }

    #[test]
    fn a_ring_ends_a_wait_before_its_time_and_is_kept_for_the_next() {
        let clock = TestClock::new();
        let alarm = Arc::new(Alarm::new(&clock));
        alarm.ring();
        alarm.wait(Some(clock.now() + SECOND));
        assert_eq!(clock.elapsed(), Duration::ZERO);

        let (ringing, sleeper) = (Arc::clone(&alarm), clock.clone());
        let ringer = clock.spawn(move || {
            sleeper.sleep(SECOND * 5);
            ringing.ring();
        });
        alarm.wait(Some(clock.now() + SECOND * 100));
        assert_eq!(clock.elapsed(), SECOND * 5);
        ringer.join();
        alarm.wait(Some(clock.now() + SECOND));
        assert_eq!(clock.elapsed(), SECOND * 6);
    }
}

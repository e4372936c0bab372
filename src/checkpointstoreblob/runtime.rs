//! The code that must differ between the surfaces: concurrent work, locks and time limits.

#[cfg(feature = "amqp")]
pub(super) mod eventhubs;
mod receive;
pub(super) mod workers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::{AccessToken, TokenCredential, TokenRequest, Transport};

/// A lock that may be held while waiting.
#[derive(Default)]
pub(super) struct Lock<T>(Mutex<T>);

/// How often a lock is tried while waiting for it with a limit.
const LOCK_POLL: Duration = Duration::from_millis(5);

impl<T> Lock<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Returns `None` after the limit.
    pub(super) fn lock_within(&self, limit: Duration) -> Option<MutexGuard<'_, T>> {
        let begun = Instant::now();
        loop {
            let guard = self.try_lock();
            if guard.is_some() || begun.elapsed() >= limit {
                return guard;
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    /// The holder of the lock continues, so this also waits.
    pub(super) fn lock_after_interrupt(&self, limit: Duration) -> Option<MutexGuard<'_, T>> {
        self.lock_within(limit)
    }
}

/// Interrupts work that waits. A thread cannot be ended from outside, so here the work continues.
#[derive(Default)]
pub(super) struct Interrupt {}

impl Interrupt {
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as in the async surface")]
    pub(super) fn run<T>(&self, done: T) -> Option<T> {
        Some(done)
    }

    #[allow(clippy::unused_self, reason = "as in the async surface")]
    pub(super) fn interrupt(&self) {}
}

/// Runs a function for each item with limited concurrency. The results are in the order of the items.
///
/// The calling thread also works, so a thread that cannot be spawned only reduces concurrency.
pub(super) fn map_concurrently<'a, T, R>(
    items: &'a [T],
    limit: usize,
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R>
where
    T: Sync,
    R: Send,
{
    let next = AtomicUsize::new(0);
    let take_all = || {
        let mut done = Vec::new();
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            done.push((index, work(item)));
        }
        done
    };
    let mut results = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..limit.min(items.len()))
            .map_while(|_| {
                let builder = Builder::new().name("eventhub-checkpointstore".into());
                builder.spawn_scoped(scope, take_all).ok()
            })
            .collect();
        let mut results = take_all();
        for helper in helpers {
            match helper.join() {
                Ok(done) => results.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Runs work that is handed out item by item with limited concurrency, until there is no more.
///
/// If an item makes more work available, the thread that finished the item takes it.
pub(super) fn work_off<T>(
    limit: usize,
    next: impl Fn() -> Option<T> + Sync,
    work: impl Fn(T) + Sync,
) {
    let work_on = || {
        while let Some(item) = next() {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..limit {
            let builder = Builder::new().name("eventhub-checkpointstore".into());
            // A thread that cannot be spawned only reduces concurrency.
            if builder.spawn_scoped(scope, work_on).is_err() {
                break;
            }
        }
        work_on();
    });
}

/// On this surface, work runs when it is called; a credential must limit its own time.
#[allow(clippy::unnecessary_wraps, reason = "the async surface may run out of time")]
pub(super) fn within<T>(_transport: &dyn Transport, _limit: Duration, done: T) -> Option<T> {
    Some(done)
}

impl<F, E> TokenCredential for F
where
    F: Fn() -> Result<AccessToken, E> + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn get_token(
        &self,
        _request: TokenRequest,
    ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
        self().map_err(Into::into)
    }
}

#[cfg(feature = "ureq")]
impl Transport for super::UreqTransport {
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        options: &crate::transport::SendLimits,
    ) -> Result<http::Response<bytes::Bytes>, crate::transport::TransportError> {
        Self::send(self, request, options)
    }

    fn send_streamed(
        &self,
        request: http::Request<bytes::Bytes>,
        options: &crate::transport::SendLimits,
        reader: &mut dyn crate::transport::BodySink,
    ) -> Result<http::Response<()>, crate::transport::TransportError> {
        Self::send_streamed(self, request, options, reader)
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

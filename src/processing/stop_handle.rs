//! A handle that stops a consumer from anywhere.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Listener = Arc<dyn Fn() + Send + Sync>;

/// Stops a consumer from any thread or task, for example from a Ctrl-C handler.
///
/// A stop is final: a stopped consumer does not start again. Clones stop the same consumer.
#[derive(Clone, Default)]
pub struct StopHandle(Arc<Stop>);

#[derive(Default)]
struct Stop {
    is_stopped: AtomicBool,
    is_abandoned: AtomicBool,
    listeners: Mutex<Vec<Listener>>,
}

impl StopHandle {
    /// Tells the consumer to stop, and returns at once.
    ///
    #[doc = shared_example!("processing/stop_handle")]
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Release);
        self.tell();
    }

    /// Ends the consumer like a crash, for tests: no more checkpoints are stored, and its ownerships are left to expire.
    /// Does not wait for running handlers.
    ///
    #[doc = shared_example!("processing/abandon")]
    pub fn abandon(&self) {
        self.0.is_abandoned.store(true, Ordering::Release);
        self.stop();
    }

    fn tell(&self) {
        let listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners {
            listener();
        }
    }

    /// Returns whether the consumer was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_abandoned.load(Ordering::Acquire)
    }

    /// After this, the listener must check [`is_stopped`](Self::is_stopped) itself.
    pub(crate) fn listen(&self, listener: Listener) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub(crate) fn forget_listeners(&self) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle").field("is_stopped", &self.is_stopped()).finish()
    }
}

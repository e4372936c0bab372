//! Tasks and time, from tokio.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::super::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::TestClock;
use crate::transport::lacks_timers;

/// The clock of tokio, which a test may pause.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {}

impl Clock {
    /// A test pauses the clock of tokio instead.
    pub(crate) fn of_test(_clock: Option<&TestClock>) -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "as in the blocking surface")]
    pub(crate) fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// Until something is ready, or until a moment.
pub(crate) async fn rung_by(until: Instant, rung: impl Future<Output = ()> + Send) {
    let in_time = tokio::time::timeout_at(until.into(), rung).await;
    drop(in_time);
}

/// Starts jobs, each in its own task.
#[derive(Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    tasks: Vec<AbortHandle>,
    is_over: bool,
}

impl Tasks {
    pub(crate) fn new(_clock: &Clock) -> Result<Self> {
        if let Some(needed) = lacks_timers() {
            let text = format!("receiving events needs {needed}");
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        Ok(Self { runtime: Handle::current(), running: Mutex::default() })
    }

    #[allow(clippy::unnecessary_wraps, reason = "the blocking surface may run out of threads")]
    pub(crate) fn start(&self, job: Box<dyn Job>) -> Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A task that another thread runs at the end may still start jobs. Nothing would end them.
        if running.is_over {
            drop(running);
            return Ok(());
        }
        let task = self.runtime.spawn(async move { job.run().await });
        let tasks = &mut running.tasks;
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| !task.is_finished());
        }
        tasks.push(task.abort_handle());
        Ok(())
    }

    /// Aborts all running tasks at their next `await`, and starts no new ones.
    pub(crate) fn abort_all(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.is_over = true;
        running.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Lets other tasks have a turn: a source that always has events would keep them waiting.
pub(crate) async fn take_turns() {
    tokio::task::yield_now().await;
}

//! Without tokio there are neither tasks nor timers: operations that need them return an error.

use std::time::Instant;

use super::super::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::memory::TestClock;

#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {}

impl Clock {
    pub(crate) fn of_test(_clock: Option<&TestClock>) -> Self {
        Self {}
    }

    #[allow(clippy::unused_self, reason = "as in the blocking surface")]
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }
}

/// No timer ends it.
pub(crate) async fn rung_by(_until: Instant, rung: impl Future<Output = ()> + Send) {
    rung.await;
}

/// Never constructed.
#[derive(Debug)]
pub(crate) struct Tasks {}

impl Tasks {
    pub(crate) fn new(_clock: &Clock) -> Result<Self> {
        let text = "the async surface needs the Cargo feature `tokio` to receive events";
        Err(Error::new(ErrorKind::Configuration, text))
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with tokio")]
    pub(crate) fn start(&self, job: Box<dyn Job>) -> Result<()> {
        drop(job.run());
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "as with tokio")]
    pub(crate) fn abort_all(&self) {}
}

pub(crate) async fn take_turns() {}

//! The processor: a handler for each owned partition.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::worker::Worker;
use super::{
    LOG, Origin, PartitionContext, PartitionHandler, PartitionStreams, Settings, maybe_async,
};
use crate::error::{Error, ErrorKind, Result};
use crate::processing::{StopHandle, Summary, guarded};

/// Whether a handler receives events one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grain {
    Event,
    Batch,
}

/// Runs a [`PartitionHandler`] for each partition that this consumer owns.
///
/// Create it with [`EventHubConsumerClient::builder`](super::super::EventHubConsumerClient::builder), which has all
/// options.
///
#[cfg_attr(not(doctest), doc = example!("processor/event_processor"))]
pub struct EventProcessor {
    origin: Origin,
    settings: Settings,
    stop: StopHandle,
    is_running: AtomicBool,
}

impl EventProcessor {
    pub(crate) fn new(origin: Origin, settings: Settings) -> Self {
        Self { origin, settings, stop: StopHandle::default(), is_running: AtomicBool::new(false) }
    }

    /// Returns a handle that stops [`run`](Self::run) from anywhere.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    fn begin(&self) -> Result<Running<'_>> {
        if self.is_running.swap(true, Ordering::AcqRel) {
            let text = "the consumer is already receiving: build another one";
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        Ok(Running(&self.is_running))
    }
}

/// Marks the consumer as running until it is dropped, even with a future that is not polled to its end.
struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[maybe_async]
impl EventProcessor {
    /// Receives until the consumer is stopped. `make` creates the handler of each partition that is opened.
    ///
    /// After a stop, nothing more is received. Each partition waits until its handler returns, stores its last checkpoint,
    /// closes its link, and is relinquished. The others do not wait for it. A handler that does not return within the shutdown
    /// timeout is abandoned, and the [`Summary`] names its partition. On the blocking surface, each partition and each
    /// checkpoint in progress has its own thread. On the async surface, these are tasks. If the future is dropped, they end
    /// with it: nothing is relinquished, and the ownerships expire.
    ///
    #[cfg_attr(not(doctest), doc = example!("processor/event_processor"))]
    ///
    /// # Errors
    ///
    /// A configuration error at the start, such as a missing permission or container; a handler that stopped the consumer;
    /// a lost position, if that is configured to stop it. All other failures of the storage and the source are reported to
    /// the observers, logged, and retried.
    pub async fn run<H: PartitionHandler + 'static>(
        &self,
        make: impl Fn(&PartitionContext) -> H + Send + Sync + 'static,
    ) -> Result<Summary> {
        self.run_with(move |partition| Arc::new(make(partition)), Grain::Batch).await
    }

    pub(crate) async fn run_with<H: PartitionHandler + 'static>(
        &self,
        make: impl Fn(&PartitionContext) -> Arc<H> + Send + Sync + 'static,
        grain: Grain,
    ) -> Result<Summary> {
        let _running = self.begin()?;
        let (origin, settings) = (self.origin.clone(), self.settings.clone());
        // Ends everything that it started when it is dropped.
        let mut streams = PartitionStreams::start(origin, settings, self.stop.clone())?;
        let fleet = Arc::clone(streams.fleet());
        let mut fault = None;
        loop {
            let owned = match streams.next_partition().await {
                Ok(Some(owned)) => owned,
                Ok(None) => break,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            let mut handler = None;
            guarded(LOG, "the closure that creates handlers", || {
                handler = Some(make(&owned.context()));
            });
            let Some(handler) = handler else {
                let text = "the closure that creates handlers panicked";
                fleet.fail(Error::new(ErrorKind::Other, text));
                continue;
            };
            let worker = Worker { owned, handler, grain };
            if let Err(error) = fleet.tasks.start(Box::new(worker)) {
                fleet.report(None, &error);
            }
        }
        let summary = fleet.finish().await;
        match fault.or_else(|| fleet.take_fatal()) {
            Some(error) => Err(error),
            None => Ok(summary),
        }
    }
}

impl fmt::Debug for EventProcessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventProcessor").field("stop", &self.stop).finish_non_exhaustive()
    }
}

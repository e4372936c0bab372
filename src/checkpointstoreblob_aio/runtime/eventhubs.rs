//! The AMQP engine in tasks on the tokio runtime of the caller.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::Credential;
use crate::amqp::{
    Deliver, GetToken, Handed, Hub, Opened, TokenSource, delivery, no_token_credential,
};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::lacks_timers;

/// Runs the engine on the runtime in which it is called.
pub(in super::super) struct Driver {}

impl Driver {
    pub(in super::super) fn new(_hub: Arc<Hub>) -> Self {
        Self {}
    }

    /// Waits for work that the engine does; it goes on if the caller does not wait.
    pub(in super::super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let task = runtime()?.spawn(work);
        task.await.unwrap_or_else(|_| Err(task_ended()))
    }

    /// Starts work that goes on, and waits until it reports that it has begun.
    pub(in super::super) async fn run_reporting<F>(
        &self,
        work: impl FnOnce(Opened) -> F,
    ) -> Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (report, reported) = oneshot::channel();
        let opened: Opened = Box::new(move |outcome| drop(report.send(outcome)));
        let runtime = runtime()?;
        runtime.spawn(work(opened));
        reported.await.unwrap_or_else(|_| Err(task_ended()))
    }
}

fn runtime() -> Result<Handle> {
    match lacks_timers() {
        None => Ok(Handle::current()),
        Some(needed) => {
            let text = format!("receiving events of Event Hubs needs {needed}");
            Err(Error::new(ErrorKind::Configuration, text))
        }
    }
}

fn task_ended() -> Error {
    Error::new(ErrorKind::Other, "the task for AMQP has ended")
}

/// What a reader waits on.
pub(in super::super) struct Inbox(UnboundedReceiver<Handed>);

pub(in super::super) fn channel() -> (Deliver, Inbox) {
    let (sender, received) = unbounded_channel();
    (delivery(move |handed| drop(sender.send(handed))), Inbox(received))
}

impl Inbox {
    /// `None` after the wait. Cancel-safe.
    pub(in super::super) async fn next(&mut self, wait: Duration) -> Option<Handed> {
        timeout(wait, self.0.recv()).await.ok().flatten()
    }

    pub(in super::super) fn try_next(&mut self) -> Option<Handed> {
        self.0.try_recv().ok()
    }

    /// A future is dropped instead.
    #[allow(clippy::unused_self, reason = "as in the blocking surface")]
    pub(in super::super) fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        None
    }
}

pub(in super::super) fn token_source(credential: &Credential) -> Result<TokenSource> {
    let cache = credential.shared_cache().ok_or_else(no_token_credential)?;
    let get_token: GetToken = Arc::new(move |request| {
        let cache = Arc::clone(&cache);
        Box::pin(async move { cache.ask(request).await })
    });
    Ok(TokenSource::Credential(get_token))
}

//! The AMQP engine for plain threads: a runtime of its own, and channels of the standard library.

use std::sync::mpsc::{Receiver, Sender, channel as unbounded, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::super::Credential;
use crate::amqp::{
    Deliver, GetToken, Handed, Hub, Opened, TokenSource, delivery, no_token_credential,
};
use crate::error::{Error, ErrorKind, Result};

const THREAD_NAME: &str = "eventhub-amqp";

type Job = BoxFuture<'static, ()>;

/// The work of a connection is that of two tasks in a row, its own and that of the session. More threads would only wait.
const WORKERS: usize = 2;

/// How long the thread waits at its end for links to be closed.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Runs the engine on threads named `eventhub-amqp`, which are started when they are needed and end soon after this is
/// dropped.
pub(in super::super) struct Driver {
    hub: Arc<Hub>,
    jobs: Mutex<Option<UnboundedSender<Job>>>,
}

impl Driver {
    pub(in super::super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, jobs: Mutex::default() }
    }

    /// Waits for work that the engine does. It has limits of its own.
    pub(in super::super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (report, reported) = sync_channel(1);
        self.start(Box::pin(async move {
            let _ = report.send(work.await);
        }))?;
        reported.recv().unwrap_or_else(|_| Err(thread_ended()))
    }

    /// Starts work that goes on, and waits until it reports that it has begun.
    pub(in super::super) fn run_reporting<F>(&self, work: impl FnOnce(Opened) -> F) -> Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (report, reported) = sync_channel(1);
        let opened: Opened = Box::new(move |outcome| drop(report.send(outcome)));
        self.start(Box::pin(work(opened)))?;
        reported.recv().unwrap_or_else(|_| Err(thread_ended()))
    }

    fn start(&self, job: Job) -> Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            Some(running) => match running.send(job) {
                Ok(()) => return Ok(()),
                // A panic has ended the thread: another one goes on.
                Err(unsent) => unsent.0,
            },
            None => job,
        };
        let sender = spawn(Arc::clone(&self.hub))?;
        sender.send(job).map_err(|_| thread_ended())?;
        *jobs = Some(sender);
        Ok(())
    }
}

fn spawn(hub: Arc<Hub>) -> Result<UnboundedSender<Job>> {
    let failed = |what| move |error| Error::new(ErrorKind::Other, what).with_source(error);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name(THREAD_NAME)
        .enable_all()
        .build();
    let runtime = runtime.map_err(failed("could not build the runtime for AMQP"))?;
    let (jobs, received) = unbounded_channel();
    thread::Builder::new()
        .name(THREAD_NAME.into())
        .spawn(move || serve(&runtime, received, &hub))
        .map_err(failed("could not start the thread for AMQP"))?;
    Ok(jobs)
}

/// Runs jobs until nobody can send any more, then closes what is left.
fn serve(runtime: &Runtime, mut jobs: UnboundedReceiver<Job>, hub: &Arc<Hub>) {
    runtime.block_on(async {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                job = jobs.recv() => match job {
                    Some(job) => drop(running.spawn(job)),
                    None => break,
                },
                // A job that panicked ends alone.
                Some(_) = running.join_next() => {}
            }
        }
        let links = async { while running.join_next().await.is_some() {} };
        let _ = timeout(END_LIMIT, links).await;
        let _ = timeout(END_LIMIT, Arc::clone(hub).close_all()).await;
    });
}

fn thread_ended() -> Error {
    Error::new(ErrorKind::Other, "the thread for AMQP has ended")
}

/// What a reader waits on.
pub(in super::super) struct Inbox {
    received: Receiver<Handed>,
    wake: Sender<Handed>,
}

pub(in super::super) fn channel() -> (Deliver, Inbox) {
    let (sender, received) = unbounded();
    let wake = sender.clone();
    let deliver = delivery(move |handed| drop(sender.send(handed)));
    (deliver, Inbox { received, wake })
}

impl Inbox {
    /// `None` after the wait.
    pub(in super::super) fn next(&mut self, wait: Duration) -> Option<Handed> {
        self.received.recv_timeout(wait).ok()
    }

    pub(in super::super) fn try_next(&mut self) -> Option<Handed> {
        self.received.try_recv().ok()
    }

    #[allow(clippy::unnecessary_wraps, reason = "the async surface has none")]
    pub(in super::super) fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        let wake = self.wake.clone();
        Some(Arc::new(move || drop(wake.send(Handed::Wake))))
    }
}

/// Asks the credential on a thread for blocking work: it may take as long as it wants.
pub(in super::super) fn token_source(credential: &Credential) -> Result<TokenSource> {
    let cache = credential.shared_cache().ok_or_else(no_token_credential)?;
    let get_token: GetToken = Arc::new(move |request| {
        let cache = Arc::clone(&cache);
        Box::pin(async move {
            let asked = spawn_blocking(move || cache.ask(request)).await;
            asked.unwrap_or_else(|error| {
                let message = "the token credential panicked";
                Err(Error::new(ErrorKind::Credential, message).with_source(error))
            })
        })
    });
    Ok(TokenSource::Credential(get_token))
}

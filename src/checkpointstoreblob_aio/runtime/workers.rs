//! How tasks that receive events wait, and how they call what the program has given them.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{Either, select};

#[cfg(feature = "tokio")]
use super::in_tokio as time;
#[cfg(not(feature = "tokio"))]
use super::without_tokio as time;
pub(crate) use time::{Clock, Tasks, take_turns};

use super::super::{
    CheckpointStore, DeadLetterSink, EventSource, PartitionContext, PartitionHandler,
    PartitionReader, Step,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, CheckpointUpdate};
use crate::processing::{
    CloseReason, HandlerError, OpenPartition, ReadEnd, ReceivedEvent, Span, panic_text,
};

/// A `receive` that waits is dropped when something else is to be done.
pub(crate) const RECEIVES_CAN_BE_DROPPED: bool = true;

/// Wakes one task that waits, or the next that begins to.
#[derive(Default)]
pub(crate) struct Bell(Mutex<BellState>);

#[derive(Default)]
struct BellState {
    is_rung: bool,
    waker: Option<Waker>,
}

impl Bell {
    pub(crate) fn new(_clock: &Clock) -> Self {
        Self::default()
    }

    pub(crate) fn ring(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_rung = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn rung(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut state.is_rung) {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Until it rings, or until a moment.
    pub(crate) async fn wait(&self, until: Option<Instant>) {
        match until {
            Some(until) => time::rung_by(until, self.rung()).await,
            None => self.rung().await,
        }
    }
}

/// `None` if the bell rang first.
pub(crate) async fn receive(
    reader: &mut dyn PartitionReader,
    events: &mut Vec<ReceivedEvent>,
    max: usize,
    wait: Duration,
    bell: &Bell,
    span: &Span,
) -> Option<Result<(), ReadEnd>> {
    let receiving = async { reader.receive(events, max, wait).await };
    let receiving = pin!(caught(span.around(receiving)));
    match select(receiving, pin!(bell.rung())).await {
        Either::Left((Ok(received), _)) => Some(received),
        Either::Left((Err(panic), _)) => Some(Err(ReadEnd::Failed(panicked("the reader", &panic)))),
        Either::Right(((), _)) => None,
    }
}

/// Opens a partition.
pub(crate) async fn open(
    source: &dyn EventSource,
    request: OpenPartition,
) -> Result<Box<dyn PartitionReader>> {
    let opened = caught(async { source.open(request).await }).await;
    opened.unwrap_or_else(|panic| Err(panicked("the source", &panic)))
}

async fn caught<T>(call: impl Future<Output = T> + Send) -> Result<T, String> {
    AssertUnwindSafe(call).catch_unwind().await.map_err(|panic| panic_text(&*panic))
}

/// A panic of a store or a source, which has the same effect as an error.
fn panicked(what: &str, panic: &str) -> Error {
    Error::new(ErrorKind::Other, format!("{what} panicked: {panic}"))
}

/// Takes a step. A panic is an error like any other, so that the next step follows.
pub(crate) async fn step(step: &dyn Step) -> Result<Duration> {
    let taken = caught(async { step.step().await }).await;
    taken.unwrap_or_else(|panic| Err(panicked("the store or the source", &panic)))
}

/// Stores a checkpoint.
pub(crate) async fn save(
    store: &dyn CheckpointStore,
    checkpoint: &Checkpoint,
    span: &Span,
) -> Result<CheckpointUpdate> {
    let saving = async { store.update_checkpoint(checkpoint).await };
    let saved = caught(span.around(saving)).await;
    saved.unwrap_or_else(|panic| Err(panicked("the store", &panic)))
}

/// A panic is an error like another one.
pub(crate) async fn process(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
    events: &[Arc<ReceivedEvent>],
    span: &Span,
) -> Result<(), HandlerError> {
    let processing = async { handler.process(partition, events).await };
    let processed = caught(span.around(processing)).await;
    processed.unwrap_or_else(|panic| Err(HandlerError::panicked(&panic)))
}

pub(crate) async fn opened(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
) -> Result<(), HandlerError> {
    let opened = caught(async { handler.opened(partition).await }).await;
    opened.unwrap_or_else(|panic| Err(HandlerError::panicked(&panic)))
}

pub(crate) async fn closing(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
    reason: &CloseReason,
) -> Result<(), String> {
    caught(async { handler.closing(partition, reason).await }).await
}

pub(crate) async fn dead_letter(
    sink: &dyn DeadLetterSink,
    partition: &PartitionContext,
    events: &[Arc<ReceivedEvent>],
    error: &HandlerError,
) -> Result<(), String> {
    let taken = caught(async { sink.take(partition, events, error).await }).await?;
    taken.map_err(|error| error.to_string())
}

//! Threads that receive events, and how they wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::super::{
    CheckpointStore, DeadLetterSink, EventSource, Job, PartitionContext, PartitionHandler,
    PartitionReader, Step,
};
use crate::error::{Error, ErrorKind, Result};
use crate::memory::{Alarm, TestClock};
use crate::model::{Checkpoint, CheckpointUpdate};
use crate::processing::{
    CloseReason, HandlerError, OpenPartition, ReadEnd, ReceivedEvent, Span, panic_text,
};

/// Only the reader's own interrupter can end a `receive` from outside.
pub(crate) const RECEIVES_CAN_BE_DROPPED: bool = false;

/// Enough for a handler that parses and stores; memory is used as far as it is touched.
const STACK: usize = 1024 * 1024;

/// The clock that consumers wait by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Option<TestClock>);

impl Clock {
    pub(crate) fn of_test(clock: Option<&TestClock>) -> Self {
        Self(clock.cloned())
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.as_ref().map_or_else(Instant::now, TestClock::now)
    }
}

/// Wakes one thread that waits, or the next that begins to.
pub(crate) enum Bell {
    System { is_rung: Mutex<bool>, condvar: Condvar },
    Test(Alarm),
}

impl Bell {
    pub(crate) fn new(clock: &Clock) -> Self {
        match &clock.0 {
            Some(clock) => Self::Test(Alarm::new(clock)),
            None => Self::System { is_rung: Mutex::default(), condvar: Condvar::new() },
        }
    }

    pub(crate) fn ring(&self) {
        match self {
            Self::Test(alarm) => alarm.ring(),
            Self::System { is_rung, condvar } => {
                *is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
                condvar.notify_one();
            }
        }
    }

    /// Until it rings, or until a moment.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        match self {
            Self::Test(alarm) => alarm.wait(until),
            Self::System { is_rung, condvar } => {
                let mut rung = is_rung.lock().unwrap_or_else(PoisonError::into_inner);
                while !*rung {
                    let Some(until) = until else {
                        rung = condvar.wait(rung).unwrap_or_else(PoisonError::into_inner);
                        continue;
                    };
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    let waited = condvar.wait_timeout(rung, left);
                    rung = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                *rung = false;
            }
        }
    }
}

/// Starts jobs, each on its own thread.
#[derive(Debug)]
pub(crate) struct Tasks {
    clock: Clock,
}

impl Tasks {
    #[allow(clippy::unnecessary_wraps, reason = "the async surface needs a runtime")]
    pub(crate) fn new(clock: &Clock) -> Result<Self> {
        Ok(Self { clock: clock.clone() })
    }

    /// # Errors
    ///
    /// The system has no more threads.
    pub(crate) fn start(&self, job: Box<dyn Job>) -> Result<()> {
        let taking_part = self.clock.0.as_ref().map(TestClock::take_part);
        let thread = Builder::new().name("eventhub-consumer".into()).stack_size(STACK);
        let started = thread.spawn(move || {
            let _taking_part = taking_part;
            job.run();
        });
        started.map(drop).map_err(|error| {
            Error::new(ErrorKind::Other, "could not start a thread").with_source(error)
        })
    }

    /// Threads cannot be ended from outside.
    #[allow(clippy::unused_self, reason = "as in the async surface")]
    pub(crate) fn abort_all(&self) {}
}

/// Lets other tasks have a turn; threads take theirs.
pub(crate) fn take_turns() {}

/// `None` if the bell rang first, which here the reader's interrupter does.
#[allow(clippy::unnecessary_wraps, reason = "as in the async surface")]
pub(crate) fn receive(
    reader: &mut dyn PartitionReader,
    events: &mut Vec<ReceivedEvent>,
    max: usize,
    wait: Duration,
    _bell: &Bell,
    span: &Span,
) -> Option<Result<(), ReadEnd>> {
    let received = caught(|| span.in_scope(|| reader.receive(events, max, wait)));
    Some(received.unwrap_or_else(|panic| Err(ReadEnd::Failed(panicked("the reader", &panic)))))
}

/// Opens a partition.
pub(crate) fn open(
    source: &dyn EventSource,
    request: OpenPartition,
) -> Result<Box<dyn PartitionReader>> {
    caught(|| source.open(request)).unwrap_or_else(|panic| Err(panicked("the source", &panic)))
}

fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| panic_text(&*panic))
}

/// A panic of a store or a source, which has the same effect as an error.
fn panicked(what: &str, panic: &str) -> Error {
    Error::new(ErrorKind::Other, format!("{what} panicked: {panic}"))
}

/// Takes a step. A panic is an error like any other, so that the next step follows.
pub(crate) fn step(step: &dyn Step) -> Result<Duration> {
    caught(|| step.step()).unwrap_or_else(|panic| Err(panicked("the store or the source", &panic)))
}

/// Stores a checkpoint.
pub(crate) fn save(
    store: &dyn CheckpointStore,
    checkpoint: &Checkpoint,
    span: &Span,
) -> Result<CheckpointUpdate> {
    caught(|| span.in_scope(|| store.update_checkpoint(checkpoint)))
        .unwrap_or_else(|panic| Err(panicked("the store", &panic)))
}

/// A panic is an error like another one.
pub(crate) fn process(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
    events: &[Arc<ReceivedEvent>],
    span: &Span,
) -> Result<(), HandlerError> {
    caught(|| span.in_scope(|| handler.process(partition, events)))
        .unwrap_or_else(|panic| Err(HandlerError::panicked(&panic)))
}

pub(crate) fn opened(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
) -> Result<(), HandlerError> {
    caught(|| handler.opened(partition)).unwrap_or_else(|panic| Err(HandlerError::panicked(&panic)))
}

pub(crate) fn closing(
    handler: &dyn PartitionHandler,
    partition: &PartitionContext,
    reason: &CloseReason,
) -> Result<(), String> {
    caught(|| handler.closing(partition, reason))
}

pub(crate) fn dead_letter(
    sink: &dyn DeadLetterSink,
    partition: &PartitionContext,
    events: &[Arc<ReceivedEvent>],
    error: &HandlerError,
) -> Result<(), String> {
    caught(|| sink.take(partition, events, error))?.map_err(|error| error.to_string())
}

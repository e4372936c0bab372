//! Delivers events to the handler until they are done: retries, and dead letters.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use log::{debug, warn};

use super::partition::Partition;
use super::workers::{self, Bell};
use super::{LOG, PartitionContext, PartitionHandler, maybe_async};
use crate::error::{Error, ErrorKind};
use crate::processing::{HandlerError, LeaveCause, OnExhausted, ReceivedEvent, Span};

/// Delivers the events of one partition to its handler.
pub(super) struct Flow {
    pub(super) partition: Arc<Partition>,
    pub(super) context: PartitionContext,
    pub(super) handler: Arc<dyn PartitionHandler>,
}

/// The consequence of a failed attempt.
enum Consequence {
    Retry,
    DeadLetter,
    Stop,
}

impl Flow {
    pub(super) fn new(partition: &Arc<Partition>, handler: Arc<dyn PartitionHandler>) -> Self {
        let context = PartitionContext::new(partition);
        Self { partition: Arc::clone(partition), context, handler }
    }

    fn consequence_of(&self, error: &HandlerError, attempt: u32) -> Consequence {
        let settings = &self.partition.fleet().settings;
        let has_sink = settings.dead_letters.is_some();
        match error {
            HandlerError::DeadLetter(_) if has_sink => Consequence::DeadLetter,
            HandlerError::DeadLetter(_) | HandlerError::Stop(_) => Consequence::Stop,
            HandlerError::Retry(_) if !settings.retry.is_exhausted(attempt) => Consequence::Retry,
            HandlerError::Retry(_) => match settings.retry.on_exhausted() {
                OnExhausted::DeadLetter if has_sink => Consequence::DeadLetter,
                OnExhausted::DeadLetter | OnExhausted::Stop => Consequence::Stop,
            },
        }
    }

    /// The consumer stops; its events are delivered again later.
    fn stop(&self, error: HandlerError) {
        let id = self.partition.id();
        let text = format!("the handler of partition {id} stopped the consumer: {error}");
        self.partition.leave(LeaveCause::HandlerStop);
        self.partition
            .fleet()
            .fail(Error::new(ErrorKind::Other, text).with_source(error.into_cause()));
    }

    fn done(&self, events: &[Arc<ReceivedEvent>]) {
        self.partition.acknowledge(events.iter().map(|event| event.sequence_number()));
        self.partition.fleet().events.fetch_add(events.len(), Ordering::Relaxed);
    }

    fn failed(&self, what: &str, error: &HandlerError) {
        let id = self.partition.id();
        warn!(target: LOG, "partition {id}: {what}: {error}");
    }
}

#[maybe_async]
impl Flow {
    /// Returns `false` if the partition is left before the handler is ready.
    pub(super) async fn open(&self, bell: &Bell) -> bool {
        let mut attempt = 1;
        while self.partition.may_handle() {
            let context = self.context.with_attempt(attempt);
            match workers::opened(&*self.handler, &context).await {
                Ok(()) => return true,
                Err(error @ HandlerError::Stop(_)) => {
                    self.stop(error);
                    return false;
                }
                Err(error) => {
                    self.failed("the handler failed to open, and will be opened again", &error);
                    self.pause(attempt, bell).await;
                    attempt = attempt.saturating_add(1);
                }
            }
        }
        false
    }

    /// Delivers events until they are done. Returns `false` if they are not done, and will be delivered again elsewhere.
    pub(super) async fn deliver_until_done(
        &self,
        events: &[Arc<ReceivedEvent>],
        bell: &Bell,
    ) -> bool {
        self.deliver(events, bell, false).await
    }

    /// The same, but events that wait when a stop begins still get one attempt.
    pub(super) async fn deliver_or_drain(
        &self,
        events: &[Arc<ReceivedEvent>],
        bell: &Bell,
    ) -> bool {
        self.deliver(events, bell, true).await
    }

    async fn deliver(
        &self,
        events: &[Arc<ReceivedEvent>],
        bell: &Bell,
        mut may_drain: bool,
    ) -> bool {
        let mut attempt = 1;
        loop {
            if !self.partition.may_handle() {
                let drains = std::mem::take(&mut may_drain) && self.partition.may_drain();
                if !drains {
                    return false;
                }
            }
            let Err(error) = self.attempt(events, attempt).await else {
                self.done(events);
                return true;
            };
            match self.consequence_of(&error, attempt) {
                Consequence::Retry => {
                    self.failed("the handler failed, and will get the events again", &error);
                    self.pause(attempt, bell).await;
                    attempt = attempt.saturating_add(1);
                }
                Consequence::DeadLetter => return self.bury(events, &error, bell).await,
                Consequence::Stop => {
                    self.stop(error);
                    return false;
                }
            }
        }
    }

    async fn attempt(
        &self,
        events: &[Arc<ReceivedEvent>],
        attempt: u32,
    ) -> Result<(), HandlerError> {
        let (fleet, id) = (self.partition.fleet(), self.partition.id());
        let span = Span::process(fleet.group(), id, events, attempt);
        if fleet.observers.is_empty() && attempt == 1 {
            let result = workers::process(&*self.handler, &self.context, events, &span).await;
            if let Err(error) = &result {
                span.failed(error.type_name());
            }
            return result;
        }
        let began = fleet.clock.now();
        let context = self.context.with_attempt(attempt);
        let result = workers::process(&*self.handler, &context, events, &span).await;
        let took = fleet.clock.now().saturating_duration_since(began);
        let error = result.as_ref().err();
        if let Some(error) = error {
            span.failed(error.type_name());
        }
        fleet.observers.tell(LOG, |observer| observer.processed(id, events.len(), took, error));
        result
    }

    /// Waits for the next attempt, or until the partition is left.
    async fn pause(&self, attempt: u32, bell: &Bell) {
        let fleet = self.partition.fleet();
        let pause = fleet.settings.retry.pause(attempt, fastrand::u64(..));
        let id = self.partition.id();
        fleet.observers.tell(LOG, |observer| observer.retry(id, attempt, pause));
        let until = fleet.clock.now().checked_add(pause);
        while self.partition.may_handle() && until.is_none_or(|until| fleet.clock.now() < until) {
            bell.wait(until).await;
        }
    }

    /// Passes events to the sink. They are not done before the sink has stored them.
    async fn bury(&self, events: &[Arc<ReceivedEvent>], error: &HandlerError, bell: &Bell) -> bool {
        let fleet = self.partition.fleet();
        let Some(sink) = &fleet.settings.dead_letters else { return false };
        let (id, mut attempt) = (self.partition.id(), 1);
        while self.partition.may_handle() {
            match workers::dead_letter(&**sink, &self.context, events, error).await {
                Ok(()) => {
                    debug!(target: LOG, "partition {id}: stored {} dead letters: {error}", events.len());
                    fleet.dead_lettered.fetch_add(events.len(), Ordering::Relaxed);
                    fleet.observers.tell(LOG, |observer| observer.dead_lettered(id, events.len()));
                    self.done(events);
                    return true;
                }
                Err(refusal) => {
                    warn!(target: LOG, "partition {id}: the dead letter sink failed: {refusal}");
                    self.pause(attempt, bell).await;
                    attempt = attempt.saturating_add(1);
                }
            }
        }
        false
    }
}

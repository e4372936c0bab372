//! Spans of the crate `tracing` around what a consumer does. Without the feature `tracing` they are nothing.

use super::ReceivedEvent;
use crate::model::ConsumerGroup;

/// One operation on a partition.
pub(crate) struct Span(#[cfg(feature = "tracing")] tracing::Span);

#[cfg(feature = "tracing")]
impl Span {
    /// Waiting for events, and taking those that came.
    pub(crate) fn receive(group: &ConsumerGroup, partition_id: &str) -> Self {
        Self(tracing::debug_span!(
            target: "eventhub_checkpointstore",
            "receive",
            "otel.name" = name("receive", group),
            "otel.kind" = "client",
            "otel.status_code" = tracing::field::Empty,
            "messaging.system" = "eventhubs",
            "messaging.operation.name" = "receive",
            "messaging.operation.type" = "receive",
            "messaging.destination.name" = group.eventhub_name(),
            "messaging.destination.partition.id" = partition_id,
            "messaging.consumer.group.name" = group.consumer_group(),
            "server.address" = group.fully_qualified_namespace(),
            "messaging.batch.message_count" = tracing::field::Empty,
            "error.type" = tracing::field::Empty,
        ))
    }

    /// A handler with its events.
    pub(crate) fn process<E: AsRef<ReceivedEvent>>(
        group: &ConsumerGroup,
        partition_id: &str,
        events: &[E],
        attempt: u32,
    ) -> Self {
        let span = tracing::info_span!(
            target: "eventhub_checkpointstore",
            "process",
            "otel.name" = name("process", group),
            "otel.kind" = "consumer",
            "otel.status_code" = tracing::field::Empty,
            "messaging.system" = "eventhubs",
            "messaging.operation.name" = "process",
            "messaging.operation.type" = "process",
            "messaging.destination.name" = group.eventhub_name(),
            "messaging.destination.partition.id" = partition_id,
            "messaging.consumer.group.name" = group.consumer_group(),
            "server.address" = group.fully_qualified_namespace(),
            "messaging.batch.message_count" = tracing::field::Empty,
            "messaging.message.id" = tracing::field::Empty,
            "messaging.eventhubs.message.enqueued_time" = tracing::field::Empty,
            "sequence_number" = tracing::field::Empty,
            attempt,
            "error.type" = tracing::field::Empty,
        );
        if !span.is_disabled() {
            describe(&span, events);
        }
        Self(span)
    }

    /// Storing a checkpoint.
    pub(crate) fn settle(
        group: &ConsumerGroup,
        partition_id: &str,
        sequence_number: Option<i64>,
    ) -> Self {
        Self(tracing::info_span!(
            target: "eventhub_checkpointstore",
            "settle",
            "otel.name" = name("checkpoint", group),
            "otel.kind" = "client",
            "otel.status_code" = tracing::field::Empty,
            "messaging.system" = "eventhubs",
            "messaging.operation.name" = "checkpoint",
            "messaging.operation.type" = "settle",
            "messaging.destination.name" = group.eventhub_name(),
            "messaging.destination.partition.id" = partition_id,
            "messaging.consumer.group.name" = group.consumer_group(),
            "server.address" = group.fully_qualified_namespace(),
            sequence_number,
            "error.type" = tracing::field::Empty,
        ))
    }

    /// Does work inside of the span.
    #[cfg(feature = "blocking")]
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.in_scope(work)
    }

    /// The same for work that waits.
    #[cfg(feature = "aio")]
    pub(crate) async fn around<T>(&self, work: impl Future<Output = T> + Send) -> T {
        use tracing::Instrument as _;

        if self.0.is_disabled() {
            return work.await;
        }
        work.instrument(self.0.clone()).await
    }

    /// So many events came.
    pub(crate) fn received(&self, events: usize) {
        self.0.record("messaging.batch.message_count", events);
    }

    /// It ended with an error, whose type has few values.
    pub(crate) fn failed(&self, error_type: &str) {
        self.0.record("error.type", error_type);
        self.0.record("otel.status_code", "ERROR");
    }
}

#[cfg(feature = "tracing")]
fn name(operation: &str, group: &ConsumerGroup) -> String {
    format!("{operation} {}", group.eventhub_name())
}

#[cfg(feature = "tracing")]
fn describe<E: AsRef<ReceivedEvent>>(span: &tracing::Span, events: &[E]) {
    let Some(first) = events.first().map(AsRef::as_ref) else {
        span.record("messaging.batch.message_count", 0);
        return;
    };
    span.record("sequence_number", first.sequence_number());
    if events.len() > 1 {
        span.record("messaging.batch.message_count", events.len());
        return;
    }
    if let Some(id) = first.message_id() {
        span.record("messaging.message.id", id);
    }
    if let Ok(enqueued) = first.enqueued_time().duration_since(std::time::UNIX_EPOCH) {
        span.record("messaging.eventhubs.message.enqueued_time", enqueued.as_secs());
    }
}

#[cfg(not(feature = "tracing"))]
#[allow(clippy::unused_self, reason = "as with the feature")]
impl Span {
    #[inline]
    pub(crate) fn receive(_group: &ConsumerGroup, _partition_id: &str) -> Self {
        Self()
    }

    #[inline]
    pub(crate) fn process<E: AsRef<ReceivedEvent>>(
        _group: &ConsumerGroup,
        _partition_id: &str,
        _events: &[E],
        _attempt: u32,
    ) -> Self {
        Self()
    }

    #[inline]
    pub(crate) fn settle(
        _group: &ConsumerGroup,
        _partition_id: &str,
        _sequence_number: Option<i64>,
    ) -> Self {
        Self()
    }

    #[cfg(feature = "blocking")]
    #[inline]
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    #[cfg(feature = "aio")]
    #[inline]
    pub(crate) async fn around<T>(&self, work: impl Future<Output = T> + Send) -> T {
        work.await
    }

    #[inline]
    pub(crate) fn received(&self, _events: usize) {}

    #[inline]
    pub(crate) fn failed(&self, _error_type: &str) {}
}

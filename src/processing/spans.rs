//! Spans of the crate `tracing` around what a consumer does. Without the feature `tracing` they do nothing.

#[cfg(feature = "tracing")]
use tracing::field::Empty;

use super::ReceivedEvent;
use crate::model::ConsumerGroup;

/// One operation on a partition.
pub(crate) struct Span(#[cfg(feature = "tracing")] tracing::Span);

/// Creates a span with the fields of all operations, named as in the
/// [semantic conventions](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/) of OpenTelemetry.
#[cfg(feature = "tracing")]
macro_rules! operation {
    (
        $level:ident, $span:literal, $name:literal, $kind:literal,
        $group:ident, $partition_id:ident, $($further:tt)*
    ) => {
        tracing::span!(
            target: "eventhub_checkpointstore",
            tracing::Level::$level,
            $span,
            "otel.name" = format!(concat!($name, " {}"), $group.eventhub_name()),
            "otel.kind" = $kind,
            "otel.status_code" = Empty,
            "messaging.system" = "eventhubs",
            "messaging.operation.name" = $name,
            "messaging.operation.type" = $span,
            "messaging.destination.name" = $group.eventhub_name(),
            "messaging.destination.partition.id" = $partition_id,
            "messaging.consumer.group.name" = $group.consumer_group(),
            "server.address" = $group.fully_qualified_namespace(),
            $($further)*
            "error.type" = Empty,
        )
    };
}

#[cfg(feature = "tracing")]
impl Span {
    /// Waiting for events, and taking those that came.
    pub(crate) fn receive(group: &ConsumerGroup, partition_id: &str) -> Self {
        Self(operation!(
            DEBUG,
            "receive",
            "receive",
            "client",
            group,
            partition_id,
            "messaging.batch.message_count" = Empty,
        ))
    }

    /// A handler with its events.
    pub(crate) fn process<E: AsRef<ReceivedEvent>>(
        group: &ConsumerGroup,
        partition_id: &str,
        events: &[E],
        attempt: u32,
    ) -> Self {
        let span = operation!(
            INFO,
            "process",
            "process",
            "consumer",
            group,
            partition_id,
            "messaging.batch.message_count" = Empty,
            "messaging.message.id" = Empty,
            "messaging.eventhubs.message.enqueued_time" = Empty,
            "sequence_number" = Empty,
            attempt,
        );
        if !span.is_disabled() {
            describe(&span, events);
        }
        Self(span)
    }

    /// Storing a checkpoint.
    pub(crate) fn checkpoint(
        group: &ConsumerGroup,
        partition_id: &str,
        sequence_number: Option<i64>,
    ) -> Self {
        Self(operation!(
            INFO,
            "settle",
            "checkpoint",
            "client",
            group,
            partition_id,
            sequence_number,
        ))
    }

    /// Runs a closure inside the span.
    #[cfg(feature = "blocking")]
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.in_scope(work)
    }

    /// Runs a future inside the span.
    #[cfg(feature = "aio")]
    pub(crate) async fn around<T>(&self, work: impl Future<Output = T> + Send) -> T {
        use tracing::Instrument as _;

        if self.0.is_disabled() {
            return work.await;
        }
        work.instrument(self.0.clone()).await
    }

    /// Records how many events arrived.
    pub(crate) fn received(&self, events: usize) {
        self.0.record("messaging.batch.message_count", events);
    }

    /// Records that the operation failed. The error type must have few distinct values.
    pub(crate) fn failed(&self, error_type: &str) {
        self.0.record("error.type", error_type);
        self.0.record("otel.status_code", "ERROR");
    }
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
    pub(crate) fn checkpoint(
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

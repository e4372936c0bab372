//! Metrics of consumers through the facade `metrics`.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use ::metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

use crate::error::Error;
use crate::model::{Checkpoint, ConsumerGroup};
use crate::processing::{CheckpointOutcome, CloseReason, HandlerError, Observer};

const CONSUMED: &str = "messaging.client.consumed.messages";
const PROCESS: &str = "messaging.process.duration";
const OPERATION: &str = "messaging.client.operation.duration";
const LAG: &str = "eventhub_consumer_lag_events";
const OPEN: &str = "eventhub_consumer_open_partitions";
const RETRIES: &str = "eventhub_consumer_retries";
const DEAD_LETTERS: &str = "eventhub_consumer_dead_letters";
const ROUND: &str = "eventhub_consumer_round_duration";
const FAILURES: &str = "eventhub_consumer_failures";

/// An [`Observer`] that records what a consumer does with the recorder of the crate `metrics`.
///
/// Names and labels follow OpenTelemetry's semantic conventions for messaging, 1.44, where they define any:
///
/// | metric | kind, unit | labels besides the common ones |
/// |---|---|---|
/// | `messaging.client.consumed.messages` | counter, events that arrived | partition, `messaging.operation.name = receive` |
/// | `messaging.process.duration` | histogram, seconds in a handler | partition, `messaging.operation.name = process`, `error.type` |
/// | `messaging.client.operation.duration` | histogram, seconds for a checkpoint | partition, `messaging.operation.name = checkpoint`, `messaging.operation.type = settle`, `error.type` |
/// | `eventhub_consumer_lag_events` | gauge, events not processed yet; with `track_last_enqueued_event_properties` only, and 0 when the partition is closed | partition |
/// | `eventhub_consumer_open_partitions` | gauge, partitions that are read | |
/// | `eventhub_consumer_retries` | counter, handler calls that will be retried | partition |
/// | `eventhub_consumer_dead_letters` | counter, events that the sink took | partition |
/// | `eventhub_consumer_round_duration` | histogram, seconds for a round of the load balancing | `error.type` |
/// | `eventhub_consumer_failures` | counter, faults that the consumer survived | partition, if it concerns one; `error.type` |
///
/// All have `messaging.system = eventhubs`, `messaging.destination.name` (the event hub),
/// `messaging.consumer.group.name` and `server.address` (the namespace); the partition is
/// `messaging.destination.partition.id`. `error.type` is only set after a failure: `retry`, `dead_letter` or `stop` for
/// a handler, `Stale` for a checkpoint that another consumer has passed, otherwise the [`ErrorKind`](crate::ErrorKind).
///
/// Install the recorder before the consumer starts, because a partition looks it up once, when it is opened. Several consumers of a
/// group in one process must share one `Arc<ConsumerMetrics>`, so that their gauges do not overwrite each other.
///
/// ```
/// use eventhub_checkpointstore::adapters::metrics::ConsumerMetrics;
/// # #[cfg(feature = "blocking")] {
/// use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};
/// use eventhub_checkpointstore::memory::EventHub;
///
/// let source = EventHub::new(4).consumer_group("$Default")?;
/// let metrics = ConsumerMetrics::new(source.group());
/// let client = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory())
///     .observer(metrics)
///     .build()?;
/// # }
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
pub struct ConsumerMetrics {
    labels: Vec<Label>,
    partitions: RwLock<HashMap<String, Arc<Handles>>>,
    open: AtomicUsize,
}

/// The metrics that are recorded for each event or batch of a partition, looked up once.
struct Handles {
    labels: Vec<Label>,
    consumed: Counter,
    processed: Histogram,
    stored: Histogram,
    lag: OnceLock<Gauge>,
}

impl ConsumerMetrics {
    /// Creates an observer for the consumers of a group.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use eventhub_checkpointstore::ConsumerGroup;
    /// use eventhub_checkpointstore::adapters::metrics::ConsumerMetrics;
    ///
    /// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    /// // One for all consumers of the group in this process; pass a clone to each builder.
    /// let metrics = Arc::new(ConsumerMetrics::new(&group));
    /// # let _ = metrics;
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn new(group: &ConsumerGroup) -> Self {
        let labels = vec![
            Label::from_static_parts("messaging.system", "eventhubs"),
            Label::new("server.address", group.fully_qualified_namespace().to_owned()),
            Label::new("messaging.destination.name", group.eventhub_name().to_owned()),
            Label::new("messaging.consumer.group.name", group.consumer_group().to_owned()),
        ];
        Self { labels, partitions: RwLock::default(), open: AtomicUsize::new(0) }
    }

    fn labels_of(&self, partition_id: &str) -> Vec<Label> {
        let id = Label::new("messaging.destination.partition.id", partition_id.to_owned());
        with(&self.labels, [id])
    }

    fn handles(&self, partition_id: &str) -> Arc<Handles> {
        let known = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handles) = known.get(partition_id) {
            return Arc::clone(handles);
        }
        drop(known);
        let mut known = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        let handles = known
            .entry(partition_id.to_owned())
            .or_insert_with(|| Arc::new(Handles::new(self.labels_of(partition_id))));
        Arc::clone(handles)
    }

    fn set_open(&self, open: usize) {
        describe_gauge!(OPEN, Unit::Count, "Partitions that this consumer reads.");
        gauge!(OPEN, self.labels.clone()).set(as_number(open));
    }
}

impl Handles {
    fn new(labels: Vec<Label>) -> Self {
        let receive = Label::from_static_parts("messaging.operation.name", "receive");
        describe_counter!(CONSUMED, Unit::Count, "Events that arrived.");
        let consumed = counter!(CONSUMED, with(&labels, [receive]));
        let (processed, stored) =
            (process_histogram(&labels, None), store_histogram(&labels, None));
        Self { labels, consumed, processed, stored, lag: OnceLock::new() }
    }
}

fn with<const N: usize>(labels: &[Label], more: [Label; N]) -> Vec<Label> {
    labels.iter().cloned().chain(more).collect()
}

fn error_type(error: Option<String>) -> Option<Label> {
    error.map(|error| Label::new("error.type", error))
}

fn process_histogram(labels: &[Label], error: Option<String>) -> Histogram {
    describe_histogram!(PROCESS, Unit::Seconds, "Duration of handler calls.");
    let operation = [
        Label::from_static_parts("messaging.operation.name", "process"),
        Label::from_static_parts("messaging.operation.type", "process"),
    ];
    let mut labels = with(labels, operation);
    labels.extend(error_type(error));
    histogram!(PROCESS, labels)
}

fn store_histogram(labels: &[Label], error: Option<String>) -> Histogram {
    describe_histogram!(OPERATION, Unit::Seconds, "Duration of checkpoint writes.");
    let operation = [
        Label::from_static_parts("messaging.operation.name", "checkpoint"),
        Label::from_static_parts("messaging.operation.type", "settle"),
    ];
    let mut labels = with(labels, operation);
    labels.extend(error_type(error));
    histogram!(OPERATION, labels)
}

fn kind_of(error: &Error) -> String {
    format!("{:?}", error.kind())
}

/// Beyond 2^53 the facade has no whole numbers.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a floating point number")]
fn as_number(count: usize) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, reason = "usize has at most 64 bits")]
fn as_count(count: usize) -> u64 {
    count as u64
}

impl Observer for ConsumerMetrics {
    fn opened(&self, partition_id: &str) {
        self.handles(partition_id);
        self.set_open(self.open.fetch_add(1, Ordering::Relaxed) + 1);
    }

    fn closed(&self, partition_id: &str, _reason: &CloseReason) {
        let closed =
            self.partitions.write().unwrap_or_else(PoisonError::into_inner).remove(partition_id);
        if let Some(lag) = closed.as_ref().and_then(|handles| handles.lag.get()) {
            lag.set(0.0);
        }
        self.set_open(self.open.fetch_sub(1, Ordering::Relaxed).saturating_sub(1));
    }

    fn received(&self, partition_id: &str, events: usize) {
        self.handles(partition_id).consumed.increment(as_count(events));
    }

    fn processed(
        &self,
        partition_id: &str,
        _events: usize,
        took: Duration,
        error: Option<&HandlerError>,
    ) {
        let handles = self.handles(partition_id);
        match error {
            None => handles.processed.record(took),
            Some(error) => {
                let kind = error.type_name().to_owned();
                process_histogram(&handles.labels, Some(kind)).record(took);
            }
        }
    }

    fn retry(&self, partition_id: &str, _attempt: u32, _pause: Duration) {
        describe_counter!(RETRIES, Unit::Count, "Handler calls that will be retried.");
        counter!(RETRIES, self.labels_of(partition_id)).increment(1);
    }

    fn dead_lettered(&self, partition_id: &str, events: usize) {
        describe_counter!(DEAD_LETTERS, Unit::Count, "Events that the dead letter sink took.");
        counter!(DEAD_LETTERS, self.labels_of(partition_id)).increment(as_count(events));
    }

    fn checkpoint(&self, checkpoint: &Checkpoint, took: Duration, outcome: &CheckpointOutcome<'_>) {
        let handles = self.handles(checkpoint.partition_id());
        match outcome {
            CheckpointOutcome::Written => handles.stored.record(took),
            CheckpointOutcome::Stale | CheckpointOutcome::OutOfOrder => {
                store_histogram(&handles.labels, Some(format!("{outcome:?}"))).record(took);
            }
            CheckpointOutcome::Failed(error) => {
                store_histogram(&handles.labels, Some(kind_of(error))).record(took);
            }
        }
    }

    fn round(&self, took: Duration, owned: Result<usize, &Error>) {
        describe_histogram!(ROUND, Unit::Seconds, "Duration of load balancing rounds.");
        let mut labels = self.labels.clone();
        labels.extend(error_type(owned.err().map(kind_of)));
        histogram!(ROUND, labels).record(took);
    }

    fn lag(&self, partition_id: &str, events: i64) {
        let handles = self.handles(partition_id);
        let lag = handles.lag.get_or_init(|| {
            describe_gauge!(LAG, Unit::Count, "Events of a partition that are not processed yet.");
            gauge!(LAG, handles.labels.clone())
        });
        lag.set(as_number(usize::try_from(events).unwrap_or_default()));
    }

    fn failed(&self, partition_id: Option<&str>, error: &Error) {
        describe_counter!(FAILURES, Unit::Count, "Faults that the consumer survived.");
        let mut labels = partition_id.map_or_else(|| self.labels.clone(), |id| self.labels_of(id));
        labels.extend(error_type(Some(kind_of(error))));
        counter!(FAILURES, labels).increment(1);
    }
}

impl fmt::Debug for ConsumerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerMetrics").field("labels", &self.labels).finish_non_exhaustive()
    }
}

//! Observers of a running consumer.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use log::error;

use super::{CloseReason, panic_text};
use crate::error::Error;
use crate::model::Checkpoint;

/// The outcome of writing a checkpoint.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointOutcome<'a> {
    /// The checkpoint was stored.
    Written,
    /// A later checkpoint is stored, so another consumer is ahead. The partition counts as lost.
    Stale,
    /// A later checkpoint is stored that this consumer itself wrote or read, so nothing was stored. This happens after the
    /// event hub was recreated, with sequence numbers that restart: reset or delete its checkpoints.
    OutOfOrder,
    /// The write failed. It is retried while the partition is owned.
    Failed(&'a Error),
}

/// Observes a consumer, for metrics and tests.
///
/// The methods are called on the threads or tasks of the partitions, so they should be fast. All have default
/// implementations, and new ones may be added. A panic is caught and logged.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
/// use eventhub_checkpointstore::processing::{HandlerError, Observer};
///
/// #[derive(Default)]
/// struct Count(AtomicUsize);
///
/// impl Observer for Count {
///     fn processed(&self, _: &str, events: usize, _: Duration, error: Option<&HandlerError>) {
///         if error.is_none() {
///             self.0.fetch_add(events, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// A partition was opened.
    fn opened(&self, _partition_id: &str) {}

    /// A partition was closed.
    fn closed(&self, _partition_id: &str, _reason: &CloseReason) {}

    /// Events arrived.
    fn received(&self, _partition_id: &str, _events: usize) {}

    /// A handler returned.
    fn processed(
        &self,
        _partition_id: &str,
        _events: usize,
        _took: Duration,
        _error: Option<&super::HandlerError>,
    ) {
    }

    /// A handler will get events again after a pause.
    fn retry(&self, _partition_id: &str, _attempt: u32, _pause: Duration) {}

    /// The dead letter sink took events.
    fn dead_lettered(&self, _partition_id: &str, _events: usize) {}

    /// A write of a checkpoint ended.
    fn checkpoint(
        &self,
        _checkpoint: &Checkpoint,
        _took: Duration,
        _outcome: &CheckpointOutcome<'_>,
    ) {
    }

    /// A load balancing round ended, with this many owned partitions.
    fn round(&self, _took: Duration, _owned: Result<usize, &Error>) {}

    /// How many events of a partition are behind the watermark. Only with
    /// `track_last_enqueued_event_properties`.
    fn lag(&self, _partition_id: &str, _events: i64) {}

    /// The source or the storage failed, and the consumer continues. The id is `None` if the failure does not concern a
    /// single partition.
    fn failed(&self, _partition_id: Option<&str>, _error: &Error) {}
}

/// Implements the trait for `Arc`, so that a program can keep a pointer to its observer.
impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn opened(&self, partition_id: &str) {
        T::opened(self, partition_id);
    }

    fn closed(&self, partition_id: &str, reason: &CloseReason) {
        T::closed(self, partition_id, reason);
    }

    fn received(&self, partition_id: &str, events: usize) {
        T::received(self, partition_id, events);
    }

    fn processed(
        &self,
        partition_id: &str,
        events: usize,
        took: Duration,
        error: Option<&super::HandlerError>,
    ) {
        T::processed(self, partition_id, events, took, error);
    }

    fn retry(&self, partition_id: &str, attempt: u32, pause: Duration) {
        T::retry(self, partition_id, attempt, pause);
    }

    fn dead_lettered(&self, partition_id: &str, events: usize) {
        T::dead_lettered(self, partition_id, events);
    }

    fn checkpoint(&self, checkpoint: &Checkpoint, took: Duration, outcome: &CheckpointOutcome<'_>) {
        T::checkpoint(self, checkpoint, took, outcome);
    }

    fn round(&self, took: Duration, owned: Result<usize, &Error>) {
        T::round(self, took, owned);
    }

    fn lag(&self, partition_id: &str, events: i64) {
        T::lag(self, partition_id, events);
    }

    fn failed(&self, partition_id: Option<&str>, error: &Error) {
        T::failed(self, partition_id, error);
    }
}

/// The observers of one consumer. A panic in one of them does not end it.
#[derive(Clone, Default)]
pub(crate) struct Observers(Arc<[Arc<dyn Observer>]>);

impl Observers {
    pub(crate) fn new(observers: &[Arc<dyn Observer>]) -> Self {
        Self(observers.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn tell(&self, target: &str, call: impl Fn(&dyn Observer)) {
        for observer in self.0.iter() {
            guarded(target, "an observer", || call(&**observer));
        }
    }
}

/// Runs a user's callback. A panic in it is logged. Returns whether it returned normally.
pub(crate) fn guarded(target: &str, who: &str, call: impl FnOnce()) -> bool {
    let panic = catch_unwind(AssertUnwindSafe(call)).err();
    if let Some(panic) = &panic {
        error!(target: target, "{who} panicked: {}", panic_text(&**panic));
    }
    panic.is_none()
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}

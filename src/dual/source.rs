//! The traits of event sources. Custom sources implement them.

use std::sync::Arc;
use std::time::Duration;

use super::maybe_async;
use crate::error::Result;
use crate::model::ConsumerGroup;
use crate::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};

/// A source of events: an event hub as a consumer group reads it.
///
/// Implement it to receive events from other systems. New operations will be added as provided methods.
///
#[doc = example!("source/event_source")]
#[maybe_async]
pub trait EventSource: Send + Sync {
    /// Returns the consumer group, with its names as in checkpoints and ownerships.
    fn group(&self) -> &ConsumerGroup;

    /// Reads the name, the creation time and the partitions of the event hub.
    ///
    /// # Errors
    ///
    /// Any failure of the request. [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) and
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) (no such event hub or consumer group) end a consumer that is
    /// starting; after all other errors it retries.
    async fn properties(&self) -> Result<EventHubProperties>;

    /// Reads the range of events in a partition.
    ///
    /// # Errors
    ///
    /// As [`properties`](Self::properties).
    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties>;

    /// Starts to read a partition. It may return before the link is established; the reader then establishes it.
    ///
    /// # Errors
    ///
    /// The partition cannot be opened. The kinds that [`properties`](Self::properties) names end a consumer that has not
    /// read from any partition yet.
    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>>;

    /// Closes the connections and all readers.
    ///
    /// # Errors
    ///
    /// They could not be closed in an orderly way, but are closed nevertheless.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Reads one partition from a position, in order, without gaps or repeated events.
///
/// A reader restores broken links and connections by itself, with bounded backoff, and resumes after the last event that it
/// returned.
///
#[cfg_attr(not(doctest), doc = example!("source/event_source"))]
#[maybe_async]
pub trait PartitionReader: Send {
    /// Waits for an event, but no longer than `wait`, then appends the available events, at most `max`. Appends nothing if
    /// no event arrived.
    ///
    /// On the async surface, the future may be dropped at any point without losing an event. On the blocking surface, the
    /// call returns early if its [`interrupter`](Self::interrupter) is called.
    ///
    /// # Errors
    ///
    /// The reason why there are no more events. Events that were appended before are still delivered, except with
    /// [`ReadEnd::Displaced`].
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd>;

    /// Returns the end of the partition as reported with the last event. `None` if it was not requested or not reported.
    fn last_enqueued(&self) -> Option<LastEnqueued> {
        None
    }

    /// Returns a function that interrupts a `receive` on another thread: it then returns at once. If none is waiting, the
    /// next one does. `None`, the default, if it cannot be interrupted; the caller then waits in short steps.
    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        None
    }

    /// Closes the link.
    ///
    /// # Errors
    ///
    /// It could not be closed in an orderly way, but is closed nevertheless.
    async fn close(self: Box<Self>) -> Result<()>;
}

pointers!(EventSource {
    fn group(&self) -> &ConsumerGroup;
    async fn properties(&self) -> Result<EventHubProperties>;
    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties>;
    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>>;
    async fn close(&self) -> Result<()>;
});

#[maybe_async]
impl<T: PartitionReader + ?Sized> PartitionReader for Box<T> {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd> {
        T::receive(self, events, max, wait).await
    }

    fn last_enqueued(&self) -> Option<LastEnqueued> {
        T::last_enqueued(self)
    }

    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        T::interrupter(self)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        T::close(*self).await
    }
}

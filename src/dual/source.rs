//! Where events come from; a source of your own is plugged in here.

use std::sync::Arc;
use std::time::Duration;

use super::maybe_async;
use crate::error::Result;
use crate::model::ConsumerGroup;
use crate::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};

/// An event hub, as a consumer group reads it.
///
/// Implement it to receive from elsewhere than Event Hubs. New operations come as provided methods.
///
#[doc = example!("source/event_source")]
#[maybe_async]
pub trait EventSource: Send + Sync {
    /// The consumer group, as it is named in checkpoints and ownerships.
    fn group(&self) -> &ConsumerGroup;

    /// Reads the name, the age and the partitions of the event hub.
    ///
    /// # Errors
    ///
    /// Any failure of the request. [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) and
    /// [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) (no such event hub or consumer group) end a consumer that
    /// starts; it retries after all others.
    async fn properties(&self) -> Result<EventHubProperties>;

    /// Reads which events a partition holds.
    ///
    /// # Errors
    ///
    /// As [`properties`](Self::properties).
    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties>;

    /// Begins to read a partition. It may return before the link stands: the reader then makes it.
    ///
    /// # Errors
    ///
    /// The request cannot be carried out.
    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>>;

    /// Ends the connections and all readers.
    ///
    /// # Errors
    ///
    /// They could not be ended in an orderly way; they have ended all the same.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// Reads one partition from a position on, in order, without a gap and without repeating an event.
///
/// A reader heals broken links and connections itself, with bounded backoff, and resumes behind the last event that it
/// handed out.
///
#[cfg_attr(not(doctest), doc = example!("source/event_source"))]
#[maybe_async]
pub trait PartitionReader: Send {
    /// Waits until there is an event, but no longer than `wait`, then appends the events that are there, at most
    /// `max`. Appends none if none came.
    ///
    /// On the async surface it may be dropped at any point without losing an event. On the blocking surface it returns
    /// early if its [`interrupter`](Self::interrupter) is called.
    ///
    /// # Errors
    ///
    /// Why there will be no more events.
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd>;

    /// The end of the partition, as the last received event told it. `None` if it was not asked for, or not told.
    fn last_enqueued(&self) -> Option<LastEnqueued> {
        None
    }

    /// A function that makes a `receive` that waits on another thread return at once, or else the next one. `None`, the
    /// default, if there is none: the caller then waits in short steps.
    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        None
    }

    /// Ends the link in an orderly way.
    ///
    /// # Errors
    ///
    /// It could not be ended in an orderly way; it has ended all the same.
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

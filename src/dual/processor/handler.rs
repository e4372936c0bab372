//! The traits for processing events.

use std::sync::Arc;

use super::{PartitionContext, maybe_async};
use crate::processing::{CloseReason, HandlerError, ReceivedEvent};

/// Processes the events of one partition.
///
/// An [`EventProcessor`](super::EventProcessor) creates one for each partition that it opens, so a handler may keep state
/// of its partition. Its methods are called one after the other, except that [`process`](Self::process) runs concurrently
/// with a [`Concurrency`](crate::processing::Concurrency) other than `InOrder`.
///
#[doc = example!("processor/handler")]
#[maybe_async]
pub trait PartitionHandler: Send + Sync {
    /// Processes events. They are done when this returns `Ok`. If it fails or panics, they are delivered again after a
    /// pause.
    ///
    /// It is never called with events of a partition that is known to be lost. It is not interrupted if the partition is
    /// lost in the meantime; check [`PartitionContext::is_owned`].
    ///
    /// # Errors
    ///
    /// Why the events are not done, and what to do with them.
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError>;

    /// Prepares for the events of the partition. If it fails, it is called again after a pause.
    ///
    /// # Errors
    ///
    /// The preparation failed. [`HandlerError::Stop`] ends the consumer.
    async fn opened(&self, _partition: &PartitionContext) -> Result<(), HandlerError> {
        Ok(())
    }

    /// Called last, before the last checkpoint is stored.
    async fn closing(&self, _partition: &PartitionContext, _reason: &CloseReason) {}
}

/// A sink for events that a handler will never process.
///
#[cfg_attr(not(doctest), doc = example!("client_builder/dead_letter"))]
#[maybe_async]
pub trait DeadLetterSink: Send + Sync {
    /// Stores the events elsewhere. They are done when this returns `Ok`. Otherwise it is called again after a pause, and
    /// no checkpoint passes the events.
    ///
    /// # Errors
    ///
    /// The events were not stored.
    async fn take(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
        error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

//! What a program does with events.

use std::sync::Arc;

use super::{PartitionContext, maybe_async};
use crate::processing::{CloseReason, HandlerError, ReceivedEvent};

/// Processes the events of one partition.
///
/// An [`EventProcessor`](super::EventProcessor) makes one for each partition that it opens, so it may keep what belongs
/// to the partition. Its methods are called one after the other, except that [`process`](Self::process) runs several
/// times at once with a [`Concurrency`](crate::processing::Concurrency) other than `InOrder`.
///
#[doc = example!("processor/handler")]
#[maybe_async]
pub trait PartitionHandler: Send + Sync {
    /// Processes events. They count as done when this returns `Ok`, and come again after a pause if it fails or panics.
    ///
    /// Never called with events of a partition that is known to be lost. It is not interrupted when the partition is
    /// lost meanwhile: [`PartitionContext::is_owned`] tells.
    ///
    /// # Errors
    ///
    /// Why the events are not done, and what is to happen with them.
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError>;

    /// Prepares for the events of the partition. It is called again after a pause if it fails.
    ///
    /// # Errors
    ///
    /// It is not prepared. [`HandlerError::Stop`] ends the consumer.
    async fn opened(&self, _partition: &PartitionContext) -> Result<(), HandlerError> {
        Ok(())
    }

    /// The last call, before the last checkpoint is stored.
    async fn closing(&self, _partition: &PartitionContext, _reason: &CloseReason) {}
}

/// Takes events that a handler will never process.
///
#[cfg_attr(not(doctest), doc = example!("client_builder/dead_letter"))]
#[maybe_async]
pub trait DeadLetterSink: Send + Sync {
    /// Stores the events elsewhere. They count as done when this returns `Ok`; else it is called again after a pause, and
    /// no checkpoint passes them.
    ///
    /// # Errors
    ///
    /// They are not stored.
    async fn take(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
        error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

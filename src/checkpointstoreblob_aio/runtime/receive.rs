//! Closures as handlers, on the async surface.

use std::sync::Arc;

use super::super::{EventHubConsumerClient, PartitionContext, PartitionHandler};
use crate::error::Result;
use crate::processing::{HandlerError, ReceivedEvent, Summary};

struct OnEvent<F>(F);

#[async_trait::async_trait]
impl<F, W> PartitionHandler for OnEvent<F>
where
    F: Fn(PartitionContext, Arc<ReceivedEvent>) -> W + Send + Sync,
    W: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        for event in events {
            (self.0)(partition.clone(), Arc::clone(event)).await?;
        }
        Ok(())
    }
}

struct OnBatch<F>(F);

#[async_trait::async_trait]
impl<F, W> PartitionHandler for OnBatch<F>
where
    F: Fn(PartitionContext, Vec<Arc<ReceivedEvent>>) -> W + Send + Sync,
    W: Future<Output = Result<(), HandlerError>> + Send,
{
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        (self.0)(partition.clone(), events.to_vec()).await
    }
}

impl EventHubConsumerClient {
    /// Calls a closure with each event of all owned partitions until the consumer is stopped.
    ///
    /// Each partition has its own task, so the closure's futures run concurrently. The events of one partition are
    /// delivered one after the other, unless [`concurrency`](super::super::EventHubConsumerClientBuilder::concurrency) is
    /// set. If the closure returns an error, for example with `?`, the event is delivered again after a pause. The future
    /// is `Send`. If it is dropped, the tasks end with it, and the ownerships expire.
    ///
    /// It needs tokio, and returns an error on another runtime; there, run it in a separate tokio runtime.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/event_hub_consumer_client"))]
    ///
    /// # Errors
    ///
    /// As [`EventProcessor::run`](super::super::EventProcessor::run).
    pub async fn receive<W>(
        &self,
        on_event: impl Fn(PartitionContext, Arc<ReceivedEvent>) -> W + Send + Sync + 'static,
    ) -> Result<Summary>
    where
        W: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.receive_with(OnEvent(on_event), false).await
    }

    /// Calls a closure with batches of events until the consumer is stopped. A failed batch is delivered again unchanged.
    ///
    #[doc = example!("client/receive_batch")]
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub async fn receive_batch<W>(
        &self,
        on_event_batch: impl Fn(PartitionContext, Vec<Arc<ReceivedEvent>>) -> W + Send + Sync + 'static,
    ) -> Result<Summary>
    where
        W: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.receive_with(OnBatch(on_event_batch), true).await
    }
}

//! Closures as handlers, on the blocking surface.

use std::sync::Arc;

use super::super::{
    CheckpointStore, Checkpointer, EventHubConsumerClient, EventHubConsumerClientBuilder,
    PartitionContext, PartitionHandler,
};
use super::workers::Clock;
use crate::error::Result;
use crate::memory::TestClock;
use crate::processing::{CheckpointPolicy, HandlerError, ReceivedEvent, Summary};

struct OnEvent<F>(F);

impl<F> PartitionHandler for OnEvent<F>
where
    F: Fn(&PartitionContext, &ReceivedEvent) -> Result<(), HandlerError> + Send + Sync,
{
    fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        events.iter().try_for_each(|event| (self.0)(partition, event))
    }
}

struct OnBatch<F>(F);

impl<F> PartitionHandler for OnBatch<F>
where
    F: Fn(&PartitionContext, &[Arc<ReceivedEvent>]) -> Result<(), HandlerError> + Send + Sync,
{
    fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        (self.0)(partition, events)
    }
}

impl EventHubConsumerClient {
    /// Calls a closure with each event of all owned partitions until the consumer is stopped.
    ///
    /// Each partition has its own thread, so the closure runs concurrently. The events of one partition are delivered one
    /// after the other, unless [`concurrency`](EventHubConsumerClientBuilder::concurrency) is set. If the closure returns
    /// an error, for example with `?`, the event is delivered again after a pause.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/event_hub_consumer_client"))]
    ///
    /// # Errors
    ///
    /// As [`EventProcessor::run`](super::super::EventProcessor::run).
    pub fn receive(
        &self,
        on_event: impl Fn(&PartitionContext, &ReceivedEvent) -> Result<(), HandlerError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Summary> {
        self.receive_with(OnEvent(on_event), false)
    }

    /// Calls a closure with batches of events until the consumer is stopped. A failed batch is delivered again unchanged.
    ///
    #[doc = example!("client/receive_batch")]
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_batch(
        &self,
        on_event_batch: impl Fn(&PartitionContext, &[Arc<ReceivedEvent>]) -> Result<(), HandlerError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Summary> {
        self.receive_with(OnBatch(on_event_batch), true)
    }
}

impl Checkpointer {
    /// Creates a checkpointer that uses a test's clock.
    ///
    #[doc = shared_example!("memory/consumer_with_test_clock")]
    ///
    /// # Errors
    ///
    /// None on this surface.
    pub fn with_test_clock(
        store: impl CheckpointStore + 'static,
        policy: CheckpointPolicy,
        clock: &TestClock,
    ) -> Result<Self> {
        let clock = Clock::of_test(Some(clock));
        Self::by_clock(Arc::new(store), policy, clock)
    }
}

impl EventHubConsumerClientBuilder {
    /// Sets a test's clock for all waits of the consumer.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/consumer_with_test_clock"))]
    pub fn test_clock(mut self, clock: &TestClock) -> Self {
        self.settings.clock = Clock::of_test(Some(clock));
        self
    }
}

//! The client that receives events, as in the other SDKs.

mod builder;
#[cfg(feature = "amqp")]
mod over_amqp;

pub use builder::EventHubConsumerClientBuilder;

use std::fmt;
use std::sync::Arc;

use super::processor::{Grain, Origin, Settings};
use super::{CheckpointStore, EventProcessor, EventSource, PartitionHandler, maybe_async};
use crate::error::Result;
use crate::processing::{EventHubProperties, PartitionProperties, StopHandle, Summary};

/// Receives the events of an event hub, shares its partitions with the other consumers of the group, and stores its
/// progress.
///
/// [`receive`](Self::receive) and [`receive_batch`](Self::receive_batch) call a closure; the [builder](Self::builder) has
/// the options, with the names of Python's client. It can also create an [`EventProcessor`] or
/// [`PartitionStreams`](super::PartitionStreams).
///
/// Events are delivered at least once. If the closure fails or panics, the event is delivered again after a pause, by
/// default forever, while other partitions continue. A checkpoint never passes an unfinished event. If a consumer crashes,
/// the others take over its partitions when its ownerships expire, and repeat the events without a checkpoint, which its
/// [`CheckpointPolicy`](crate::processing::CheckpointPolicy) limits.
///
#[doc = example!("client/event_hub_consumer_client")]
pub struct EventHubConsumerClient {
    processor: EventProcessor,
}

impl EventHubConsumerClient {
    /// Returns a builder for a consumer that shares the partitions of a source, with its checkpoints and ownerships in a
    /// store.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/builder"))]
    pub fn builder(
        source: impl EventSource + 'static,
        store: impl CheckpointStore + 'static,
    ) -> EventHubConsumerClientBuilder {
        EventHubConsumerClientBuilder::new(Arc::new(source), Some(Arc::new(store)))
    }

    /// Returns a builder for a consumer without a store. It reads all partitions, or
    /// [one](EventHubConsumerClientBuilder::partition_id), from the starting position, independently of other readers.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/builder"))]
    pub fn builder_without_store(
        source: impl EventSource + 'static,
    ) -> EventHubConsumerClientBuilder {
        EventHubConsumerClientBuilder::new(Arc::new(source), None)
    }

    fn assemble(origin: Origin, settings: Settings) -> Self {
        Self { processor: EventProcessor::new(origin, settings) }
    }

    /// Returns a handle that stops the consumer from anywhere, for example from a Ctrl-C handler.
    pub fn stop_handle(&self) -> StopHandle {
        self.processor.stop_handle()
    }

    fn source(&self) -> &dyn EventSource {
        &*self.processor.origin().source
    }
}

#[maybe_async]
impl EventHubConsumerClient {
    /// Reads the name, the creation time and the partitions of the event hub.
    ///
    #[doc = example!("client/properties")]
    ///
    /// # Errors
    ///
    /// As [`EventSource::properties`].
    pub async fn eventhub_properties(&self) -> Result<EventHubProperties> {
        self.source().properties().await
    }

    /// Reads the ids of the partitions.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/properties"))]
    ///
    /// # Errors
    ///
    /// As [`EventSource::properties`].
    pub async fn partition_ids(&self) -> Result<Vec<String>> {
        Ok(self.source().properties().await?.partition_ids)
    }

    /// Reads the range of events in a partition.
    ///
    #[cfg_attr(not(doctest), doc = example!("client/properties"))]
    ///
    /// # Errors
    ///
    /// As [`EventSource::partition_properties`].
    pub async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        self.source().partition_properties(partition_id).await
    }

    /// Stops receiving, and closes the connections of the source.
    ///
    /// # Errors
    ///
    /// As [`EventSource::close`].
    pub async fn close(self) -> Result<()> {
        self.processor.stop_handle().stop();
        self.source().close().await
    }

    /// One handler serves all partitions.
    pub(crate) async fn receive_with<H: PartitionHandler + 'static>(
        &self,
        handler: H,
        is_batch: bool,
    ) -> Result<Summary> {
        let grain = if is_batch { Grain::Batch } else { Grain::Event };
        let handler = Arc::new(handler);
        self.processor.run_with(move |_partition| Arc::clone(&handler), grain).await
    }
}

impl fmt::Debug for EventHubConsumerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHubConsumerClient")
            .field("group", self.source().group())
            .finish_non_exhaustive()
    }
}

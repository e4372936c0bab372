//! A source whose events never end and are held nowhere, and a store that takes its time.

use std::time::Duration;

use eventhub_checkpointstore::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};
use eventhub_checkpointstore::{
    Checkpoint, CheckpointUpdate, Claims, ConsumerGroup, Listing, PartitionOwnership, Result,
};

use super::subject::{BlobCheckpointStore, CheckpointStore, EventSource, PartitionReader};
use super::{maybe_async, pause};

pub struct Endless(pub ConsumerGroup);

pub struct Numbers(i64);

#[maybe_async]
impl EventSource for Endless {
    fn group(&self) -> &ConsumerGroup {
        &self.0
    }

    async fn properties(&self) -> Result<EventHubProperties> {
        let created_at = std::time::SystemTime::UNIX_EPOCH;
        Ok(EventHubProperties::new("endless", created_at, vec!["0".into()]))
    }

    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        let last = LastEnqueued::new(i64::MAX, None, std::time::SystemTime::UNIX_EPOCH);
        Ok(PartitionProperties::new(partition_id, 0, last, false))
    }

    async fn open(&self, _request: OpenPartition) -> Result<Box<dyn PartitionReader>> {
        Ok(Box::new(Numbers(0)))
    }
}

#[maybe_async]
impl PartitionReader for Numbers {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        _wait: Duration,
    ) -> Result<(), ReadEnd> {
        for _ in 0..max {
            let event = ReceivedEvent::new(self.0, "{\"degrees\":21.5}");
            events.push(event.with_offset((self.0 * 48).to_string()));
            self.0 += 1;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

pub struct Slow {
    pub store: BlobCheckpointStore,
    pub latency: Duration,
}

#[maybe_async]
impl CheckpointStore for Slow {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>> {
        self.store.list_ownership(group).await
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        self.store.claim_ownership(ownerships).await
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        self.store.list_checkpoints(group).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        if !self.latency.is_zero() {
            pause(self.latency).await;
        }
        CheckpointStore::update_checkpoint(&self.store, checkpoint).await
    }
}

//! The trait that load balancers and consumers require of a store. Custom stores implement it.

use std::sync::Arc;
use std::time::Duration;

use super::{BlobCheckpointStore, maybe_async};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Checkpoint, CheckpointUpdate, Claims, ConsumerGroup, Listing, PartitionOwnership, Relinquished,
};
use crate::options::CLAIM_CONCURRENCY;

/// A store of ownerships and checkpoints.
///
/// Implement it to keep records somewhere other than in blobs. Claims must be atomic: of several claims of the same version
/// of a record, or of several first claims of a partition, exactly one succeeds. A listed ownership needs an
/// [`ETag`](crate::ETag) that identifies its version; an ownership without one is never stolen.
///
/// New operations will be added as provided methods.
///
/// # Example
///
#[doc = example!("store/checkpoint_store")]
#[maybe_async]
pub trait CheckpointStore: Send + Sync {
    /// Lists the ownerships of a group, including relinquished partitions.
    ///
    /// # Errors
    ///
    /// Any failure to read. The list is never truncated.
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>>;

    /// Claims partitions. Returns one outcome per claim, in the same order.
    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims;

    /// Lists the checkpoints of a group.
    ///
    /// # Errors
    ///
    /// Any failure to read. The list is never truncated.
    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>>;

    /// Stores a checkpoint.
    ///
    /// # Errors
    ///
    /// Any failure to write; with [`Error::is_outcome_unknown`] if the checkpoint may have been stored.
    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate>;

    /// Relinquishes partitions. By default, claims them without an owner.
    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        let released: Vec<_> = ownerships.iter().map(PartitionOwnership::released).collect();
        self.claim_ownership(&released).await.into()
    }

    /// Reads the checkpoint of one partition. By default, lists all checkpoints.
    ///
    /// # Errors
    ///
    /// Any failure to read. A failed read is never `None`.
    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        let listing = self.list_checkpoints(group).await?;
        Ok(listing.into_iter().find(|checkpoint| checkpoint.partition_id() == partition_id))
    }

    /// Deletes the checkpoint of a partition. Returns whether there was one. By default, fails.
    ///
    /// # Errors
    ///
    /// Any failure to delete.
    async fn delete_checkpoint(&self, _group: &ConsumerGroup, _partition_id: &str) -> Result<bool> {
        Err(Error::new(ErrorKind::Other, "this store does not delete checkpoints"))
    }

    /// Notes that this consumer takes over a partition and continues from this checkpoint. Sends no request.
    ///
    /// A fenced store binds its next update to that version. By default, does nothing.
    fn resume_from(&self, _checkpoint: &Checkpoint) {}

    /// Returns the same store with a time limit for its calls. `None`, the default, if calls cannot be limited.
    fn with_time_limit(&self, _limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        None
    }

    /// Returns the same store with checkpoints that only move forward, for one consumer. `None`, the default, if the store
    /// has no such fence or already is fenced.
    fn with_fence(&self) -> Option<Box<dyn CheckpointStore>> {
        None
    }

    /// Returns the maximum number of concurrent claims of an [`OwnershipManager`](super::super::OwnershipManager). It makes
    /// each claim in a separate call, so that a claim that hangs does not delay the others. Default: 16.
    fn claim_concurrency(&self) -> usize {
        CLAIM_CONCURRENCY
    }

    /// Returns the clock for leases. Default: the system's.
    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

#[maybe_async]
impl CheckpointStore for BlobCheckpointStore {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>> {
        Self::list_ownership(self, group).await
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        Self::claim_ownership(self, ownerships).await
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        Self::list_checkpoints(self, group).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        Self::update_checkpoint(self, checkpoint).await.map(CheckpointUpdate::from)
    }

    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        Self::relinquish_ownership(self, ownerships).await
    }

    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        Self::get_checkpoint(self, group, partition_id).await
    }

    async fn delete_checkpoint(&self, group: &ConsumerGroup, partition_id: &str) -> Result<bool> {
        Self::delete_checkpoint(self, group, partition_id).await
    }

    fn with_time_limit(&self, limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        Some(Box::new(self.limited_to(limit)))
    }

    fn with_fence(&self) -> Option<Box<dyn CheckpointStore>> {
        Some(Box::new(self.fenced()))
    }

    fn claim_concurrency(&self) -> usize {
        Self::claim_concurrency(self)
    }

    fn clock(&self) -> &dyn Clock {
        self.container().clock()
    }
}

pointers!(CheckpointStore {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>>;
    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims;
    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>>;
    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate>;
    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished;
    async fn get_checkpoint(&self, group: &ConsumerGroup, partition_id: &str) -> Result<Option<Checkpoint>>;
    async fn delete_checkpoint(&self, group: &ConsumerGroup, partition_id: &str) -> Result<bool>;
    fn resume_from(&self, checkpoint: &Checkpoint);
    fn with_time_limit(&self, limit: Duration) -> Option<Box<dyn CheckpointStore>>;
    fn with_fence(&self) -> Option<Box<dyn CheckpointStore>>;
    fn claim_concurrency(&self) -> usize;
    fn clock(&self) -> &dyn Clock;
});

//! What a load balancer or a consumer needs of a store; a store of your own is plugged in here.

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
/// Implement it to keep them elsewhere than in blobs. Claims must be atomic: of several claims of the same version
/// of a record, or of several first claims of a partition, exactly one succeeds.
/// A listed ownership has an [`ETag`](crate::ETag) that tells its version: one without is never stolen.
///
/// Growth: new operations come as provided methods.
///
/// # Example
///
#[doc = example!("store/checkpoint_store")]
#[maybe_async]
pub trait CheckpointStore: Send + Sync {
    /// Lists who owns which partition of a group, relinquished partitions included.
    ///
    /// # Errors
    ///
    /// Any failure to read; never a list that is cut short.
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>>;

    /// Claims partitions; one outcome per claim, in the order of the claims.
    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims;

    /// Lists the checkpoints of a group.
    ///
    /// # Errors
    ///
    /// Any failure to read; never a list that is cut short.
    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>>;

    /// Stores a checkpoint.
    ///
    /// # Errors
    ///
    /// Any failure to write; [`Error::is_outcome_unknown`] if it may be stored all the same.
    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate>;

    /// Gives partitions up. By default claims them for nobody.
    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        let released: Vec<_> = ownerships.iter().map(PartitionOwnership::released).collect();
        self.claim_ownership(&released).await.into()
    }

    /// Reads the checkpoint of one partition. By default lists them all.
    ///
    /// # Errors
    ///
    /// Any failure to read; never "no checkpoint".
    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        let listing = self.list_checkpoints(group).await?;
        Ok(listing.into_iter().find(|checkpoint| checkpoint.partition_id() == partition_id))
    }

    /// Deletes the checkpoint of a partition; returns whether there was one. By default it fails.
    ///
    /// # Errors
    ///
    /// Any failure to delete.
    async fn delete_checkpoint(&self, _group: &ConsumerGroup, _partition_id: &str) -> Result<bool> {
        Err(Error::new(ErrorKind::Other, "this store does not delete checkpoints"))
    }

    /// Notes that this consumer takes a partition over and goes on from this checkpoint. Takes no request.
    ///
    /// A fenced store ties its next update to that version; by default nothing is done.
    fn resume_from(&self, _checkpoint: &Checkpoint) {}

    /// The same store, whose calls end within a limit. `None`, the default, if it cannot be limited.
    fn with_time_limit(&self, _limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        None
    }

    /// The same store with checkpoints that only move forwards, for one consumer. `None`, the default, if it has no such
    /// fence, or has it already.
    fn with_fence(&self) -> Option<Box<dyn CheckpointStore>> {
        None
    }

    /// How many claims an [`OwnershipManager`](super::super::OwnershipManager) may have under way at a time. It makes each in a call
    /// of its own, so that one that hangs holds up no other. 16 by default.
    fn claim_concurrency(&self) -> usize {
        CLAIM_CONCURRENCY
    }

    /// The clock that leases are judged by. By default the system's.
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

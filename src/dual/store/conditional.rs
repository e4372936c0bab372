//! Conditional writes and deletions: only while the stored record is the one that the caller has seen.

use std::time::Instant;

use super::{BlobCheckpointStore, maybe_async};
use crate::container::{Condition, DeleteBlob, GetBlobProperties};
use crate::error::{ErrorKind, Result};
use crate::model::{
    Checkpoint, CheckpointUpdate, ConsumerGroup, DeleteOutcome, ETag, Expected, UpdateOutcome,
    check_partition_id,
};
use crate::records::naming::BlobKind;

#[maybe_async]
impl BlobCheckpointStore {
    /// Stores a checkpoint only if the stored one is the expected one, for example for a change that a person has
    /// confirmed.
    ///
    /// Sends one request, and never overwrites another writer: if another writer was first, the outcome is
    /// [`UpdateOutcome::Conflict`]. If a response was lost, one more request checks whether the checkpoint was stored.
    ///
    #[doc = example!("store/update_checkpoint_if")]
    ///
    /// # Errors
    ///
    /// Any failure of a request. If [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown), the checkpoint may
    /// have been stored.
    pub async fn update_checkpoint_if(
        &self,
        checkpoint: &Checkpoint,
        expected: Expected<'_>,
    ) -> Result<CheckpointUpdate> {
        let seen = match expected {
            Expected::Absent => None,
            Expected::Version(etag) => Some(etag),
        };
        match self.replace_checkpoint(checkpoint, seen, self.deadline()).await {
            Ok(stored) => {
                let mut update = CheckpointUpdate::new(UpdateOutcome::Written);
                update.etag = stored.etag().cloned();
                update.last_modified = stored.last_modified();
                Ok(update)
            }
            Err(error) if is_conflict(error.kind(), seen) => {
                Ok(CheckpointUpdate::new(UpdateOutcome::Conflict))
            }
            Err(error) => Err(error.with_action("update the checkpoint")),
        }
    }

    /// Deletes a checkpoint only if it is still the version that the caller has seen.
    ///
    /// Sends one request, and never deletes another writer's checkpoint: if another writer was first, one more request
    /// distinguishes a [conflict](DeleteOutcome::Conflict) from a missing checkpoint. If a response was lost and the
    /// checkpoint is gone, the lost request counts as the one that deleted it.
    ///
    #[doc = example!("store/delete_checkpoint_if")]
    ///
    /// # Errors
    ///
    /// Any failure of the request.
    pub async fn delete_checkpoint_if(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        etag: &ETag,
    ) -> Result<DeleteOutcome> {
        check_partition_id(partition_id)?;
        let name = self.name(group, BlobKind::Checkpoint, partition_id);
        let deleted = self.delete_version(&name, etag, self.deadline()).await;
        deleted.map_err(|error| error.with_action("delete the checkpoint"))
    }

    /// Deletes an ownership record only if it is still the version that the caller has seen, for example to clean up after
    /// a consumer group that is gone.
    ///
    /// To let other consumers claim a partition at once, [relinquish](Self::relinquish_ownership) it instead: the record
    /// stays, so a late renewal of the old version is refused. The requests are the same as for
    /// [`delete_checkpoint_if`](Self::delete_checkpoint_if).
    ///
    #[doc = example!("store/delete_ownership_if")]
    ///
    /// # Errors
    ///
    /// Any failure of the request.
    pub async fn delete_ownership_if(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        etag: &ETag,
    ) -> Result<DeleteOutcome> {
        check_partition_id(partition_id)?;
        let name = self.name(group, BlobKind::Ownership, partition_id);
        let deleted = self.delete_version(&name, etag, self.deadline()).await;
        deleted.map_err(|error| error.with_action("delete the ownership"))
    }

    /// Deletes exactly this version of a blob, and finds out what happened if a response was lost.
    pub(super) async fn delete_version(
        &self,
        name: &str,
        etag: &ETag,
        deadline: Instant,
    ) -> Result<DeleteOutcome> {
        let context = self.context(deadline);
        let request = DeleteBlob::new(name, Condition::Matches(etag), context);
        let refusal = match self.container().delete_blob(request).await {
            Ok(()) => return Ok(DeleteOutcome::Deleted),
            Err(error) => error,
        };
        let is_gone = match refusal.kind() {
            ErrorKind::BlobNotFound => true,
            // Azurite also responds with this if the blob is gone.
            ErrorKind::ConditionNotMet => {
                let request = GetBlobProperties::new(name, context);
                match self.container().get_blob_properties(request).await {
                    Ok(_) => false,
                    Err(error) if error.kind() == ErrorKind::BlobNotFound => true,
                    Err(error) => {
                        return Err(error.with_earlier(refusal.applied()));
                    }
                }
            }
            _ => return Err(refusal),
        };
        Ok(match (is_gone, refusal.is_outcome_unknown()) {
            (false, _) => DeleteOutcome::Conflict,
            (true, false) => DeleteOutcome::Missing,
            // An earlier attempt whose response was lost may have deleted it.
            (true, true) => DeleteOutcome::Deleted,
        })
    }
}

/// Returns whether the stored state is not the expected one.
fn is_conflict(kind: ErrorKind, seen: Option<&ETag>) -> bool {
    kind == ErrorKind::ConditionNotMet || (kind == ErrorKind::BlobNotFound && seen.is_some())
}

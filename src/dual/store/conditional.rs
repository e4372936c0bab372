//! Records that are written or deleted only while the stored one is what the caller has seen.

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
    /// Stores a checkpoint only while the stored one is the expected one, as for a change that a person has confirmed.
    ///
    /// One request, and no other writer is overwritten: if one was first, the outcome is [`UpdateOutcome::Conflict`]. If a
    /// response was lost, one more request checks whether the checkpoint was stored.
    ///
    #[doc = example!("store/update_checkpoint_if")]
    ///
    /// # Errors
    ///
    /// Any failure of a request. With [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown) it may be stored.
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

    /// Deletes a checkpoint only while it is the version that the caller has seen.
    ///
    /// One request, and no other writer's checkpoint is deleted: if one was first, one more request tells a
    /// [conflict](DeleteOutcome::Conflict) from a checkpoint that is gone. If a response was lost and the checkpoint is
    /// gone, the lost request is taken for the one that deleted it.
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

    /// Deletes an ownership record only while it is the version that the caller has seen, as to clean up after a consumer
    /// group that is gone.
    ///
    /// To let others claim a partition at once, [relinquish](Self::relinquish_ownership) it instead: the record stays, and
    /// its next version shows who is late. One request, as
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

    /// Deletes just this version of a blob, and finds out what happened if a response was lost.
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
            // Azurite says this of a blob that is gone, too.
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

/// Whether what was expected is not there: another version, or none.
fn is_conflict(kind: ErrorKind, seen: Option<&ETag>) -> bool {
    kind == ErrorKind::ConditionNotMet || (kind == ErrorKind::BlobNotFound && seen.is_some())
}

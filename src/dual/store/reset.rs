//! Resets and deletes checkpoints on purpose.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::runtime::map_concurrently;
use super::{BlobCheckpointStore, maybe_async};
use crate::container::{BlobWritten, Condition, PutBlob, SetBlobMetadata};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{
    ChangeOutcome, Checkpoint, CheckpointChange, CheckpointChanges, ConsumerGroup, DeleteOutcome,
    ETag, KeepReason, PartitionOwnership, Partitions, RunMode, Version, check_partition_id,
};
use crate::options::OWNER_RUNS_FOR;
use crate::records::checkpoint as codec;
use crate::records::naming::BlobKind;
use crate::records::stored::StoredCheckpoint;

#[maybe_async]
impl BlobCheckpointStore {
    /// Sets checkpoints to given positions, including older ones, for example to process events again.
    ///
    /// Stop the consumers first. A running consumer continues at its current position, and its next checkpoint undoes the
    /// reset. Therefore a partition whose owner renewed its record within the last 120 s is
    /// [refused](ChangeOutcome::Refused), unless the mode is [`RunMode::Force`]. A checkpoint is only replaced if nobody
    /// has written it since it was read. If a consumer did, the result is [`ErrorKind::ConditionNotMet`], and the
    /// consumer's position stays. Only checkpoints under the store's own naming are changed, even with
    /// [`read_other_name_case`](super::BlobCheckpointStoreBuilder::read_other_name_case).
    ///
    /// Sends one list of the owners, then two requests per partition (one in a dry run), several at a time. The reports are
    /// in the order of `checkpoints`. If a partition is given twice, the second one fails.
    ///
    #[doc = example!("store/reset_checkpoints")]
    pub async fn reset_checkpoints(
        &self,
        checkpoints: &[Checkpoint],
        mode: RunMode,
    ) -> CheckpointChanges {
        let (store, deadline) = (self, self.deadline());
        let owners = self.owners_of(checkpoints, mode, deadline).await;
        let owners = match owners {
            Ok(owners) => owners,
            Err(error) => {
                return all_failed(checkpoints, &error.with_action("list the ownerships"));
            }
        };
        let mut names = HashSet::new();
        let resets: Vec<_> = checkpoints
            .iter()
            .map(|checkpoint| {
                let (group, id) = (checkpoint.group(), checkpoint.partition_id());
                let name = self.name(group, BlobKind::Checkpoint, id);
                let owner_id = owners.get(&self.name(group, BlobKind::Ownership, id)).cloned();
                Reset { checkpoint, owner_id, is_duplicate: !names.insert(name) }
            })
            .collect();
        let reset = |reset| async move { reset_one(store, reset, mode, deadline).await };
        CheckpointChanges::new(map_concurrently(&resets, self.claim_concurrency(), reset).await)
    }

    /// Deletes checkpoints of a group, for example after its event hub was recreated: offsets and sequence numbers restart
    /// then, and old checkpoints would point beyond the end.
    ///
    /// Checkpoints without a readable position are also deleted. Consumers without a checkpoint begin at their configured
    /// start. Stop the consumers first: a partition whose owner renewed its record within the last 120 s is
    /// [refused](ChangeOutcome::Refused), unless the mode is [`RunMode::Force`]. A checkpoint is only deleted if nobody has
    /// written it since it was listed. If a consumer did, the result is [`ErrorKind::ConditionNotMet`]. Ownerships stay.
    ///
    /// With [`read_other_name_case`](super::BlobCheckpointStoreBuilder::read_other_name_case), checkpoints under the other
    /// naming take effect once those under the store's own naming are gone. They are never deleted here. Each is reported
    /// as [`KeepReason::OtherNaming`], in addition to the report of the store's own checkpoint. Delete them with a store of
    /// the other [`NameCase`](crate::NameCase).
    ///
    /// Sends one list of the checkpoints and one of the owners (two of each with the other naming), and one request per
    /// partition unless it is a dry run. A blob with snapshots cannot be deleted; the result is
    /// [`Failed`](ChangeOutcome::Failed) with the code `SnapshotsPresent`.
    ///
    #[doc = example!("store/delete_checkpoints")]
    ///
    /// # Errors
    ///
    /// The list failed, and nothing was deleted. [`ErrorKind::InvalidInput`] for an invalid partition id.
    pub async fn delete_checkpoints(
        &self,
        group: &ConsumerGroup,
        partitions: Partitions,
        mode: RunMode,
    ) -> Result<CheckpointChanges> {
        let store = self;
        let deadline = self.deadline();
        let found = self.find(group, partitions, deadline).await;
        let found = found.map_err(|error| error.with_action("list the checkpoints"))?;
        let mut owners = HashMap::new();
        if mode != RunMode::Force && !found.is_empty() {
            let listed = self.add_owners(group, &mut owners, deadline).await;
            listed.map_err(|error| error.with_action("list the ownerships"))?;
        }
        let owners = &owners;
        let delete =
            |found| async move { delete_one(store, group, found, owners, mode, deadline).await };
        let changes = map_concurrently(&found, self.claim_concurrency(), delete).await;
        Ok(CheckpointChanges::new(changes))
    }

    /// The running owners of all groups of these checkpoints.
    async fn owners_of(
        &self,
        checkpoints: &[Checkpoint],
        mode: RunMode,
        deadline: Instant,
    ) -> Result<Owners> {
        let (mut owners, mut seen) = (HashMap::new(), HashSet::new());
        if mode != RunMode::Force {
            for group in checkpoints.iter().map(Checkpoint::group) {
                if seen.insert(group) {
                    self.add_owners(group, &mut owners, deadline).await?;
                }
            }
        }
        Ok(owners)
    }

    async fn add_owners(
        &self,
        group: &ConsumerGroup,
        owners: &mut Owners,
        deadline: Instant,
    ) -> Result<()> {
        let prefixes = self.prefixes(group, BlobKind::Ownership);
        let listing = self.list_under(group, &prefixes, false, deadline).await?;
        let now = listing.server_time();
        for record in listing {
            let record: PartitionOwnership = record;
            let is_live = record.age(now).is_none_or(|age| age <= OWNER_RUNS_FOR);
            if let Some(owner_id) = record.owner_id().filter(|_| is_live) {
                let name = self.name(group, BlobKind::Ownership, record.partition_id());
                owners.insert(name, owner_id.to_owned());
            }
        }
        Ok(())
    }

    async fn find(
        &self,
        group: &ConsumerGroup,
        partitions: Partitions,
        deadline: Instant,
    ) -> Result<Vec<Found>> {
        if let Partitions::Only(ids) = &partitions {
            for id in ids {
                check_partition_id(id)?;
            }
        }
        let mut found = Vec::new();
        let own_and_other: [fn(StoredCheckpoint) -> Found; 2] = [Found::Stored, Found::Foreign];
        for (prefix, found_there) in
            self.prefixes(group, BlobKind::Checkpoint).into_iter().zip(own_and_other)
        {
            found.extend(self.find_under(group, prefix, found_there, deadline).await?);
        }
        if let Partitions::Only(ids) = partitions {
            let wanted: HashSet<_> = ids.iter().map(String::as_str).collect();
            found.retain(|found| wanted.contains(found.partition_id()));
            let there: HashSet<_> = found.iter().map(Found::partition_id).collect();
            let missing = ids.iter().filter(|id| !there.contains(id.as_str())).cloned();
            let missing: Vec<_> = missing.map(Found::Missing).collect();
            found.extend(missing);
        }
        Ok(found)
    }

    async fn find_under(
        &self,
        group: &ConsumerGroup,
        prefix: String,
        found_there: fn(StoredCheckpoint) -> Found,
        deadline: Instant,
    ) -> Result<Vec<Found>> {
        let prefixes = [prefix];
        let listing = self.list_under(group, &prefixes, false, deadline).await?;
        let unreadable = listing.skipped().iter().filter(|blob| blob.reason.is_defect());
        let unreadable: Vec<_> = unreadable
            .filter_map(|blob| {
                let partition_id = blob.name.strip_prefix(&prefixes[0])?;
                Some(Found::Unreadable(partition_id.to_owned(), blob.reason))
            })
            .collect();
        Ok(listing.into_iter().map(found_there).chain(unreadable).collect())
    }

    /// Writes a position over exactly the version that was seen, or creates the blob. If the response was lost, checks
    /// whether the position was written. Returns the stored checkpoint.
    pub(super) async fn replace_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        seen: Option<&ETag>,
        deadline: Instant,
    ) -> Result<Checkpoint> {
        let conflict = match self.write_over(checkpoint, seen, deadline).await {
            Ok(written) => {
                let BlobWritten { etag, last_modified, .. } = written;
                let version = Version { etag: Some(etag), last_modified };
                return Ok(checkpoint.clone().with_version(version));
            }
            Err(error) => error,
        };
        if conflict.kind() != ErrorKind::ConditionNotMet || !conflict.is_outcome_unknown() {
            return Err(conflict);
        }
        // An earlier attempt may have been the "other" writer.
        let (group, partition_id) = (checkpoint.group(), checkpoint.partition_id());
        let name = self.name(group, BlobKind::Checkpoint, partition_id);
        let stored = self.read_stored(group, partition_id, &name, false, deadline).await;
        let stored = stored.map_err(|error| error.with_applied(Applied::Unknown))?;
        match stored.and_then(StoredCheckpoint::into_checkpoint) {
            Some(stored) if stored.has_position_of(checkpoint) => Ok(stored),
            _ => Err(conflict),
        }
    }

    /// Writes a position over exactly the version that was seen, or creates the blob.
    pub(super) async fn write_over(
        &self,
        checkpoint: &Checkpoint,
        seen: Option<&ETag>,
        deadline: Instant,
    ) -> Result<BlobWritten> {
        let name = self.name(checkpoint.group(), BlobKind::Checkpoint, checkpoint.partition_id());
        let encoded = codec::encode(checkpoint);
        let metadata = encoded.metadata();
        let context = self.context(deadline);
        if let Some(etag) = seen {
            let condition = Condition::Matches(etag);
            let set = SetBlobMetadata::new(&name, &metadata, condition, context);
            self.container().set_blob_metadata(set).await
        } else {
            let put = PutBlob::new(&name, &metadata, Condition::NotExists, context);
            self.container().put_blob(put).await
        }
    }
}

/// The ids of running owners, by the names of their records.
type Owners = HashMap<String, String>;

/// A checkpoint to set.
struct Reset<'a> {
    checkpoint: &'a Checkpoint,
    owner_id: Option<String>,
    /// Whether the batch has an earlier one for the same record.
    is_duplicate: bool,
}

/// Without the list of owners, nothing is changed.
fn all_failed(checkpoints: &[Checkpoint], error: &Error) -> CheckpointChanges {
    let failed = |checkpoint: &Checkpoint| {
        CheckpointChange::new(checkpoint.partition_id(), ChangeOutcome::Failed(error.once_more()))
    };
    CheckpointChanges::new(checkpoints.iter().map(failed).collect())
}

/// What a deletion found for a partition.
enum Found {
    Stored(StoredCheckpoint),
    /// Under the other naming.
    Foreign(StoredCheckpoint),
    /// Without an ETag nothing can be deleted safely.
    Unreadable(String, crate::model::SkipReason),
    Missing(String),
}

impl Found {
    fn partition_id(&self) -> &str {
        match self {
            Self::Stored(stored) | Self::Foreign(stored) => &stored.partition_id,
            Self::Unreadable(partition_id, _) | Self::Missing(partition_id) => partition_id,
        }
    }
}

#[maybe_async]
async fn reset_one(
    store: &BlobCheckpointStore,
    reset: &Reset<'_>,
    mode: RunMode,
    deadline: Instant,
) -> CheckpointChange {
    let checkpoint = reset.checkpoint;
    let partition_id = checkpoint.partition_id();
    let changed = |outcome| CheckpointChange::new(partition_id, outcome);
    let failed =
        |error: Error| changed(ChangeOutcome::Failed(error.with_action("reset the checkpoint")));
    if reset.is_duplicate {
        return failed(Error::invalid_input(format!(
            "checkpoint of partition {partition_id:?}: the batch contains it twice; only the first one is used"
        )));
    }
    let name = store.name(checkpoint.group(), BlobKind::Checkpoint, partition_id);
    let stored = store.read_stored(checkpoint.group(), partition_id, &name, false, deadline).await;
    let stored = match stored {
        Ok(stored) => stored,
        Err(error) => return failed(error),
    };
    let before = stored.as_ref().and_then(StoredCheckpoint::checkpoint).cloned();
    if before.as_ref().is_some_and(|before| before.has_position_of(checkpoint)) {
        return changed(ChangeOutcome::Kept(KeepReason::SamePosition))
            .with_after(before.clone())
            .with_before(before);
    }
    if let Some(owner_id) = reset.owner_id.clone() {
        return changed(ChangeOutcome::Refused { owner_id })
            .with_after(before.clone())
            .with_before(before);
    }
    if mode == RunMode::DryRun {
        return changed(ChangeOutcome::Planned)
            .with_before(before)
            .with_after(Some(checkpoint.clone().without_etag()));
    }
    let seen = stored.as_ref().map(|stored| &stored.etag);
    let after = store.replace_checkpoint(checkpoint, seen, deadline).await;
    match after {
        Ok(after) => changed(ChangeOutcome::Applied).with_before(before).with_after(Some(after)),
        Err(error) => failed(error).with_before(before),
    }
}

#[maybe_async]
async fn delete_one(
    store: &BlobCheckpointStore,
    group: &ConsumerGroup,
    found: &Found,
    owners: &Owners,
    mode: RunMode,
    deadline: Instant,
) -> CheckpointChange {
    let change = |outcome| CheckpointChange::new(found.partition_id(), outcome);
    let stored = match found {
        Found::Stored(stored) => stored,
        Found::Foreign(stored) => {
            let kept = stored.checkpoint().cloned().map(Checkpoint::without_etag);
            return change(ChangeOutcome::Kept(KeepReason::OtherNaming))
                .with_before(kept.clone())
                .with_after(kept);
        }
        Found::Missing(_) => return change(ChangeOutcome::Kept(KeepReason::Missing)),
        Found::Unreadable(_, reason) => {
            return change(ChangeOutcome::Kept(KeepReason::Skipped(*reason)));
        }
    };
    let before = stored.checkpoint().cloned();
    let record = store.name(group, BlobKind::Ownership, &stored.partition_id);
    if let Some(owner_id) = owners.get(&record).cloned() {
        return change(ChangeOutcome::Refused { owner_id })
            .with_after(before.clone())
            .with_before(before);
    }
    if mode == RunMode::DryRun {
        return change(ChangeOutcome::Planned).with_before(before);
    }
    let name = store.name(group, BlobKind::Checkpoint, &stored.partition_id);
    let outcome = match store.delete_version(&name, &stored.etag, deadline).await {
        Ok(DeleteOutcome::Deleted) => ChangeOutcome::Applied,
        Ok(DeleteOutcome::Missing) => ChangeOutcome::Kept(KeepReason::Missing),
        Ok(DeleteOutcome::Conflict) => {
            let error = Error::new(ErrorKind::ConditionNotMet, "").with_blob(name);
            ChangeOutcome::Failed(error.with_action("delete the checkpoint"))
        }
        Err(error) => ChangeOutcome::Failed(error.with_action("delete the checkpoint")),
    };
    change(outcome).with_before(before)
}

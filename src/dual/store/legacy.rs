//! Reads and migrates the checkpoints of legacy processors.

use std::collections::HashMap;
use std::time::Instant;

use super::runtime::map_concurrently;
use super::{BlobCheckpointStore, maybe_async};
use crate::container::GetBlob;
use crate::error::{ErrorKind, Result};
use crate::model::{
    ChangeOutcome, Checkpoint, CheckpointChange, CheckpointChanges, ConsumerGroup, KeepReason,
    Listing, RecordId, RunMode, SkipReason, SkippedBlob,
};
use crate::protocol::is_refusal_of_content;
use crate::records::decoded::Decoded;
use crate::records::legacy::{self, LegacyLayout, MAX_CONTENT};
use crate::records::naming::BlobKind;
use crate::records::stored::StoredCheckpoint;

/// The status of a range request for an empty blob.
const RANGE_NOT_SATISFIABLE: u16 = 416;

#[maybe_async]
impl BlobCheckpointStore {
    /// Lists the checkpoints that a legacy processor of the group left in this container. Nothing is written.
    ///
    /// Sends one request per 5,000 blobs, and one for each blob under the prefix, several at a time. A blob whose content
    /// is not a checkpoint, or that the service refuses to return, is skipped and named in [`Listing::skipped`].
    ///
    #[doc = example!("store/list_legacy_checkpoints")]
    ///
    /// # Errors
    ///
    /// Any other failure of a request. The list is never truncated.
    #[cfg_attr(docsrs, doc(cfg(feature = "legacy")))]
    pub async fn list_legacy_checkpoints(
        &self,
        group: &ConsumerGroup,
        layout: &LegacyLayout,
    ) -> Result<Listing<Checkpoint>> {
        let listing = self.legacy_checkpoints(group, layout).await;
        let listing = listing.map_err(|error| error.with_action("list the legacy checkpoints"))?;
        self.check_skipped(listing.skipped())?;
        Ok(listing)
    }

    /// Migrates the checkpoints that a legacy processor of the group left in this container.
    ///
    /// A checkpoint is only written if none exists in the current format (`If-None-Match: *`). So you can run the
    /// migration again, and it never overwrites a newer position. The legacy blobs stay. Stop the legacy processors first:
    /// checkpoints that they store later are not migrated. A position without an offset is migrated with its sequence
    /// number only, which Python, JavaScript, Go and C++ cannot read.
    ///
    /// Sends two lists, then two requests for each partition without a checkpoint (one in a dry run). Each partition with a
    /// legacy blob gets a report. A store that [fails on unreadable
    /// blobs](super::BlobCheckpointStoreBuilder::fail_on_unreadable) does not migrate a checkpoint in part.
    ///
    #[doc = example!("store/migrate_legacy_checkpoints")]
    ///
    /// # Errors
    ///
    /// A list failed, and nothing was written.
    #[cfg_attr(docsrs, doc(cfg(feature = "legacy")))]
    pub async fn migrate_legacy_checkpoints(
        &self,
        group: &ConsumerGroup,
        layout: &LegacyLayout,
        mode: RunMode,
    ) -> Result<CheckpointChanges> {
        self.migrate_legacy_checkpoints_from(self, group, layout, mode).await
    }

    /// Migrates legacy checkpoints like [`migrate_legacy_checkpoints`](Self::migrate_legacy_checkpoints), but from the
    /// container of another store into this one. The source is only read.
    ///
    #[doc = example!("store/migrate_legacy_checkpoints_from")]
    ///
    /// # Errors
    ///
    /// A list failed, and nothing was written.
    #[cfg_attr(docsrs, doc(cfg(feature = "legacy")))]
    pub async fn migrate_legacy_checkpoints_from(
        &self,
        source: &BlobCheckpointStore,
        group: &ConsumerGroup,
        layout: &LegacyLayout,
        mode: RunMode,
    ) -> Result<CheckpointChanges> {
        let migration =
            Migration { target: self, source, group, layout, mode, deadline: self.deadline() };
        let found = migration.find().await;
        let found = found.map_err(|error| error.with_action("list the legacy checkpoints"))?;
        let migration = &migration;
        let migrate = |found| async move { migration.migrate(found).await };
        let changes = map_concurrently(&found, self.claim_concurrency(), migrate).await;
        Ok(CheckpointChanges::new(changes))
    }

    async fn legacy_checkpoints(
        &self,
        group: &ConsumerGroup,
        layout: &LegacyLayout,
    ) -> Result<Listing<Checkpoint>> {
        let (store, deadline) = (self, self.deadline());
        let prefix = [layout.prefix().to_owned()];
        let blobs = self.list_under::<StoredCheckpoint>(group, &prefix, false, deadline).await?;
        let (mut items, mut skipped) = (Vec::new(), blobs.skipped().to_vec());
        let server_time = blobs.server_time();
        let read = |blob| async move { read_one(store, group, layout, blob, deadline).await };
        let read = map_concurrently(blobs.items(), self.claim_concurrency(), read).await;
        for (name, content) in read {
            let read = match content {
                Ok(Some(read)) => read,
                Ok(None) => continue,
                Err(error) if is_refusal_of_content(error.kind()) => {
                    Decoded::Skipped(SkipReason::ContentRefused)
                }
                Err(error) => return Err(error),
            };
            skipped.extend(read.defect().map(|reason| SkippedBlob::new(name, reason)));
            items.extend(read.into_record());
        }
        Ok(Listing::new(items, skipped, server_time))
    }

    /// Reads the content of a blob; `None` if the blob is gone.
    async fn read_legacy(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Decoded<Checkpoint>>> {
        let mut request = GetBlob::new(name, self.context(deadline));
        request.max_length = Some(MAX_CONTENT);
        match self.container().get_blob(request).await {
            Ok(blob) => Ok(Some(legacy::decode(RecordId { group, partition_id }, &blob.content))),
            Err(error) if error.kind() == ErrorKind::BlobNotFound => Ok(None),
            Err(error) if error.status() == Some(RANGE_NOT_SATISFIABLE) => {
                Ok(Some(Decoded::Skipped(SkipReason::InvalidContent)))
            }
            Err(error) => Err(error),
        }
    }
}

#[maybe_async]
async fn read_one(
    store: &BlobCheckpointStore,
    group: &ConsumerGroup,
    layout: &LegacyLayout,
    blob: &StoredCheckpoint,
    deadline: Instant,
) -> (String, Result<Option<Decoded<Checkpoint>>>) {
    let name = format!("{}{}", layout.prefix(), blob.partition_id);
    let content = store.read_legacy(group, &blob.partition_id, &name, deadline).await;
    (name, content)
}

struct Migration<'a> {
    target: &'a BlobCheckpointStore,
    source: &'a BlobCheckpointStore,
    group: &'a ConsumerGroup,
    layout: &'a LegacyLayout,
    mode: RunMode,
    deadline: Instant,
}

/// A partition with a legacy blob.
struct LegacyPartition {
    partition_id: String,
    exists: bool,
    /// The checkpoint in the current format, if it is readable.
    before: Option<Checkpoint>,
}

#[maybe_async]
impl Migration<'_> {
    async fn find(&self) -> Result<Vec<LegacyPartition>> {
        let mut current = self.current().await?;
        let legacy = [self.layout.prefix().to_owned()];
        let legacy = self.source.list_under(self.group, &legacy, false, self.deadline).await?;
        Ok(legacy
            .into_iter()
            .map(|blob: StoredCheckpoint| {
                let existing = current.remove(&blob.partition_id);
                LegacyPartition {
                    partition_id: blob.partition_id,
                    exists: existing.is_some(),
                    before: existing.flatten(),
                }
            })
            .collect())
    }

    /// Returns the partitions that have a blob in the current format, with the checkpoint if it is readable.
    async fn current(&self) -> Result<HashMap<String, Option<Checkpoint>>> {
        // With the other naming, its checkpoints also count, because a migrated one would hide them.
        let prefixes = self.target.prefixes(self.group, BlobKind::Checkpoint);
        let listing = self.target.list_under(self.group, &prefixes, false, self.deadline).await?;
        let in_the_way = listing
            .skipped()
            .iter()
            .filter(|blob| matches!(blob.reason, SkipReason::Directory | SkipReason::Unreadable));
        let mut current: HashMap<_, _> = in_the_way
            .filter_map(|blob| Some((blob.name.strip_prefix(&prefixes[0])?.to_owned(), None)))
            .collect();
        let stored = listing.into_iter();
        current.extend(
            stored.map(|stored: StoredCheckpoint| {
                (stored.partition_id, stored.decoded.into_record())
            }),
        );
        Ok(current)
    }

    async fn migrate(&self, found: &LegacyPartition) -> CheckpointChange {
        let partition_id = &found.partition_id;
        let change = |outcome| CheckpointChange::new(partition_id, outcome);
        if found.exists {
            return change(ChangeOutcome::Kept(KeepReason::Exists))
                .with_before(found.before.clone())
                .with_after(found.before.clone());
        }
        let name = format!("{}{partition_id}", self.layout.prefix());
        let content = self.source.read_legacy(self.group, partition_id, &name, self.deadline).await;
        let read = match content {
            Ok(Some(read)) => self.check_defect(name, read),
            Ok(None) => return change(ChangeOutcome::Kept(KeepReason::Missing)),
            Err(error) => {
                let error = error.with_action("read the legacy checkpoint");
                return change(ChangeOutcome::Failed(error));
            }
        };
        let (checkpoint, repaired) = match read {
            Decoded::Whole(checkpoint) => (checkpoint, None),
            Decoded::Repaired(checkpoint, reason) => (checkpoint, Some(reason)),
            Decoded::Skipped(reason) => {
                return change(ChangeOutcome::Kept(KeepReason::Skipped(reason)));
            }
        };
        if self.mode == RunMode::DryRun {
            return change(ChangeOutcome::Planned)
                .with_after(Some(checkpoint))
                .with_repaired(repaired);
        }
        match self.target.replace_checkpoint(&checkpoint, None, self.deadline).await {
            Ok(after) => {
                change(ChangeOutcome::Applied).with_after(Some(after)).with_repaired(repaired)
            }
            Err(error) if error.kind() == ErrorKind::ConditionNotMet => {
                change(ChangeOutcome::Kept(KeepReason::Exists))
            }
            Err(error) => {
                change(ChangeOutcome::Failed(error.with_action("migrate the checkpoint")))
            }
        }
    }
}

impl Migration<'_> {
    /// Returns the content, unless the store fails on unreadable blobs. Logs a warning about a defect.
    fn check_defect(&self, name: String, read: Decoded<Checkpoint>) -> Decoded<Checkpoint> {
        let Some(reason) = read.defect() else {
            return read;
        };
        let blob = SkippedBlob::new(name, reason);
        match self.source.check_skipped(&[blob]) {
            Ok(()) => read,
            Err(_) => Decoded::Skipped(reason),
        }
    }
}

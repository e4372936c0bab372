//! Checkpoints that only move forward: a late request or a former owner cannot move a position back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{BlobCheckpointStore, CheckpointStore, maybe_async};
use crate::clock::Clock;
use crate::container::call::CallOptions;
use crate::error::Result;
use crate::model::{
    Checkpoint, CheckpointUpdate, Claims, ConsumerGroup, Listing, PartitionOwnership, Relinquished,
};
use crate::records::fenced_update::{FencedUpdate, Step};
use crate::records::naming::BlobKind;
use crate::records::version_cache::{Known, VersionCache};

/// A [`BlobCheckpointStore`] whose checkpoints only move forward.
///
/// A consumer that lost its partition without noticing, or whose request is late, would overwrite the position of the new
/// owner with an old one. This store remembers the version (ETag) of each checkpoint that it read or wrote, and replaces
/// only that version. If another writer was first, it reads the stored checkpoint and compares:
///
/// | stored and new position | outcome |
/// |---|---|
/// | both have a sequence number, and the stored one is not higher | [`Written`](crate::UpdateOutcome::Written) |
/// | the same position | `Written`: it is stored already, as after a lost response |
/// | both have a sequence number, the stored one is higher, and another writer stored it | [`Stale`](crate::UpdateOutcome::Stale): nothing is written |
/// | both have a sequence number, the stored one is higher, and this store wrote or read it last | [`OutOfOrder`](crate::UpdateOutcome::OutOfOrder): nothing is written |
/// | one has no sequence number: offsets are opaque and never compared | `Stale` if another writer was first, until the partition is taken over again; else `Written` |
/// | nothing readable is stored | `Written` |
///
/// Check the outcome of each update: `Stale` is the only sign that another consumer has the partition.
///
/// # Taking a partition over
///
/// When you take over a partition, read its position with [`get_checkpoint`](Self::get_checkpoint); the next update is
/// bound to the version that it read. [`list_checkpoints`](Self::list_checkpoints) does the same for partitions that this
/// store has not updated yet. If it has updated a partition, for example because the partition was won back, pass the
/// listed checkpoint to [`resume_from`](Self::resume_from). An [`OwnershipManager`](super::super::OwnershipManager) does
/// that for you.
///
/// # Limits
///
/// A late request can never replace a newer position with an older one, unlike with a plain
/// [`update_checkpoint`](BlobCheckpointStore::update_checkpoint). You can still move a position back on purpose with
/// [`BlobCheckpointStore::reset_checkpoints`]; later updates continue from there.
///
/// If an event hub is recreated, or fails over to one whose sequence numbers restart, no update is stored until the old
/// checkpoints are reset or deleted. The first refused update of each partition is logged at `warn`, also if the old
/// checkpoint is under the other spelling of the names
/// ([`read_other_name_case`](super::BlobCheckpointStoreBuilder::read_other_name_case)).
///
/// The 10,000 most recently used partitions are remembered. The first update of a forgotten partition reads the stored
/// checkpoint. Only without sequence numbers could a former owner then write again.
///
/// # Requests
///
/// One per update, as without the fence. The first update of a partition whose checkpoint was not read through this store
/// takes one more, and an update after another writer takes one or two more. If reads also look under the other naming
/// ([`read_other_name_case`](super::BlobCheckpointStoreBuilder::read_other_name_case)) and find nothing under the store's
/// own naming, they take one more.
///
/// Clones share the remembered versions. A fenced store is also a [`CheckpointStore`].
///
/// # Example
///
#[doc = example!("fenced/fenced_checkpoint_store")]
#[derive(Clone)]
pub struct FencedCheckpointStore {
    store: BlobCheckpointStore,
    versions: Arc<VersionCache>,
}

impl BlobCheckpointStore {
    /// Returns the same store with checkpoints that only move forward: neither a late request nor a former owner of a
    /// partition can overwrite a later position. See [`FencedCheckpointStore`] for the rules and their cost.
    ///
    /// Each call creates an empty fence. Create one for each consumer, and clone it.
    pub fn fenced(&self) -> FencedCheckpointStore {
        FencedCheckpointStore { store: self.clone(), versions: Arc::default() }
    }
}

impl FencedCheckpointStore {
    /// Returns the store behind the fence, for operations without a fence.
    ///
    #[doc = example!("fenced/take_over")]
    pub fn unfenced(&self) -> &BlobCheckpointStore {
        &self.store
    }

    /// Returns the same store with these options for its calls. The remembered versions are shared.
    ///
    #[doc = example!("fenced/with_options")]
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        self.over(self.store.with_options(options))
    }

    fn over(&self, store: BlobCheckpointStore) -> Self {
        Self { store, versions: Arc::clone(&self.versions) }
    }

    fn name(&self, group: &ConsumerGroup, partition_id: &str) -> String {
        self.store.name(group, BlobKind::Checkpoint, partition_id)
    }

    /// Notes that this consumer takes over a partition and continues from a checkpoint that was listed or read. The next
    /// update replaces that version.
    ///
    /// Without this call, a list has no effect on partitions that this store has updated, so that a former owner does not
    /// get back in by listing the checkpoints of its other partitions. Sends no request.
    ///
    #[doc = example!("fenced/resume_from")]
    pub fn resume_from(&self, checkpoint: &Checkpoint) {
        if let Some(known) = known(checkpoint) {
            let name = self.name(checkpoint.group(), checkpoint.partition_id());
            self.versions.resume(&name, known);
        }
    }
}

/// A checkpoint under the other naming has no ETag. Nothing is known about the store's own checkpoint then, so the next
/// update reads it.
fn known(checkpoint: &Checkpoint) -> Option<Known> {
    Some(Known::ours(checkpoint.etag()?.clone(), checkpoint.sequence_number()))
}

#[maybe_async]
impl FencedCheckpointStore {
    /// Stores a checkpoint unless a later one is stored. The [`outcome`](CheckpointUpdate::outcome) tells.
    ///
    #[doc = example!("fenced/update_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of a request. If [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown), the checkpoint may
    /// have been stored; the next update finds out.
    pub async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        let (group, partition_id) = (checkpoint.group(), checkpoint.partition_id());
        let names: Vec<_> = self
            .store
            .prefixes(group, BlobKind::Checkpoint)
            .iter()
            .map(|prefix| format!("{prefix}{partition_id}"))
            .collect();
        let deadline = self.store.deadline();
        let (mut update, mut step) = FencedUpdate::new(&self.versions, checkpoint, &names);
        loop {
            step = match step {
                Step::Read(name) => {
                    let store = &self.store;
                    let stored =
                        store.read_stored(group, partition_id, name, false, deadline).await;
                    update.read(stored)
                }
                Step::Write(version) => {
                    let written =
                        self.store.write_over(checkpoint, version.as_ref(), deadline).await;
                    update.written(written)
                }
                Step::Done(result) => {
                    return result.map_err(|error| error.with_action("update the checkpoint"));
                }
            };
        }
    }

    /// Lists the checkpoints of a group. For partitions that this store has not updated yet, the next update replaces the
    /// listed version. For the others, see [`resume_from`](Self::resume_from).
    ///
    #[cfg_attr(not(doctest), doc = example!("fenced/take_over"))]
    ///
    /// # Errors
    ///
    /// As [`BlobCheckpointStore::list_checkpoints`].
    pub async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        let began = self.versions.begin_read();
        let listing = self.store.list_checkpoints(group).await?;
        if !listing.is_from_secondary() {
            for checkpoint in &listing {
                let name = self.name(group, checkpoint.partition_id());
                self.versions.end_list(&name, began, known(checkpoint));
            }
        }
        Ok(listing)
    }

    /// Reads the checkpoint of one partition, never from a secondary. The next update replaces the version that was read.
    ///
    #[cfg_attr(not(doctest), doc = example!("fenced/take_over"))]
    ///
    /// # Errors
    ///
    /// As [`BlobCheckpointStore::get_checkpoint`].
    pub async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        let began = self.versions.begin_read();
        let found = self.store.read_checkpoint(group, partition_id, false).await?;
        let name = self.name(group, partition_id);
        self.versions.end_read(&name, began, found.as_ref().and_then(known));
        Ok(found)
    }
}

#[maybe_async]
impl CheckpointStore for FencedCheckpointStore {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>> {
        self.store.list_ownership(group).await
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        self.store.claim_ownership(ownerships).await
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        Self::list_checkpoints(self, group).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        Self::update_checkpoint(self, checkpoint).await
    }

    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        self.store.relinquish_ownership(ownerships).await
    }

    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        Self::get_checkpoint(self, group, partition_id).await
    }

    async fn delete_checkpoint(&self, group: &ConsumerGroup, partition_id: &str) -> Result<bool> {
        let deleted = self.store.delete_checkpoint(group, partition_id).await;
        self.versions.forget(&self.name(group, partition_id));
        deleted
    }

    fn resume_from(&self, checkpoint: &Checkpoint) {
        Self::resume_from(self, checkpoint);
    }

    fn with_time_limit(&self, limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        Some(Box::new(self.over(self.store.limited_to(limit))))
    }

    fn claim_concurrency(&self) -> usize {
        self.store.claim_concurrency()
    }

    fn clock(&self) -> &dyn Clock {
        self.store.container().clock()
    }
}

impl fmt::Debug for FencedCheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedCheckpointStore").field("store", &self.store).finish_non_exhaustive()
    }
}

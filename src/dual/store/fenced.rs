//! Checkpoints that only move forwards: a late or former owner cannot take a position back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;

use super::{
    BlobCheckpointStore, CheckpointStore, by_surface, example_end, example_start, maybe_async,
};
use crate::clock::Clock;
use crate::container::call::CallOptions;
use crate::error::{ErrorKind, Result};
use crate::model::{
    Checkpoint, CheckpointUpdate, Claims, ConsumerGroup, ETag, Listing, PartitionOwnership,
    Relinquished, UpdateOutcome,
};
use crate::records::fenced_update::{Known, Occasion, Verdict, judge};
use crate::records::naming::BlobKind;
use crate::records::version_cache::{Memory, Moment};

/// Each lost race means that another writer has moved on, so one update rarely loses two. Only a container that breaks
/// its promises comes here.
const MAX_RACES: u32 = 100;

/// A [`BlobCheckpointStore`] whose checkpoints only move forwards.
///
/// A consumer that lost its partition without noticing it, or whose request was late, writes an old position over the
/// new owner's. This store remembers the version (ETag) of each checkpoint that went through it and replaces only that
/// one. If another writer was first, it reads what is stored and compares:
///
/// | stored and new position | outcome |
/// |---|---|
/// | both have a sequence number, the stored one is higher | [`UpdateOutcome::Stale`]: nothing is written |
/// | both have a sequence number, the stored one is not higher | written |
/// | the same position | [`UpdateOutcome::Written`]: it is stored already, as after a lost answer |
/// | one has no sequence number: offsets are opaque and never compared | `Stale` if another writer was first, until the checkpoint is read through this store again; else written |
/// | nothing readable is stored | written |
///
/// A write of its own whose answer was lost counts as its own.
///
/// Read the checkpoint through this store when a partition is taken over, with [`get_checkpoint`](Self::get_checkpoint)
/// or [`list_checkpoints`](Self::list_checkpoints): it is tied to what it read. A position can still be moved
/// backwards on purpose with [`BlobCheckpointStore::reset_checkpoints`]; updates after that go on from there.
///
/// # Requests
///
/// One per update, as without the fence. One more for the first update of a partition whose checkpoint was not read
/// through this store, and one or two more after another writer was first. Where a read also looks under the other
/// naming ([`read_fallback`](super::BlobCheckpointStoreBuilder::read_other_name_case)) and finds nothing under the own one,
/// one more.
///
/// Clones share what is remembered. Works as a [`CheckpointStore`], too.
///
/// # Example
///
#[doc = by_surface!(
    blocking: r#"
```
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, UpdateOutcome};

let store = BlobCheckpointStore::in_memory();
let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

let former_owner = store.fenced();
let update = former_owner.update_checkpoint(&Checkpoint::new(&group, "0", "100", 1)?)?;
assert!(update.is_written());

let new_owner = store.fenced();
let update = new_owner.update_checkpoint(&Checkpoint::new(&group, "0", "300", 3)?)?;
assert!(update.is_written());

let update = former_owner.update_checkpoint(&Checkpoint::new(&group, "0", "200", 2)?)?;
assert_eq!(update.outcome, UpdateOutcome::Stale);
# Ok::<(), eventhub_checkpointstore::Error>(())
```"#,
    aio: r#"
```
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, UpdateOutcome};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), eventhub_checkpointstore::Error> {
let store = BlobCheckpointStore::in_memory();
let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

let former_owner = store.fenced();
let update = former_owner.update_checkpoint(&Checkpoint::new(&group, "0", "100", 1)?).await?;
assert!(update.is_written());

let new_owner = store.fenced();
let update = new_owner.update_checkpoint(&Checkpoint::new(&group, "0", "300", 3)?).await?;
assert!(update.is_written());

let update = former_owner.update_checkpoint(&Checkpoint::new(&group, "0", "200", 2)?).await?;
assert_eq!(update.outcome, UpdateOutcome::Stale);
# Ok(())
# }
```"#
)]
#[derive(Clone)]
pub struct FencedCheckpointStore {
    store: BlobCheckpointStore,
    memory: Arc<Memory>,
}

/// What the store holds, as seen from a checkpoint that is to be written.
enum Seen {
    /// It may be written over this version, or where there is none.
    Free(Option<ETag>),
    /// Nothing is to be written.
    Settled(CheckpointUpdate),
}

impl BlobCheckpointStore {
    /// The same store with checkpoints that only move forwards.
    pub fn fenced(&self) -> FencedCheckpointStore {
        FencedCheckpointStore { store: self.clone(), memory: Arc::default() }
    }
}

impl FencedCheckpointStore {
    /// The store behind the fence, for what has no fence.
    pub fn unfenced(&self) -> &BlobCheckpointStore {
        &self.store
    }

    /// The same store, whose calls carry these options. What is remembered is shared.
    ///
    #[doc = example_start!()]
    /// let fenced = store.fenced();
    /// let urgent = fenced.with_options(CallOptions::new().with_timeout(Duration::from_secs(2)));
    #[doc = example_end!()]
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        self.over(self.store.with_options(options))
    }

    fn over(&self, store: BlobCheckpointStore) -> Self {
        Self { store, memory: Arc::clone(&self.memory) }
    }

    fn name(&self, group: &ConsumerGroup, partition_id: &str) -> String {
        self.store.name(group, BlobKind::Checkpoint, partition_id)
    }

    /// A checkpoint of the other naming has no ETag: nothing is known of the own one then, and the next update reads it.
    fn remember(&self, checkpoint: &Checkpoint, began: Moment) {
        let name = self.name(checkpoint.group(), checkpoint.partition_id());
        let number = checkpoint.sequence_number();
        let known = checkpoint.etag().map(|etag| Known::new(etag.clone(), number));
        self.memory.end_read(&name, began, known);
    }
}

#[maybe_async]
impl FencedCheckpointStore {
    /// Stores a checkpoint unless a later one is stored; the [`outcome`](CheckpointUpdate::outcome) of the answer tells.
    ///
    /// # Errors
    ///
    /// Any failure of a request. With [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown) it may be stored all the same; the next update
    /// finds out.
    pub async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        let update = self.update(checkpoint).await;
        update.map_err(|error| error.with_action("update the checkpoint"))
    }

    /// Lists the checkpoints of a group; the next updates replace the versions that it found.
    ///
    /// # Errors
    ///
    /// As [`BlobCheckpointStore::list_checkpoints`].
    pub async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        let began = self.memory.begin_read();
        let listing = self.store.list_checkpoints(group).await?;
        if !listing.is_from_secondary() {
            listing.iter().for_each(|checkpoint| self.remember(checkpoint, began));
        }
        Ok(listing)
    }

    /// Reads the checkpoint of one partition, never from a secondary; the next update replaces the version that it
    /// found.
    ///
    /// # Errors
    ///
    /// As [`BlobCheckpointStore::get_checkpoint`].
    pub async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        let began = self.memory.begin_read();
        let found = self.store.read_checkpoint(group, partition_id, false).await?;
        match &found {
            Some(checkpoint) => self.remember(checkpoint, began),
            None => self.memory.end_read(&self.name(group, partition_id), began, None),
        }
        Ok(found)
    }

    async fn update(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        let deadline = self.store.deadline();
        let name = self.name(checkpoint.group(), checkpoint.partition_id());
        let known = self.memory.get(&name).filter(|known| !known.is_ahead_of(checkpoint));
        let mut seen = match known {
            Some(known) => Seen::Free(Some(known.etag)),
            None => self.look(checkpoint, Occasion::BeforeWrite, deadline).await?,
        };
        let (mut races, mut doubt) = (0, false);
        loop {
            let version = match seen {
                Seen::Free(version) => version,
                Seen::Settled(update) => return Ok(update),
            };
            let conflict = match self.write(checkpoint, &name, version.as_ref(), deadline).await {
                Ok(update) => return Ok(update),
                Err(error) => error,
            };
            // A write that is in doubt stays so, whatever comes of the next one.
            doubt |= conflict.is_outcome_unknown();
            let conflict = conflict.with_outcome_unknown_if(doubt);
            races += 1;
            let occasion = match conflict.kind() {
                _ if races == MAX_RACES => return Err(conflict),
                // It was deleted: there is no position that could be moved backwards, but for one of the other naming.
                ErrorKind::BlobNotFound if version.is_some() => Occasion::BeforeWrite,
                ErrorKind::ConditionNotMet => Occasion::Conflict,
                _ => return Err(conflict),
            };
            let has_one_name =
                self.store.prefixes(checkpoint.group(), BlobKind::Checkpoint).len() == 1;
            seen = if occasion == Occasion::BeforeWrite && has_one_name {
                Seen::Free(None)
            } else {
                let seen = self.look(checkpoint, occasion, deadline).await;
                seen.map_err(|error| error.with_outcome_unknown_if(doubt))?
            };
        }
    }

    /// One write over just this version, or where there is none.
    async fn write(
        &self,
        checkpoint: &Checkpoint,
        name: &str,
        version: Option<&ETag>,
        deadline: Instant,
    ) -> Result<CheckpointUpdate> {
        let began = self.memory.begin_write(name, checkpoint);
        let written = match self.store.write_over(checkpoint, version, deadline).await {
            Ok(written) => written,
            Err(error) => {
                if !error.is_outcome_unknown() {
                    self.memory.refused(name, began);
                }
                return Err(error);
            }
        };
        let known = Known::new(written.etag.clone(), checkpoint.sequence_number());
        self.memory.written(name, began, known);
        let mut update = CheckpointUpdate::new(UpdateOutcome::Written);
        update.etag = Some(written.etag);
        update.last_modified = written.last_modified;
        Ok(update)
    }

    /// Reads what is stored, and judges whether the checkpoint may replace it.
    async fn look(
        &self,
        checkpoint: &Checkpoint,
        occasion: Occasion,
        deadline: Instant,
    ) -> Result<Seen> {
        let (group, partition_id) = (checkpoint.group(), checkpoint.partition_id());
        let (mut is_own, mut own_version) = (true, None);
        for prefix in self.store.prefixes(group, BlobKind::Checkpoint) {
            let name = format!("{prefix}{partition_id}");
            let began = self.memory.begin_read();
            let stored =
                self.store.read_stored(group, partition_id, &name, false, deadline).await?;
            let Some(stored) = stored else {
                is_own = false;
                continue;
            };
            if is_own && stored.read.is_err() {
                // Reads go on to the other naming then, if they are told to, so its position counts.
                (is_own, own_version) = (false, Some(stored.etag));
                continue;
            }
            let ours =
                stored.checkpoint().is_some_and(|found| self.memory.is_in_doubt(&name, found));
            // A write of ours whose answer was lost is no other writer's.
            let occasion = if ours { Occasion::BeforeWrite } else { occasion };
            let verdict = judge(&stored, checkpoint, occasion);
            if verdict == Verdict::Ahead {
                debug!(target: super::LOG, "checkpoint of partition {partition_id} is stale: {:?} is stored", stored.read);
            }
            let outcome = match verdict {
                // Under the other naming it does not count as stored.
                Verdict::Behind | Verdict::Same if !is_own => break,
                Verdict::Behind => return Ok(Seen::Free(Some(stored.etag))),
                Verdict::Same => UpdateOutcome::Written,
                Verdict::Ahead => UpdateOutcome::Stale,
            };
            let mut update = CheckpointUpdate::new(outcome);
            if let Some(found) = stored.checkpoint().filter(|_| is_own) {
                update.etag = found.etag().cloned();
                update.last_modified = found.last_modified();
                // Without numbers only the ETag keeps a former owner out: it must not learn the new one here.
                let comparable = found.sequence_number().and(checkpoint.sequence_number());
                if verdict == Verdict::Same || comparable.is_some() {
                    self.remember(found, began);
                }
            }
            return Ok(Seen::Settled(update));
        }
        Ok(Seen::Free(own_version))
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
        self.memory.forget(&self.name(group, partition_id));
        deleted
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

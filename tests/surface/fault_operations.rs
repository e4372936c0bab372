//! The operations of the fault table: what each one finds, and what must be true if it says that it succeeded.

use std::fmt::Debug;

use eventhub_checkpointstore::{
    ChangeOutcome, Checkpoint, CheckpointChanges, ClaimOutcome, Claims, ETag, ErrorKind, Listing,
    PartitionOwnership, Partitions, RelinquishOutcome, Relinquished, Result, RunMode,
};

use super::subject::{BlobCheckpointStore, FencedCheckpointStore};
use super::support::blob_service::{Blob, BlobService, Operation as Applied};
use super::{checkpoint, group, maybe_async, ownership};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    ListOwnership,
    ListCheckpoints,
    GetCheckpoint,
    FencedGet,
    FirstClaim,
    Renewal,
    Takeover,
    Relinquish,
    FirstCheckpoint,
    NextCheckpoint,
    FencedFirst,
    /// Begins with a write if the checkpoint was read before.
    FencedNext,
    Reset,
    DeleteCheckpoint,
    DeleteCheckpoints,
    CreateContainer,
    #[cfg(feature = "legacy")]
    ListLegacy,
    #[cfg(feature = "legacy")]
    MigrateLegacy,
}

use Operation::*;

impl Operation {
    pub const ALL: &[Self] = &[
        ListOwnership,
        ListCheckpoints,
        GetCheckpoint,
        FencedGet,
        FirstClaim,
        Renewal,
        Takeover,
        Relinquish,
        FirstCheckpoint,
        NextCheckpoint,
        FencedFirst,
        FencedNext,
        Reset,
        DeleteCheckpoint,
        DeleteCheckpoints,
        CreateContainer,
        #[cfg(feature = "legacy")]
        ListLegacy,
        #[cfg(feature = "legacy")]
        MigrateLegacy,
    ];

    pub fn is_read(self) -> bool {
        #[cfg(feature = "legacy")]
        if self == ListLegacy {
            return true;
        }
        matches!(self, ListOwnership | ListCheckpoints | GetCheckpoint | FencedGet)
    }

    /// Whether its first request is a list.
    pub fn begins_with_a_list(self) -> bool {
        #[cfg(feature = "legacy")]
        if matches!(self, ListLegacy | MigrateLegacy) {
            return true;
        }
        matches!(self, ListOwnership | ListCheckpoints | DeleteCheckpoints)
    }

    pub fn begins_with_a_read(self) -> bool {
        self.is_read() || self.begins_with_a_list() || matches!(self, FencedFirst | Reset)
    }
}

/// The result that a caller gets.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// The result of a correct service, which is also stored.
    Right,
    /// An empty list, no checkpoint, a lost claim, or a success that the storage does not know of.
    Wrong(String),
    Failed(ErrorKind, bool),
}

fn of_result<T: Debug>(result: Result<T>, is_right: impl FnOnce(&T) -> bool) -> Told {
    match result {
        Ok(value) if is_right(&value) => Told::Right,
        Ok(value) => Told::Wrong(format!("{value:?}")),
        Err(error) => Told::Failed(error.kind(), error.is_outcome_unknown()),
    }
}

const ROOT: &str = "ns.servicebus.windows.net/hub/$default";
#[cfg(feature = "legacy")]
const LEGACY: &str = "NS.servicebus.windows.net/Hub/$Default";

/// The blobs that the operation finds: two ownerships of `a` and `b`, two checkpoints; or not even a container.
pub fn found_by(what: Operation) -> BlobService {
    if what == CreateContainer {
        return BlobService::without_container("checkpoints");
    }
    let service = BlobService::new("checkpoints");
    for (id, owner) in [("0", "a"), ("1", "b")] {
        service.put(&format!("{ROOT}/ownership/{id}"), &[("ownerid", owner)]);
        let position = [("offset", id), ("sequencenumber", id)];
        service.put(&format!("{ROOT}/checkpoint/{id}"), &position);
    }
    #[cfg(feature = "legacy")]
    {
        let content = r#"{"PartitionId":"7","Offset":"7","SequenceNumber":7}"#;
        let blob = super::support::blob_service::ForeignBlob::new(&format!("{LEGACY}/7"));
        service.put_with(blob.content(content));
    }
    service
}

/// Compares what is told with what is stored.
struct Storage<'a>(&'a BlobService);

impl Storage<'_> {
    fn is(blob: Option<Blob>, metadata: &[(&str, &str)], etag: Option<&ETag>) -> bool {
        let Some(blob) = blob else {
            return false;
        };
        let stored = blob.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let etag = etag.map(|etag| etag.as_str().trim_matches('"'));
        stored.eq(metadata.iter().copied()) && etag == Some(&blob.etag)
    }

    fn has_ownership(&self, told: &PartitionOwnership) -> bool {
        let blob = self.0.blob(&format!("{ROOT}/ownership/{}", told.partition_id()));
        let owner = told.owner_id().unwrap_or_default();
        Self::is(blob, &[("ownerid", owner)], told.etag())
    }

    fn has(&self, told: &Checkpoint, etag: Option<&ETag>) -> bool {
        let number = told.sequence_number().unwrap().to_string();
        let position = [("offset", told.offset().unwrap()), ("sequencenumber", number.as_str())];
        Self::is(self.checkpoint(told.partition_id()), &position, etag)
    }

    fn has_checkpoint(&self, told: &Checkpoint) -> bool {
        self.has(told, told.etag())
    }

    fn checkpoint(&self, partition_id: &str) -> Option<Blob> {
        self.0.blob(&format!("{ROOT}/checkpoint/{partition_id}"))
    }

    /// A claim of the record that is stored.
    fn claim(&self, partition_id: &str) -> PartitionOwnership {
        let blob = self.0.blob(&format!("{ROOT}/ownership/{partition_id}")).unwrap();
        ownership(partition_id, "a").with_etag(ETag::new(blob.etag).unwrap())
    }

    fn of_claims(&self, claims: &Claims, owner: Option<&str>) -> Told {
        match &claims.outcomes()[0] {
            ClaimOutcome::Claimed(won) if won.owner_id() == owner && self.has_ownership(won) => {
                Told::Right
            }
            ClaimOutcome::Failed(_, error) => {
                Told::Failed(error.kind(), error.is_outcome_unknown())
            }
            other => Told::Wrong(format!("{other:?}")),
        }
    }

    fn of_relinquished(&self, relinquished: &Relinquished) -> Told {
        match &relinquished.outcomes()[0] {
            RelinquishOutcome::Released(record)
                if record.owner_id().is_none() && self.has_ownership(record) =>
            {
                Told::Right
            }
            RelinquishOutcome::Failed(_, error) => {
                Told::Failed(error.kind(), error.is_outcome_unknown())
            }
            other => Told::Wrong(format!("{other:?}")),
        }
    }

    fn of_changes(&self, changes: &CheckpointChanges, expected: Option<&Checkpoint>) -> Told {
        let change = changes.iter().next().unwrap();
        let stored = match (expected, &change.after) {
            (Some(expected), Some(after)) => self.has(expected, after.etag()),
            (None, None) => self.checkpoint(&change.partition_id).is_none(),
            _ => false,
        };
        match &change.outcome {
            ChangeOutcome::Applied if stored => Told::Right,
            ChangeOutcome::Failed(error) => Told::Failed(error.kind(), error.is_outcome_unknown()),
            _ => Told::Wrong(format!("{change:?}")),
        }
    }

    fn of_list<T: Debug>(
        listing: Result<Listing<T>>,
        count: usize,
        is: impl Fn(&T) -> bool,
    ) -> Told {
        of_result(listing, |listing| {
            listing.len() == count && listing.skipped().is_empty() && listing.iter().all(is)
        })
    }
}

#[maybe_async]
pub async fn carry_out(
    (store, fenced): (&BlobCheckpointStore, &FencedCheckpointStore),
    service: &BlobService,
    what: Operation,
) -> Told {
    let storage = Storage(service);
    let (next, new) = (checkpoint("0", "7", 7), checkpoint("2", "7", 7));
    match what {
        ListOwnership => {
            let listing = store.list_ownership(&group()).await;
            Storage::of_list(listing, 2, |it| storage.has_ownership(it))
        }
        ListCheckpoints => {
            let listing = store.list_checkpoints(&group()).await;
            Storage::of_list(listing, 2, |it| storage.has_checkpoint(it))
        }
        GetCheckpoint => {
            let found = store.get_checkpoint(&group(), "1").await;
            of_result(found, |found| found.as_ref().is_some_and(|it| storage.has_checkpoint(it)))
        }
        FencedGet => {
            let found = fenced.get_checkpoint(&group(), "1").await;
            of_result(found, |found| found.as_ref().is_some_and(|it| storage.has_checkpoint(it)))
        }
        FirstClaim => {
            let claims = store.claim_ownership(&[ownership("2", "a")]).await;
            storage.of_claims(&claims, Some("a"))
        }
        Renewal => {
            let claims = store.claim_ownership(&[storage.claim("0")]).await;
            storage.of_claims(&claims, Some("a"))
        }
        Takeover => {
            let claims = store.claim_ownership(&[storage.claim("1")]).await;
            storage.of_claims(&claims, Some("a"))
        }
        Relinquish => {
            let relinquished = store.relinquish_ownership(&[storage.claim("0")]).await;
            storage.of_relinquished(&relinquished)
        }
        FirstCheckpoint => {
            let written = store.update_checkpoint(&new).await;
            of_result(written, |it| storage.has(&new, Some(&it.etag)))
        }
        NextCheckpoint => {
            let written = store.update_checkpoint(&next).await;
            of_result(written, |it| storage.has(&next, Some(&it.etag)))
        }
        FencedFirst => {
            let update = fenced.update_checkpoint(&new).await;
            of_result(update, |it| it.is_written() && storage.has(&new, it.etag.as_ref()))
        }
        FencedNext => {
            let update = fenced.update_checkpoint(&next).await;
            of_result(update, |it| it.is_written() && storage.has(&next, it.etag.as_ref()))
        }
        Reset => {
            let changes =
                store.reset_checkpoints(std::slice::from_ref(&next), RunMode::Force).await;
            storage.of_changes(&changes, Some(&next))
        }
        DeleteCheckpoint => {
            let deleted = store.delete_checkpoint(&group(), "0").await;
            of_result(deleted, |deleted| *deleted && storage.checkpoint("0").is_none())
        }
        DeleteCheckpoints => {
            let only = Partitions::only(["0"]);
            let changes = store.delete_checkpoints(&group(), only, RunMode::Force).await;
            match changes {
                Ok(changes) => storage.of_changes(&changes, None),
                Err(error) => of_result(Err::<(), _>(error), |()| false),
            }
        }
        CreateContainer => {
            let created = store.create_container_if_not_exists().await;
            let writes = service.history();
            of_result(created, |created| {
                *created && writes.iter().any(|it| it.operation == Applied::CreateContainer)
            })
        }
        #[cfg(feature = "legacy")]
        ListLegacy => {
            let layout = eventhub_checkpointstore::LegacyLayout::event_processor_host(&group());
            let listing = store.list_legacy_checkpoints(&group(), &layout).await;
            Storage::of_list(listing, 1, |it| it.offset() == Some("7"))
        }
        #[cfg(feature = "legacy")]
        MigrateLegacy => {
            let layout = eventhub_checkpointstore::LegacyLayout::event_processor_host(&group());
            let changes = store.migrate_legacy_checkpoints(&group(), &layout, RunMode::Apply).await;
            match changes {
                Ok(changes) => storage.of_changes(&changes, Some(&checkpoint("7", "7", 7))),
                Err(error) => of_result(Err::<(), _>(error), |()| false),
            }
        }
    }
}

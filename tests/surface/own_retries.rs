//! Containers that retry requests themselves: the store resolves their unknown outcomes like its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use eventhub_checkpointstore::container::{
    BlobProperties, BlobVisitor, BlobWritten, CreateContainer, DeleteBlob, GetBlobProperties,
    ListBlobs, PageEnd, PutBlob, SetBlobMetadata,
};
use eventhub_checkpointstore::{
    Applied, ChangeOutcome, Error, ErrorKind, MemoryContainer, Partitions, Result, RunMode,
};

use super::subject::{BlobCheckpointStore, BlobContainer};
use super::{checkpoint, group, maybe_async, ownership, test};

/// A container that retries requests itself, as one over another SDK does: it loses the response of the first write
/// of a kind and passes on that of the second, saying so.
#[derive(Clone)]
struct Retrying {
    blobs: MemoryContainer,
    /// How many first responses are lost; writes counted by kind.
    losses: usize,
    writes: Arc<Mutex<HashMap<&'static str, usize>>>,
}

impl Retrying {
    fn new(losses: usize) -> Self {
        Self::over(MemoryContainer::new(), losses)
    }

    fn over(blobs: MemoryContainer, losses: usize) -> Self {
        Self { blobs, losses, writes: Arc::default() }
    }

    fn loses(&self, kind: &'static str) -> bool {
        let mut writes = self.writes.lock().unwrap();
        let count = writes.entry(kind).or_default();
        *count += 1;
        *count <= self.losses
    }

    fn count(&self, kind: &'static str) -> usize {
        self.writes.lock().unwrap().get(kind).copied().unwrap_or_default()
    }
}

fn of_second_attempt<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error: Error| error.with_applied(Applied::Unknown))
}

#[maybe_async]
impl BlobContainer for Retrying {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        if !self.loses("put") {
            return BlobContainer::put_blob(&self.blobs, request).await;
        }
        let _lost = BlobContainer::put_blob(&self.blobs, request).await;
        of_second_attempt(BlobContainer::put_blob(&self.blobs, request).await)
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        if !self.loses("set") {
            return BlobContainer::set_blob_metadata(&self.blobs, request).await;
        }
        let _lost = BlobContainer::set_blob_metadata(&self.blobs, request).await;
        of_second_attempt(BlobContainer::set_blob_metadata(&self.blobs, request).await)
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        if !self.loses("delete") {
            return BlobContainer::delete_blob(&self.blobs, request).await;
        }
        let _lost = BlobContainer::delete_blob(&self.blobs, request).await;
        of_second_attempt(BlobContainer::delete_blob(&self.blobs, request).await)
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()> {
        if !self.loses("create") {
            return BlobContainer::create_container(&self.blobs, request).await;
        }
        let _lost = BlobContainer::create_container(&self.blobs, request).await;
        of_second_attempt(BlobContainer::create_container(&self.blobs, request).await)
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        BlobContainer::get_blob_properties(&self.blobs, request).await
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        BlobContainer::list_blobs(&self.blobs, request, visitor).await
    }
}

#[maybe_async]
#[test]
async fn claims_over_containers_with_their_own_retries_are_settled() {
    let container = Retrying::new(1);
    let store = BlobCheckpointStore::from_container(container.clone());
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    let renewed = store.claim_ownership(&claims.into_claimed()).await;
    assert!(renewed.all_claimed(), "{renewed:?}");
    let listing = store.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.items()[0].etag(), renewed.claimed().next().unwrap().etag());
    let stolen = listing.items()[0].claimed_by("b").unwrap();
    let stolen = store.claim_ownership(&[stolen]).await.into_claimed();
    let released = store.relinquish_ownership(&stolen).await;
    assert!(released.all_released(), "{released:?}");
    let late = store.claim_ownership(&renewed.into_claimed()).await;
    assert_eq!(late.lost().count(), 1, "{late:?}");
}

#[maybe_async]
#[test]
async fn an_outcome_that_stays_unknown_is_reported_as_unknown() {
    let container = Retrying::new(usize::MAX);
    let store = BlobCheckpointStore::from_container(container.clone());
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().expect("neither won nor lost");
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::ConditionNotMet, true));
    assert!(container.count("set") <= 8, "{}", container.count("set"));
}

#[maybe_async]
#[test]
async fn creations_and_deletions_are_settled_the_same_way() {
    let container = Retrying::over(MemoryContainer::not_created(), 1);
    let store = BlobCheckpointStore::from_container(container.clone());
    for first in [true, false] {
        let created = store.create_container_if_not_exists().await.unwrap();
        assert_eq!(created, first);
    }
    for id in ["0", "1"] {
        store.update_checkpoint(&checkpoint(id, "1", 1)).await.unwrap();
    }
    for first in [true, false] {
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert_eq!(deleted, first);
    }

    let store = BlobCheckpointStore::from_container(Retrying::over(container.blobs, 1));
    let changes = store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await;
    let changes = changes.unwrap();
    assert!(
        matches!(changes.iter().next().unwrap().outcome, ChangeOutcome::Applied),
        "{changes:?}"
    );
    let left = store.list_checkpoints(&group()).await.unwrap();
    assert!(left.is_empty());
}

#[maybe_async]
#[test]
async fn checkpoints_are_settled_the_same_way() {
    // Plain: the first attempt may be retried without harm.
    let store = BlobCheckpointStore::from_container(Retrying::new(1));
    for number in 1..=3 {
        let update = store.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
        let stored = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((stored.sequence_number(), stored.etag()), (Some(number), Some(&update.etag)));
    }

    // Fenced: the own attempt that was lost makes nobody stale.
    let store = BlobCheckpointStore::from_container(Retrying::new(1));
    let fenced = store.fenced();
    for number in 1..=3 {
        let update = fenced.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
        assert!(update.is_written(), "{update:?}");
        let stored = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((stored.sequence_number(), stored.etag()), (Some(number), update.etag.as_ref()));
    }

    // Reset, where there is none and where there is one.
    let store = BlobCheckpointStore::from_container(Retrying::new(1));
    for number in [9, 5, 1] {
        let target = checkpoint("0", "1", number);
        let changes = store.reset_checkpoints(&[target], RunMode::Apply).await;
        let change = changes.iter().next().unwrap();
        assert!(matches!(change.outcome, ChangeOutcome::Applied), "{changes:?}");
        let stored = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(change.after.as_ref().unwrap().etag(), stored.etag(), "{number}");
        assert_eq!(stored.sequence_number(), Some(number));
    }
}

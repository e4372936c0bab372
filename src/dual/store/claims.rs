//! Sends the requests of claims, and reports an outcome for each.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use log::debug;

use super::runtime::map_concurrently;
use super::{BlobCheckpointStore, maybe_async};
use crate::container::{
    BlobWritten, CallContext, Condition, GetBlobProperties, PutBlob, SetBlobMetadata,
};
use crate::error::{Error, Result};
use crate::model::{ClaimOutcome, Claims, ETag, PartitionOwnership, RecordId, Version};
use crate::records::claim::{Claim, Ending, Seen, Step};
use crate::records::naming::BlobKind;
use crate::records::ownership as codec;

/// The time limit for finding out who won a lost claim. Nothing depends on the result.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(2);

/// A record to claim or relinquish.
struct Request<'a> {
    ownership: &'a PartitionOwnership,
    name: String,
    /// Whether the batch has an earlier one for the same record.
    is_duplicate: bool,
}

#[maybe_async]
pub(super) async fn claim_all(
    store: &BlobCheckpointStore,
    ownerships: &[PartitionOwnership],
) -> Claims {
    let deadline = store.deadline();
    let requests = requests(store, ownerships);
    let claim = |request| async move { claim_one(store, request, deadline).await };
    Claims::new(map_concurrently(&requests, store.claim_concurrency(), claim).await)
}

#[maybe_async]
pub(super) async fn relinquish_all(
    store: &BlobCheckpointStore,
    ownerships: &[PartitionOwnership],
) -> Claims {
    let deadline = store.deadline();
    let requests = requests(store, ownerships);
    let relinquish = |request| async move { relinquish_one(store, request, deadline).await };
    Claims::new(map_concurrently(&requests, store.claim_concurrency(), relinquish).await)
}

fn requests<'a>(
    store: &BlobCheckpointStore,
    ownerships: &'a [PartitionOwnership],
) -> Vec<Request<'a>> {
    let mut names = HashSet::with_capacity(ownerships.len());
    let request = |ownership: &'a PartitionOwnership| {
        let name = store.name(ownership.group(), BlobKind::Ownership, ownership.partition_id());
        let is_duplicate = !names.insert(name.clone());
        Request { ownership, name, is_duplicate }
    };
    ownerships.iter().map(request).collect()
}

#[maybe_async]
async fn claim_one(
    store: &BlobCheckpointStore,
    request: &Request<'_>,
    deadline: Instant,
) -> ClaimOutcome {
    let ownership = request.ownership;
    if let Err(error) = request.check_claim() {
        return ClaimOutcome::Failed(ownership.clone(), error);
    }
    let (claim, first) = Claim::new(ownership);
    let ending = run(store, &request.name, claim, first, deadline).await;
    outcome(ownership, ownership.clone(), ending, "claim the partition")
}

#[maybe_async]
async fn relinquish_one(
    store: &BlobCheckpointStore,
    request: &Request<'_>,
    deadline: Instant,
) -> ClaimOutcome {
    let ownership = request.ownership;
    let etag = match request.check_relinquish() {
        Ok(etag) => etag,
        Err(error) => return ClaimOutcome::Failed(ownership.clone(), error),
    };
    let (claim, first) = Claim::relinquish(etag);
    let ending = run(store, &request.name, claim, first, deadline).await;
    outcome(ownership, ownership.released(), ending, "relinquish the partition")
}

/// Runs the steps of a claim.
#[maybe_async]
async fn run(
    store: &BlobCheckpointStore,
    name: &str,
    mut claim: Claim,
    first: Step,
    deadline: Instant,
) -> Ending {
    let context = store.context(deadline);
    let mut step = first;
    loop {
        step = match step {
            Step::Create => {
                let written = write(store, name, &claim, Condition::NotExists, context).await;
                claim.written(written)
            }
            Step::Replace(etag) => {
                let condition = Condition::Matches(&etag);
                let written = write(store, name, &claim, condition, context).await;
                claim.written(written)
            }
            Step::Inspect => {
                let seen = inspect(store, name, context).await;
                claim.inspected(seen)
            }
            Step::Identify => {
                let limit = store.container().clock().now() + IDENTIFY_TIMEOUT;
                let context = context.with_deadline(Some(limit.min(deadline)));
                let seen = inspect(store, name, context).await;
                Claim::identified(seen)
            }
            Step::Done(ending) => return ending,
        }
    }
}

#[maybe_async]
async fn write(
    store: &BlobCheckpointStore,
    name: &str,
    claim: &Claim,
    condition: Condition<'_>,
    context: CallContext<'_>,
) -> Result<BlobWritten> {
    let metadata = codec::encode(claim.owner_id());
    if condition == Condition::NotExists {
        let put = PutBlob::new(name, &metadata, condition, context);
        store.container().put_blob(put).await
    } else {
        let set = SetBlobMetadata::new(name, &metadata, condition, context);
        store.container().set_blob_metadata(set).await
    }
}

#[maybe_async]
async fn inspect(
    store: &BlobCheckpointStore,
    name: &str,
    context: CallContext<'_>,
) -> Result<Seen> {
    let request = GetBlobProperties::new(name, context);
    store.container().get_blob_properties(request).await.map(Seen::from)
}

impl<'a> Request<'a> {
    fn check_claim(&self) -> Result<()> {
        let partition_id = self.ownership.partition_id();
        if self.ownership.is_as_listed() {
            return Err(Error::invalid_input(format!(
                "ownership of partition {partition_id:?}: it is as it was listed, with its present \
                 owner; claim it with `claimed_by(owner_id)`"
            )));
        }
        self.check_unique()
    }

    fn check_relinquish(&self) -> Result<&'a ETag> {
        self.check_unique()?;
        self.ownership.etag().ok_or_else(|| {
            let partition_id = self.ownership.partition_id();
            Error::invalid_input(format!(
                "ownership of partition {partition_id:?}: it has no ETag, so it was never claimed"
            ))
        })
    }

    fn check_unique(&self) -> Result<()> {
        if !self.is_duplicate {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "ownership of partition {:?}: the batch contains it twice; only the first one is sent",
            self.ownership.partition_id()
        )))
    }
}

/// Converts the result of a claim into its outcome.
fn outcome(
    given: &PartitionOwnership,
    record: PartitionOwnership,
    ending: Ending,
    action: &'static str,
) -> ClaimOutcome {
    match ending {
        Ending::Won(written) => {
            let claimed = record.with_etag(written.etag);
            ClaimOutcome::Claimed(match written.last_modified {
                Some(last_modified) => claimed.with_last_modified(last_modified),
                None => claimed,
            })
        }
        Ending::Gone => ClaimOutcome::Claimed(record.without_etag()),
        Ending::Lost(seen) => {
            let present = seen.map(|seen| present(given, seen));
            log_lost(given, present.as_ref());
            ClaimOutcome::Lost(given.clone(), present)
        }
        Ending::Failed(error) => ClaimOutcome::Failed(given.clone(), error.with_action(action)),
    }
}

fn present(given: &PartitionOwnership, seen: Seen) -> PartitionOwnership {
    let id = RecordId { group: given.group(), partition_id: given.partition_id() };
    let version = Version { etag: Some(seen.etag), last_modified: seen.last_modified };
    PartitionOwnership::from_storage(id, seen.owner_id.as_deref(), version)
}

fn log_lost(given: &PartitionOwnership, present: Option<&PartitionOwnership>) {
    let partition_id = given.partition_id();
    match present.map(PartitionOwnership::owner_id) {
        Some(Some(owner_id)) if Some(owner_id) == given.owner_id() => {
            debug!(target: super::LOG, "partition {partition_id}: the record has another version, which names the same owner {owner_id:?}");
        }
        Some(Some(owner_id)) => {
            debug!(target: super::LOG, "partition {partition_id}: {owner_id:?} was first");
        }
        _ => debug!(target: super::LOG, "partition {partition_id}: another consumer was first"),
    }
}

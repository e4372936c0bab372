//! Claims of partitions: one conditional write each, and the rules for an answer that was lost.

use std::time::Instant;

use log::debug;

use super::runtime::map_concurrently;
use super::{BlobCheckpointStore, maybe_async};
use crate::container::{
    BlobWritten, CallContext, Condition, GetBlobProperties, PutBlob, SetBlobMetadata,
};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, Claims, ETag, PartitionOwnership};
use crate::records::metadata::{read_owner, write_owner};
use crate::records::naming::BlobKind;

/// How often a doubt is looked into. Each round of a container that retries takes its time, and the deadline of the
/// call ends them, too; this ends one that answers at once and is in doubt for ever.
const MAX_ROUNDS: u32 = 4;

/// What a claim ended with; an error is a failure.
enum Won {
    Yes(BlobWritten),
    No,
}

#[maybe_async]
pub(super) async fn claim_all(
    store: &BlobCheckpointStore,
    ownerships: &[PartitionOwnership],
) -> Claims {
    let deadline = store.deadline();
    let claim = |ownership| async move { claim_one(store, ownership, deadline).await };
    Claims::new(map_concurrently(ownerships, store.claim_concurrency(), claim).await)
}

#[maybe_async]
pub(super) async fn relinquish_all(
    store: &BlobCheckpointStore,
    ownerships: &[PartitionOwnership],
) -> Claims {
    let deadline = store.deadline();
    let relinquish = |ownership| async move { relinquish_one(store, ownership, deadline).await };
    Claims::new(map_concurrently(ownerships, store.claim_concurrency(), relinquish).await)
}

#[maybe_async]
async fn claim_one(
    store: &BlobCheckpointStore,
    ownership: &PartitionOwnership,
    deadline: Instant,
) -> ClaimOutcome {
    let mut claim = Claim::new(store, ownership, ownership.owner_id(), deadline);
    let won = match ownership.etag() {
        None => claim.first().await,
        Some(etag) => match claim.take_over(etag).await {
            // The record was deleted: whoever is first makes a new one.
            Err(error) if error.kind() == ErrorKind::BlobNotFound => claim.first().await,
            other => other,
        },
    };
    outcome(ownership, won, "claim the partition")
}

#[maybe_async]
async fn relinquish_one(
    store: &BlobCheckpointStore,
    ownership: &PartitionOwnership,
    deadline: Instant,
) -> ClaimOutcome {
    let released = ownership.released();
    let Some(etag) = ownership.etag() else {
        let error = Error::invalid_input(format!(
            "ownership of partition {:?}: it has no ETag, so it was never claimed",
            ownership.partition_id()
        ));
        return ClaimOutcome::Failed(ownership.clone(), error);
    };
    let mut claim = Claim::new(store, ownership, None, deadline);
    match claim.take_over(etag).await {
        // Nothing is there to give up, and nothing is created.
        Err(error) if error.kind() == ErrorKind::BlobNotFound => {
            ClaimOutcome::Claimed(released.without_etag())
        }
        Ok(Won::No) => ClaimOutcome::Lost(ownership.clone()),
        won => outcome(&released, won, "relinquish the partition"),
    }
}

fn outcome(ownership: &PartitionOwnership, won: Result<Won>, action: &'static str) -> ClaimOutcome {
    match won {
        Ok(Won::Yes(written)) => {
            let claimed = ownership.clone().with_etag(written.etag);
            ClaimOutcome::Claimed(match written.last_modified {
                Some(last_modified) => claimed.with_last_modified(last_modified),
                None => claimed,
            })
        }
        Ok(Won::No) => {
            let partition_id = ownership.partition_id();
            debug!(target: super::LOG, "partition {partition_id}: another consumer was first");
            ClaimOutcome::Lost(ownership.clone())
        }
        Err(error) => ClaimOutcome::Failed(ownership.clone(), error.with_action(action)),
    }
}

/// One claim under way.
struct Claim<'a> {
    store: &'a BlobCheckpointStore,
    name: String,
    owner_id: Option<&'a str>,
    context: CallContext<'a>,
    /// A write of this claim may have been applied, or may still arrive, for all that is known.
    doubt: bool,
}

impl<'a> Claim<'a> {
    fn new(
        store: &'a BlobCheckpointStore,
        ownership: &PartitionOwnership,
        owner_id: Option<&'a str>,
        deadline: Instant,
    ) -> Self {
        let name = store.name(ownership.group(), BlobKind::Ownership, ownership.partition_id());
        Self { store, name, owner_id, context: store.context(deadline), doubt: false }
    }
}

#[maybe_async]
impl Claim<'_> {
    /// Succeeds only while there is no record, in one request.
    async fn first(&mut self) -> Result<Won> {
        let mut answer = self.create().await;
        for _ in 0..MAX_ROUNDS {
            if !is_doubtful(&answer) {
                break;
            }
            match self.settle().await {
                // It was there and is gone again: then nobody has it.
                Err(error) if error.kind() == ErrorKind::BlobNotFound => {
                    answer = self.create().await;
                }
                settled => return settled,
            }
        }
        judge(answer)
    }

    /// Succeeds only on the version of the record that was listed.
    async fn take_over(&mut self, etag: &ETag) -> Result<Won> {
        let answer = self.replace(etag).await;
        if is_doubtful(&answer) { self.settle().await } else { judge(answer) }
    }

    /// A conflict after an attempt whose answer was lost: that attempt may have been the "other" writer.
    ///
    /// Our owner id alone proves nothing, because an owner with a stable id may have left an old record; whoever
    /// replaces the version that was just seen has it. If that answer is lost, too, the next round finds out.
    async fn settle(&mut self) -> Result<Won> {
        let mut round = 1;
        loop {
            let request = GetBlobProperties::new(&self.name, self.context);
            let seen = self.store.container().get_blob_properties(request).await;
            let seen = seen.map_err(|error| error.with_applied(Applied::Unknown))?;
            if read_owner(&seen.metadata) != self.owner_id {
                return Ok(Won::No);
            }
            let answer = self.replace(&seen.etag).await;
            if !is_doubtful(&answer) || round == MAX_ROUNDS {
                // A refusal says nothing about the earlier attempt.
                return judge(answer).map_err(|error| error.with_applied(Applied::Unknown));
            }
            round += 1;
        }
    }

    /// A conflict is in doubt if any write of this claim is: that one may be what is there.
    async fn create(&mut self) -> Result<BlobWritten> {
        let metadata = write_owner(self.owner_id);
        let put = PutBlob::new(&self.name, &metadata, Condition::NotExists, self.context);
        let answer = self.store.container().put_blob(put).await;
        self.note(&answer);
        answer.map_err(|error| error.with_outcome_unknown_if(self.doubt))
    }

    async fn replace(&mut self, etag: &ETag) -> Result<BlobWritten> {
        let metadata = write_owner(self.owner_id);
        let set =
            SetBlobMetadata::new(&self.name, &metadata, Condition::Matches(etag), self.context);
        let answer = self.store.container().set_blob_metadata(set).await;
        self.note(&answer);
        answer
    }
}

impl Claim<'_> {
    fn note(&mut self, answer: &Result<BlobWritten>) {
        self.doubt |= matches!(answer, Err(error) if error.is_outcome_unknown());
    }
}

/// An earlier attempt of the same call may have been the "other" writer.
fn is_doubtful(answer: &Result<BlobWritten>) -> bool {
    matches!(answer, Err(error) if error.kind() == ErrorKind::ConditionNotMet && error.is_outcome_unknown())
}

/// A conflict that is in doubt is no loss: it stays a failure.
fn judge(answer: Result<BlobWritten>) -> Result<Won> {
    if is_doubtful(&answer) {
        return answer.map(Won::Yes);
    }
    match answer {
        Ok(written) => Ok(Won::Yes(written)),
        Err(error) if error.kind() == ErrorKind::ConditionNotMet => Ok(Won::No),
        Err(error) => Err(error),
    }
}

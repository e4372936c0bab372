//! The operations of the official `EventProcessor` on a store, in types that are independent of its versions.
//!
//! The results must fit the way in which that processor uses them:
//!
//! - An `Err` ends its `run`. A partition that is missing in the result of a claim is closed and, if the records still name
//!   the processor, opened again in the next cycle.
//! - It judges expiry by its own clock, and treats `Some("")` as a live owner.
//! - It resumes from the offset, or from the sequence number if there is no offset, or from its default.
//!
//! Hidden: only the expansion of [`event_processor_store!`](crate::event_processor_store) calls this.

use std::time::{Duration, SystemTime};

use log::{debug, warn};

use crate::checkpointstoreblob_aio::BlobCheckpointStore;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ClaimOutcome, ConsumerGroup, ETag, PartitionOwnership};

const LOG: &str = "eventhub_checkpointstore::aio";

/// The server's times have a resolution of 1 s, and responses take time. A larger difference means a wrong clock.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The fields of an `Ownership`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "hidden; the names are those of the other side")]
pub struct Ownership {
    pub fully_qualified_namespace: String,
    pub event_hub_name: String,
    pub consumer_group: String,
    pub partition_id: String,
    pub owner_id: Option<String>,
    pub etag: Option<String>,
    pub last_modified_time: Option<SystemTime>,
}

/// The fields of a `Checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "hidden; the names are those of the other side")]
pub struct Position {
    pub fully_qualified_namespace: String,
    pub event_hub_name: String,
    pub consumer_group: String,
    pub partition_id: String,
    pub offset: Option<String>,
    pub sequence_number: Option<i64>,
}

/// Claims partitions. Lost claims, and claims that failed, are left out.
///
/// # Errors
///
/// Every claim failed, and none of them would succeed if it were retried.
pub async fn claim(
    store: &BlobCheckpointStore,
    wanted: impl IntoIterator<Item = Ownership>,
) -> Result<Vec<Ownership>> {
    let mut failures = Failures::default();
    let mut claims = Vec::new();
    for ownership in wanted {
        match ownership.into_claim() {
            Ok(claim) => claims.push(claim),
            Err((partition_id, error)) => failures.add(partition_id, error),
        }
    }
    let mut claimed = Vec::with_capacity(claims.len());
    for outcome in store.claim_ownership(&claims).await {
        match outcome {
            ClaimOutcome::Claimed(ownership) => {
                // The record was written just now, so its time is the server's clock.
                let server_time = ownership.last_modified();
                claimed.push(Ownership::from_record(&ownership, server_time));
            }
            ClaimOutcome::Lost(..) => failures.others += 1,
            ClaimOutcome::Failed(ownership, error) => {
                failures.add(ownership.partition_id().to_owned(), error);
            }
        }
    }
    failures.others += claimed.len();
    failures.into_result().map(|()| claimed)
}

/// The claims that failed, and whether the round as a whole did.
#[derive(Default)]
struct Failures {
    failed: Vec<(String, Error)>,
    /// Claims that were won or lost.
    others: usize,
}

impl Failures {
    fn add(&mut self, partition_id: String, error: Error) {
        debug!(target: LOG, "partition {partition_id:?} is left out of this round: {error}");
        self.failed.push((partition_id, error));
    }

    fn into_result(mut self) -> Result<()> {
        let Some((_, first)) = self.failed.first() else { return Ok(()) };
        if self.others == 0 && self.failed.iter().all(|(_, error)| is_permanent(error.kind())) {
            return Err(self.failed.swap_remove(0).1);
        }
        // The container may have logged each failure. One more warning says that the processor continues without them.
        let left_out: Vec<_> = self.failed.iter().map(|(id, _)| id).collect();
        warn!(target: LOG, "partitions {left_out:?} are left out of this round; the first error is: {first}");
        Ok(())
    }
}

/// Returns whether a retry would not help.
fn is_permanent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidInput
            | ErrorKind::Configuration
            | ErrorKind::AccessDenied
            | ErrorKind::ContainerNotFound
            | ErrorKind::Rejected
    )
}

/// Lists the ownerships, with times that the local clock can judge.
///
/// # Errors
///
/// Any failure to read.
pub async fn list_ownerships(
    store: &BlobCheckpointStore,
    namespace: &str,
    event_hub_name: &str,
    consumer_group: &str,
) -> Result<Vec<Ownership>> {
    let group = ConsumerGroup::new(namespace, event_hub_name, consumer_group)?;
    // The processor claims with the ETags of this list, so they must not come from a lagging secondary.
    let primary = store.with_changed_options(|options| options.with_primary_only(true));
    let listing = primary.list_ownership(&group).await?;
    let server_time = Some(listing.server_time());
    Ok(listing.iter().map(|record| Ownership::from_record(record, server_time)).collect())
}

/// Lists the checkpoints.
///
/// # Errors
///
/// Any failure to read.
pub async fn list_checkpoints(
    store: &BlobCheckpointStore,
    namespace: &str,
    event_hub_name: &str,
    consumer_group: &str,
) -> Result<Vec<Position>> {
    let group = ConsumerGroup::new(namespace, event_hub_name, consumer_group)?;
    let listing = store.list_checkpoints(&group).await?;
    Ok(listing.iter().map(Position::from_checkpoint).collect())
}

/// Stores a checkpoint.
///
/// # Errors
///
/// Any failure to write; a position with neither an offset nor a sequence number.
pub async fn update_checkpoint(store: &BlobCheckpointStore, position: Position) -> Result<()> {
    let group = ConsumerGroup::new(
        position.fully_qualified_namespace,
        position.event_hub_name,
        position.consumer_group,
    )?;
    let checkpoint = Checkpoint::with_position(
        &group,
        position.partition_id,
        position.offset.filter(|offset| !offset.is_empty()),
        position.sequence_number,
    )?;
    store.update_checkpoint(&checkpoint).await.map(drop)
}

impl Ownership {
    fn into_claim(self) -> Result<PartitionOwnership, (String, Error)> {
        let partition_id = self.partition_id.clone();
        self.try_into_claim().map_err(|error| (partition_id, error))
    }

    fn try_into_claim(self) -> Result<PartitionOwnership> {
        let group = ConsumerGroup::new(
            self.fully_qualified_namespace,
            self.event_hub_name,
            self.consumer_group,
        )?;
        let claim = match self.owner_id.filter(|owner_id| !owner_id.is_empty()) {
            Some(owner_id) => PartitionOwnership::new(&group, self.partition_id, owner_id)?,
            None => PartitionOwnership::unowned(&group, &self.partition_id)?,
        };
        match self.etag {
            Some(etag) => Ok(claim.with_etag(ETag::new(etag)?)),
            None => Ok(claim),
        }
    }

    fn from_record(record: &PartitionOwnership, server_time: Option<SystemTime>) -> Self {
        let group = record.group();
        let now = SystemTime::now();
        Self {
            fully_qualified_namespace: group.fully_qualified_namespace().to_owned(),
            event_hub_name: group.eventhub_name().to_owned(),
            consumer_group: group.consumer_group().to_owned(),
            partition_id: record.partition_id().to_owned(),
            owner_id: record.owner_id().map(str::to_owned),
            etag: record.etag().map(|etag| etag.as_str().to_owned()),
            // Without a time the processor would never see it expire.
            last_modified_time: Some(match (record.last_modified(), server_time) {
                (Some(written), Some(server_now)) => by_local_clock(written, server_now, now),
                (Some(written), None) => written,
                (None, _) => now,
            }),
        }
    }
}

/// A time of the server as the local clock would have shown it, if the two clocks differ by more than the tolerance.
///
/// The processor compares it with the local clock: if that is ahead by more than the expiry, every live claim
/// would look expired.
fn by_local_clock(written: SystemTime, server_now: SystemTime, now: SystemTime) -> SystemTime {
    let skew = now
        .duration_since(server_now)
        .or_else(|_| server_now.duration_since(now))
        .unwrap_or_default();
    if skew <= TOLERANCE {
        return written;
    }
    let age = server_now.duration_since(written).unwrap_or_default();
    now.checked_sub(age).unwrap_or(written)
}

impl Position {
    fn from_checkpoint(checkpoint: &Checkpoint) -> Self {
        let group = checkpoint.group();
        Self {
            fully_qualified_namespace: group.fully_qualified_namespace().to_owned(),
            event_hub_name: group.eventhub_name().to_owned(),
            consumer_group: group.consumer_group().to_owned(),
            partition_id: checkpoint.partition_id().to_owned(),
            offset: checkpoint.offset().map(str::to_owned),
            sequence_number: checkpoint.sequence_number(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_wrong_local_clock_does_not_change_an_age() {
        let (written, server_now) = (at(1_000_000), at(1_000_010));
        assert_eq!(by_local_clock(written, server_now, at(1_000_012)), written);
        assert_eq!(by_local_clock(written, server_now, at(1_003_610)), at(1_003_600));
        assert_eq!(by_local_clock(written, server_now, at(996_410)), at(996_400));
        // Written after the list's clock was read.
        assert_eq!(by_local_clock(at(1_000_011), server_now, at(2_000_000)), at(2_000_000));
    }
}

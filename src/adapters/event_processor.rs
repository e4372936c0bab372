//! What the official `EventProcessor` asks of a store, in types that no version of it owns.
//!
//! How that processor uses the answers decides what they must be:
//!
//! - An `Err` ends its `run`. A partition that is left out of the answer to a claim is given up and, if the records
//!   still name the processor, opened again in the next cycle.
//! - It takes a partition as expired by its own clock, and `Some("")` as a live owner.
//! - It resumes from the offset if there is one, else from the sequence number, else from its default.
//!
//! Hidden: only code that [`event_processor_store!`](crate::event_processor_store) expands to calls this.

use std::time::{Duration, SystemTime};

use log::warn;

use crate::checkpointstoreblob_aio::BlobCheckpointStore;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ClaimOutcome, ConsumerGroup, ETag, PartitionOwnership};

const LOG: &str = "eventhub_checkpointstore::aio";

/// Times of the server have a resolution of 1 s, and answers take their way; a larger difference is a wrong clock.
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

/// Claims partitions; what was lost or failed for a while is left out.
///
/// # Errors
///
/// Every claim failed, and none for a cause that may pass.
pub async fn claim(
    store: &BlobCheckpointStore,
    wanted: impl IntoIterator<Item = Ownership>,
) -> Result<Vec<Ownership>> {
    let mut failures = Failures::default();
    let mut claims = Vec::new();
    for ownership in wanted {
        match ownership.into_claim() {
            Ok(claim) => claims.push(claim),
            Err((partition_id, error)) => failures.add(&partition_id, error),
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
            ClaimOutcome::Lost(_) => failures.others += 1,
            ClaimOutcome::Failed(ownership, error) => {
                failures.add(ownership.partition_id(), error);
            }
        }
    }
    failures.others += claimed.len();
    failures.judge().map(|()| claimed)
}

/// The claims that failed, and whether the round as a whole did.
#[derive(Default)]
struct Failures {
    /// The first failure that no repetition helps against.
    permanent: Option<Error>,
    /// Claims that were won or lost, or that may succeed in the next round.
    others: usize,
}

impl Failures {
    fn add(&mut self, partition_id: &str, error: Error) {
        warn!(target: LOG, "partition {partition_id} is left out of this round: {error}");
        if is_permanent(error.kind()) {
            self.permanent.get_or_insert(error);
        } else {
            self.others += 1;
        }
    }

    fn judge(self) -> Result<()> {
        match self.permanent {
            Some(error) if self.others == 0 => Err(error),
            _ => Ok(()),
        }
    }
}

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
    let listing = store.list_ownership(&group).await?;
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
            None => PartitionOwnership::unowned(&group, self.partition_id)?,
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
/// The processor compares it with the local clock: one that is ahead by more than the expiry would take every live
/// claim for an expired one.
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

/// Declares a checkpoint store for the official `EventProcessor` in the version of `azure_messaging_eventhubs` that
/// *your* crate depends on.
///
/// [`BlobCheckpointStore`] itself implements the trait of the version that the Cargo feature
/// `azure_messaging_eventhubs` brings. With any other version whose trait and models are the same, as 0.15, leave
/// the feature off and declare a type with this line:
///
/// ```ignore
/// eventhub_checkpointstore::event_processor_store! {
///     /// Checkpoints and ownerships in blobs.
///     pub struct ProcessorStore;
/// }
///
/// let store = ProcessorStore::new(BlobCheckpointStore::from_connection_string(storage, "checkpoints")?);
/// let processor = EventProcessor::builder().build(consumer, Arc::new(store)).await?;
/// ```
///
/// The crate that uses it depends on `azure_messaging_eventhubs` and on the `azure_core` of the same line. If they go
/// by other names there, say so: `pub struct ProcessorStore(my_eventhubs, my_azure_core);`.
///
/// # Behaviour
///
/// - **Claims.** What was won is returned, with new ETags and times. Lost claims are left out. So are claims that
///   failed; each is logged as a warning. The round is an error, which ends `EventProcessor::run`, only if all claims
///   failed for a cause that stays: no access, no container, a refused request, an invalid name.
/// - **Lists.** A failure is an error, after the retries of the store; call `run` again.
/// - **Owners.** A relinquished partition is listed with the owner `None`; `None` and `Some("")` are written as `""`.
/// - **Times.** The processor judges the age of a claim by the local clock. If that differs from the server's clock
///   by more than 2 s, the times in the answers are corrected by the difference.
/// - **Errors** have our [`Error`](crate::Error) as their source.
///
/// [`BlobCheckpointStore`]: crate::checkpointstoreblob_aio::BlobCheckpointStore
#[macro_export]
macro_rules! event_processor_store {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident;) => {
        $crate::event_processor_store! {
            $(#[$meta])* $visibility struct $name(azure_messaging_eventhubs, azure_core);
        }
    };
    ($(#[$meta:meta])* $visibility:vis struct $name:ident($eventhubs:ident, $core:ident);) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $visibility struct $name($crate::checkpointstoreblob_aio::BlobCheckpointStore);

        #[allow(dead_code, reason = "not every user needs both ways in")]
        impl $name {
            /// Makes the store one of an `EventProcessor`.
            $visibility fn new(store: $crate::checkpointstoreblob_aio::BlobCheckpointStore) -> Self {
                Self(store)
            }
        }

        impl ::std::convert::From<$crate::checkpointstoreblob_aio::BlobCheckpointStore> for $name {
            fn from(store: $crate::checkpointstoreblob_aio::BlobCheckpointStore) -> Self {
                Self(store)
            }
        }

        $crate::event_processor_store!(@implement $name, |store| &store.0, $eventhubs, $core);
    };
    (@implement $type:ty, |$self:ident| $store:expr, $eventhubs:ident, $core:ident) => {
        const _: () = {
            use ::std::option::Option;
            use ::std::string::ToString;
            use ::std::vec::Vec;
            use $crate::adapters::event_processor as shared;
            use ::$core::{Error, Result, error::ErrorKind, http::Etag, time::OffsetDateTime};
            use ::$eventhubs::models::{Checkpoint, Ownership};

            fn failed(error: $crate::Error) -> Error {
                let kind = match error.kind() {
                    $crate::ErrorKind::Credential => ErrorKind::Credential,
                    $crate::ErrorKind::Network | $crate::ErrorKind::Timeout => ErrorKind::Io,
                    _ => ErrorKind::Other,
                };
                Error::new(kind, error)
            }

            fn given(ownership: &Ownership) -> shared::Ownership {
                shared::Ownership {
                    fully_qualified_namespace: ownership.fully_qualified_namespace.clone(),
                    event_hub_name: ownership.event_hub_name.clone(),
                    consumer_group: ownership.consumer_group.clone(),
                    partition_id: ownership.partition_id.clone(),
                    owner_id: ownership.owner_id.clone(),
                    etag: ownership.etag.as_ref().map(ToString::to_string),
                    last_modified_time: Option::None,
                }
            }

            // Fields of a later version keep their defaults.
            #[allow(clippy::needless_update, reason = "this version may have no others")]
            fn record(ownership: shared::Ownership) -> Ownership {
                Ownership {
                    fully_qualified_namespace: ownership.fully_qualified_namespace,
                    event_hub_name: ownership.event_hub_name,
                    consumer_group: ownership.consumer_group,
                    partition_id: ownership.partition_id,
                    owner_id: ownership.owner_id,
                    etag: ownership.etag.map(Etag::from),
                    last_modified_time: ownership.last_modified_time.map(OffsetDateTime::from),
                    ..::std::default::Default::default()
                }
            }

            #[allow(clippy::needless_update, reason = "this version may have no others")]
            fn checkpoint(position: shared::Position) -> Checkpoint {
                Checkpoint {
                    fully_qualified_namespace: position.fully_qualified_namespace,
                    event_hub_name: position.event_hub_name,
                    consumer_group: position.consumer_group,
                    partition_id: position.partition_id,
                    offset: position.offset,
                    sequence_number: position.sequence_number,
                    ..::std::default::Default::default()
                }
            }

            #[$crate::checkpointstoreblob_aio::async_trait]
            impl ::$eventhubs::CheckpointStore for $type {
                async fn claim_ownership(&self, ownerships: &[Ownership]) -> Result<Vec<Ownership>> {
                    let $self = self;
                    let wanted: Vec<_> = ownerships.iter().map(given).collect();
                    let claimed = shared::claim($store, wanted).await.map_err(failed)?;
                    Result::Ok(claimed.into_iter().map(record).collect())
                }

                async fn list_ownerships(
                    &self,
                    namespace: &str,
                    event_hub_name: &str,
                    consumer_group: &str,
                ) -> Result<Vec<Ownership>> {
                    let $self = self;
                    let listed =
                        shared::list_ownerships($store, namespace, event_hub_name, consumer_group)
                            .await
                            .map_err(failed)?;
                    Result::Ok(listed.into_iter().map(record).collect())
                }

                async fn list_checkpoints(
                    &self,
                    namespace: &str,
                    event_hub_name: &str,
                    consumer_group: &str,
                ) -> Result<Vec<Checkpoint>> {
                    let $self = self;
                    let listed =
                        shared::list_checkpoints($store, namespace, event_hub_name, consumer_group)
                            .await
                            .map_err(failed)?;
                    Result::Ok(listed.into_iter().map(checkpoint).collect())
                }

                async fn update_checkpoint(&self, checkpoint: Checkpoint) -> Result<()> {
                    let $self = self;
                    let position = shared::Position {
                        fully_qualified_namespace: checkpoint.fully_qualified_namespace,
                        event_hub_name: checkpoint.event_hub_name,
                        consumer_group: checkpoint.consumer_group,
                        partition_id: checkpoint.partition_id,
                        offset: checkpoint.offset,
                        sequence_number: checkpoint.sequence_number,
                    };
                    shared::update_checkpoint($store, position).await.map_err(failed)
                }
            }
        };
    };
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

//! Counts of the records that a container holds for a consumer group.

use std::time::{Duration, SystemTime};

use super::ConsumerGroup;

/// A consumer group with records in a container, and their counts.
///
/// The names are those in the blob names. A fleet that writes lower-case names and a fleet that writes names as given
/// appear as two groups, `$default` and `$Default`, which do not see each other's records.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use eventhub_checkpointstore::{ConsumerGroup, ConsumerGroupSummary, OwnerSummary};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$default")?;
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
/// let mut summary = ConsumerGroupSummary::new(group);
/// for (owner, age) in [("consumer-a", 10), ("consumer-b", 300)] {
///     let renewed = now - Duration::from_secs(age);
///     summary.owners.push(OwnerSummary::new(owner, 16, Some(renewed)));
/// }
/// let live: Vec<_> = summary.live_owners(Duration::from_secs(120), now).collect();
/// assert_eq!(live.len(), 1);
/// assert_eq!(live[0].owner_id, "consumer-a");
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerGroupSummary {
    /// The group, with its names as in the blob names.
    pub group: ConsumerGroup,
    /// The number of partitions with a readable checkpoint.
    pub checkpoints: usize,
    /// The number of partitions with an ownership record, relinquished ones included.
    pub ownerships: usize,
    /// The number of unreadable records. [`Listing::skipped`](crate::Listing::skipped) names them.
    pub unreadable: usize,
    /// The owners in the ownership records, sorted by id, expired ones included.
    pub owners: Vec<OwnerSummary>,
    /// The time of the newest checkpoint, by the server's clock.
    pub last_checkpoint: Option<SystemTime>,
    /// The time of the newest ownership record, by the server's clock.
    pub last_renewal: Option<SystemTime>,
}

impl ConsumerGroupSummary {
    /// Creates a summary without records; for implementers of stores.
    ///
    #[doc = shared_example!("model/summary")]
    pub fn new(group: ConsumerGroup) -> Self {
        Self {
            group,
            checkpoints: 0,
            ownerships: 0,
            unreadable: 0,
            owners: Vec::new(),
            last_checkpoint: None,
            last_renewal: None,
        }
    }

    /// Iterates over the owners that renewed at least one record within `expiration` before `server_time`.
    ///
    /// An owner without a time is live, because its records cannot be shown to have expired.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/summary"))]
    pub fn live_owners(
        &self,
        expiration: Duration,
        server_time: SystemTime,
    ) -> impl Iterator<Item = &OwnerSummary> {
        self.owners.iter().filter(move |owner| {
            owner.last_renewal.is_none_or(|renewed| {
                server_time.duration_since(renewed).unwrap_or_default() <= expiration
            })
        })
    }
}

/// An owner in the ownership records of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnerSummary {
    /// The id of the owner.
    pub owner_id: String,
    /// The number of records that name the owner, expired ones included.
    pub partitions: usize,
    /// The time of its last renewal by the server's clock; `None` if the server did not report it.
    pub last_renewal: Option<SystemTime>,
}

impl OwnerSummary {
    /// Creates a summary of an owner; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/summary"))]
    pub fn new(
        owner_id: impl Into<String>,
        partitions: usize,
        last_renewal: Option<SystemTime>,
    ) -> Self {
        Self { owner_id: owner_id.into(), partitions, last_renewal }
    }
}

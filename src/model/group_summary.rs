//! What a container holds of a consumer group, in numbers.

use std::time::{Duration, SystemTime};

use super::ConsumerGroup;

/// A consumer group that has records in a container, and how many.
///
/// The names are those of the blobs. A fleet that writes names in lower case and one that writes them as given leave two
/// summaries, for `$default` and `$Default`: they do not see each other's records.
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
    /// The group, with its names as they stand in the blobs.
    pub group: ConsumerGroup,
    /// How many partitions have a readable checkpoint.
    pub checkpoints: usize,
    /// How many partitions have an ownership record, relinquished ones included.
    pub ownerships: usize,
    /// How many records are not readable. [`Listing::skipped`](crate::Listing::skipped) names them.
    pub unreadable: usize,
    /// The owners that the ownership records name, sorted by their ids, expired ones included.
    pub owners: Vec<OwnerSummary>,
    /// When a checkpoint was last written, by the server's clock.
    pub last_checkpoint: Option<SystemTime>,
    /// When an ownership record was last written, by the server's clock.
    pub last_renewal: Option<SystemTime>,
}

impl ConsumerGroupSummary {
    /// A group without records; for implementers of stores.
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

    /// The owners that renewed at least one record within `expiration` before `server_time`.
    ///
    /// An owner without a time is live: its records cannot be shown to be expired.
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

/// An owner that the ownership records of a consumer group name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnerSummary {
    /// The id of the owner.
    pub owner_id: String,
    /// How many records name it, expired ones included.
    pub partitions: usize,
    /// When it last wrote one of them, by the server's clock; `None` if the server did not say.
    pub last_renewal: Option<SystemTime>,
}

impl OwnerSummary {
    /// An owner; for implementers of stores.
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

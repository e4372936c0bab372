//! All records of a consumer group.

use super::{Checkpoint, ConsumerGroup, Listing, PartitionOwnership};

/// The checkpoints and the ownerships of a consumer group, from one list.
///
#[doc = shared_example!("model/group_records")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerGroupRecords {
    /// The group.
    pub group: ConsumerGroup,
    /// Its checkpoints.
    pub checkpoints: Listing<Checkpoint>,
    /// Its ownerships, including relinquished partitions.
    pub ownerships: Listing<PartitionOwnership>,
}

impl ConsumerGroupRecords {
    /// Puts the records of a group together; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/group_records"))]
    pub fn new(
        group: ConsumerGroup,
        checkpoints: Listing<Checkpoint>,
        ownerships: Listing<PartitionOwnership>,
    ) -> Self {
        Self { group, checkpoints, ownerships }
    }
}

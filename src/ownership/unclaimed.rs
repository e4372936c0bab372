//! For how long partitions have had no record.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::model::PartitionOwnership;

/// Since when each partition without a record has been seen to have none; nothing stored says it.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    since: BTreeMap<String, Instant>,
}

impl Unclaimed {
    /// Takes in a listing, and says for how long it has been so.
    pub(super) fn observe(
        &mut self,
        partition_ids: &[String],
        ownerships: &[PartitionOwnership],
        now: Instant,
    ) -> BTreeMap<String, Duration> {
        let recorded: HashSet<_> =
            ownerships.iter().map(PartitionOwnership::partition_id).collect();
        let unclaimed = partition_ids.iter().filter(|id| !recorded.contains(id.as_str()));
        self.since =
            unclaimed.map(|id| (id.clone(), self.since.get(id).copied().unwrap_or(now))).collect();
        let age = |since: &Instant| now.saturating_duration_since(*since);
        self.since.iter().map(|(id, since)| (id.clone(), age(since))).collect()
    }
}

//! The time for which partitions have had no record.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use crate::model::PartitionOwnership;

/// When each partition without a record was first seen without one. Nothing stored tells this.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    since: BTreeMap<String, Instant>,
}

impl Unclaimed {
    /// Applies a listing, and returns how long each partition has had no record.
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

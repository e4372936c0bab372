//! A list of ownerships as one consumer sees it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{BalanceInput, ClaimReason, PlannedClaim};
use crate::error::Result;
use crate::model::PartitionOwnership;
use crate::ownership::OwnershipOptions;

/// A listing as one consumer sees it. Every partition is in exactly one field.
pub(super) struct Fleet<'a> {
    /// This consumer's partitions, the least recently renewed one first.
    pub(super) mine: Vec<&'a PartitionOwnership>,
    /// The partitions of each other active owner, sorted by id; no list is empty.
    pub(super) others: Vec<Vec<&'a PartitionOwnership>>,
    pub(super) free: Vec<FreePartition<'a>>,
}

pub(super) struct FreePartition<'a> {
    partition_id: &'a str,
    record: Option<&'a PartitionOwnership>,
    /// The partition has been free for so long that the consumer it was left for is not coming.
    pub(super) overdue: bool,
}

impl<'a> Fleet<'a> {
    pub(super) fn survey(input: &BalanceInput<'a>) -> Self {
        let BalanceInput { ref options, server_time, .. } = *input;
        let mut mine = Vec::new();
        let mut free = Vec::new();
        let mut others = BTreeMap::<_, Vec<_>>::new();
        for (partition_id, record) in newest_records(input.partition_ids, input.ownerships) {
            match record
                .and_then(|record| Some((record, live_owner(record, options, server_time)?)))
            {
                Some((record, owner)) if owner == input.owner_id => mine.push(record),
                Some((record, owner)) => others.entry(owner).or_default().push(record),
                None => {
                    let free_for = match record {
                        Some(record) => record.age(server_time),
                        None => input.unclaimed_for.get(partition_id).copied(),
                    };
                    let overdue = free_for.is_some_and(|time| time > options.patience());
                    free.push(FreePartition { partition_id, record, overdue });
                }
            }
        }
        // If the time does not suffice for all, different renewals are left out in each round.
        mine.sort_by_key(|record| record.last_modified());
        Self { mine, others: others.into_values().collect(), free }
    }

    pub(super) fn active_owners(&self) -> usize {
        self.others.len() + 1
    }

    pub(super) fn partitions(&self) -> usize {
        let theirs: usize = self.others.iter().map(Vec::len).sum();
        self.mine.len() + theirs + self.free.len()
    }
}

/// Returns every known partition, sorted, with its record. A partition that is listed twice counts once, with the later
/// record.
fn newest_records<'a>(
    partition_ids: &'a [String],
    ownerships: &'a [PartitionOwnership],
) -> impl Iterator<Item = (&'a str, Option<&'a PartitionOwnership>)> {
    let mut ids: Vec<_> = partition_ids.iter().map(String::as_str).collect();
    #[allow(
        clippy::stable_sort_primitive,
        reason = "numbers of different lengths are a few sorted runs, which this sort merges in one pass"
    )]
    ids.sort();
    ids.dedup();
    // The service lists records by name, so they are nearly sorted already. A map would hash thousands of ids.
    let mut records: Vec<_> = ownerships.iter().collect();
    records.sort_by_key(|record| (record.partition_id(), Reverse(record.last_modified())));
    let mut records = records.into_iter().peekable();
    ids.into_iter().map(move |id| {
        while records.next_if(|record| record.partition_id() < id).is_some() {}
        (id, records.peek().copied().filter(|record| record.partition_id() == id))
    })
}

/// Returns the owner of a record unless it has expired. A record without a time cannot be shown to have expired.
fn live_owner<'a>(
    record: &'a PartitionOwnership,
    options: &OwnershipOptions,
    server_time: SystemTime,
) -> Option<&'a str> {
    let expired = record.age(server_time).is_some_and(|age| age > options.expiration());
    record.owner_id().filter(|_| !expired)
}

impl FreePartition<'_> {
    pub(super) fn claim(&self, input: &BalanceInput<'_>) -> Result<PlannedClaim> {
        let Some(record) = self.record else {
            let ownership =
                PartitionOwnership::new(input.group, self.partition_id, input.owner_id)?;
            return Ok(PlannedClaim::new(ownership, ClaimReason::Unclaimed));
        };
        let reason = match record.owner_id() {
            None => ClaimReason::Released,
            Some(owner) => ClaimReason::Expired { from: owner.to_owned() },
        };
        Ok(PlannedClaim::new(record.claimed_by(input.owner_id)?, reason))
    }
}

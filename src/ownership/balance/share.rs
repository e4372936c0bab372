//! The fair share of one consumer, and the surplus of the others.

use std::cmp::Reverse;

use fastrand::Rng;

use super::fleet::Fleet;
use super::{BalanceInput, ClaimReason, PlannedClaim};
use crate::error::Result;
use crate::model::PartitionOwnership;

/// What is fair, as one consumer sees it.
pub(super) struct Share {
    /// What every owner is entitled to.
    floor: usize,
    /// What this consumer should own: the floor, or one more if the remainder has one left for it.
    pub(super) own: usize,
}

impl Share {
    pub(super) fn of(fleet: &Fleet<'_>) -> Self {
        let floor = fleet.partitions() / fleet.active_owners();
        let remainder = fleet.partitions() % fleet.active_owners();
        let above = fleet.others.iter().filter(|theirs| theirs.len() > floor).count();
        Self { floor, own: floor + usize::from(above < remainder) }
    }
}

/// A partition that its owner has above the floor.
pub(super) struct Surplus<'a> {
    record: &'a PartitionOwnership,
    /// How many its owner has when this one is taken, and the ones before it are gone.
    load: usize,
}

impl Surplus<'_> {
    pub(super) fn claim(&self, input: &BalanceInput<'_>) -> Result<PlannedClaim> {
        let from = self.record.owner_id().unwrap_or_default().to_owned();
        let ownership = self.record.claimed_by(input.owner_id)?;
        Ok(PlannedClaim::new(ownership, ClaimReason::Stolen { from }))
    }
}

/// What may be stolen, from the most loaded owner first, in random order where owners are equal.
///
/// Which partitions an owner keeps is the same for every planner, its first ones by id: however many consumers
/// steal from it at the same moment, all together they leave it its floor.
///
/// A record without an ETag is one of the other naming: its owner would not learn of a claim under the own one, so it
/// is left alone until it expires. Where such ones are most of the surplus, what is left must still make the fleet more
/// even when it is the last one to the share: else it would be stolen back, for ever.
pub(super) fn surplus<'a>(
    others: &[Vec<&'a PartitionOwnership>],
    share: &Share,
    rng: &mut Rng,
) -> Vec<Surplus<'a>> {
    let mut surplus = Vec::new();
    for theirs in others {
        let mut movable = theirs.get(share.floor..).unwrap_or_default().to_vec();
        movable.retain(|record| record.etag().is_some());
        rng.shuffle(&mut movable);
        let loads = (share.floor + 1..=theirs.len()).rev();
        surplus
            .extend(movable.into_iter().zip(loads).map(|(record, load)| Surplus { record, load }));
    }
    rng.shuffle(&mut surplus);
    surplus.retain(|one| one.load > share.own);
    surplus.sort_by_key(|one| Reverse(one.load));
    surplus
}

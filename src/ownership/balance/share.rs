//! The fair share of one consumer, and the surplus of the others.

use std::cmp::Reverse;

use fastrand::Rng;

use super::fleet::Fleet;
use super::{BalanceInput, ClaimReason, PlannedClaim};
use crate::error::Result;
use crate::model::PartitionOwnership;

/// The fair share as one consumer sees it.
pub(super) struct Share {
    /// The number of partitions that every owner is entitled to.
    floor: usize,
    /// The number that this consumer should own: the floor, or one more if the remainder leaves one for it.
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

/// A partition above the floor of its owner.
pub(super) struct Surplus<'a> {
    record: &'a PartitionOwnership,
    /// The number of partitions that its owner has left when this one is taken after the ones before it.
    load: usize,
}

impl Surplus<'_> {
    pub(super) fn claim(&self, input: &BalanceInput<'_>) -> Result<PlannedClaim> {
        let from = self.record.owner_id().unwrap_or_default().to_owned();
        let ownership = self.record.claimed_by(input.owner_id)?;
        Ok(PlannedClaim::new(ownership, ClaimReason::Stolen { from }))
    }
}

/// Returns the partitions that may be stolen, from the most loaded owner first, in random order between equal owners.
///
/// An owner keeps its first partitions by id. Every consumer computes the same ones, so that however many steal from the
/// owner at the same moment, together they leave it its floor.
///
/// A record without an ETag belongs to the other naming. Its owner would not learn of a claim under this naming, so the
/// record is left alone until it expires. If most of the surplus consists of such records, taking one of the others must
/// still make the fleet more even. Otherwise it would be stolen back and forth forever.
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

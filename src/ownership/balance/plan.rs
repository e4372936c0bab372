//! The claims that a consumer plans for a round, each with its reason.

use crate::model::PartitionOwnership;

/// Why a partition is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimReason {
    /// This consumer owns it. The claim keeps it from expiring.
    Renewal,
    /// It has no record: nobody has ever owned it.
    Unclaimed,
    /// Its last owner relinquished it.
    Released,
    /// Its owner did not renew it in time.
    Expired {
        /// The last owner. It may be this consumer itself, after a long pause.
        from: String,
    },
    /// Its owner has more than its fair share, and this consumer has less.
    Stolen {
        /// The current owner, which learns of it at its next renewal.
        from: String,
    },
}

/// One claim of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedClaim {
    /// The argument for `claim_ownership`: our owner id, and the [`ETag`](crate::ETag) of the listed record if there is
    /// one.
    pub ownership: PartitionOwnership,
    /// The reason.
    pub reason: ClaimReason,
}

impl PlannedClaim {
    pub(super) fn new(ownership: PartitionOwnership, reason: ClaimReason) -> Self {
        Self { ownership, reason }
    }

    pub(super) fn renewal(mine: &PartitionOwnership) -> Self {
        Self::new(mine.clone().into_claim(), ClaimReason::Renewal)
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        self.ownership.partition_id()
    }
}

/// The claims that a consumer should make in this round.
///
/// Claim [`renew`](Self::renew), [`claim`](Self::claim) and [`steal`](Self::steal) together. If other consumers act at the
/// same moment, some claims are lost. Then take replacements from [`spare`](Self::spare):
///
/// ```
/// use std::time::SystemTime;
/// use eventhub_checkpointstore::ConsumerGroup;
/// use eventhub_checkpointstore::ownership::balance::{BalanceInput, balance};
///
/// # let claim_ownership = |claims: Vec<_>| claims.len(); // the store; here it lets us win them all
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let partition_ids = ["0".to_owned(), "1".to_owned()];
/// let plan = balance(&BalanceInput::new(&group, "me", &partition_ids, &[], SystemTime::now()))?;
///
/// let mut won = claim_ownership(plan.claim.iter().chain(&plan.steal).collect());
/// let mut spare = plan.spare.iter();
/// while won < plan.needed && spare.len() > 0 {
///     won += claim_ownership(spare.by_ref().take(plan.needed - won).collect());
/// }
/// assert_eq!(won, 2);
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a plan does nothing until its claims are sent to the store"]
#[non_exhaustive]
pub struct Plan {
    /// The partitions that this consumer owns, each with its listed [`ETag`](crate::ETag), the least recently renewed one
    /// first.
    pub renew: Vec<PlannedClaim>,
    /// The free partitions to take: never owned, released or expired.
    pub claim: Vec<PlannedClaim>,
    /// The partitions to take from consumers above their share, the most loaded first.
    pub steal: Vec<PlannedClaim>,
    /// Alternatives, best first. Try the next ones in place of claims that were *lost* (not failed) while fewer than
    /// [`needed`](Self::needed) were won. Always empty for a balanced consumer.
    pub spare: Vec<PlannedClaim>,
    /// The number of partitions that this round should win besides the renewed ones. It is less than `claim` and `steal`
    /// together if free partitions are taken above the share because nobody else took them.
    pub needed: usize,
    /// The number of partitions without an owner before this round.
    pub free: usize,
    /// The number of consumers with at least one unexpired record, including this one.
    pub active_owners: usize,
    /// The number of partitions that this consumer should own, as of this listing.
    pub share: usize,
}

impl Plan {
    /// Returns whether there is nothing to do except to renew.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/plan"))]
    pub fn is_settled(&self) -> bool {
        self.claim.is_empty() && self.steal.is_empty()
    }

    /// Reduces the plan to some of the renewals.
    pub(crate) fn keep_renewals(&mut self, is_kept: impl FnMut(&PlannedClaim) -> bool) {
        self.renew.retain(is_kept);
        self.claim.clear();
        self.steal.clear();
        self.spare.clear();
        self.needed = 0;
    }

    /// Replaces the claims of some partitions by alternatives, if there are any.
    pub(crate) fn leave(&mut self, is_left: impl Fn(&str) -> bool) {
        for claims in [&mut self.renew, &mut self.claim, &mut self.steal, &mut self.spare] {
            claims.retain(|claim| !is_left(claim.partition_id()));
        }
        let missing = self.needed.saturating_sub(self.claim.len() + self.steal.len());
        self.claim.extend(self.spare.drain(..missing.min(self.spare.len())));
    }

    /// Iterates over the claims to send: renewals first, then free partitions, then steals.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/plan"))]
    pub fn claims(&self) -> impl Iterator<Item = &PlannedClaim> {
        self.renew.iter().chain(&self.claim).chain(&self.steal)
    }

    /// Returns the same claims as arguments for `claim_ownership`.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/plan"))]
    pub fn ownerships(&self) -> Vec<PartitionOwnership> {
        self.claims().map(|claim| claim.ownership.clone()).collect()
    }
}

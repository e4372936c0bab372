//! Who should own which partition now, and how long an owner may believe that it still does.
//!
//! Everything here is pure: no request, no clock, no thread. [`balance`] looks at a listing and says what to
//! renew, what to claim, what to steal, and why; [`Leases`](crate::ownership::Leases) remembers until when each partition may be worked on.
//! Time and randomness are arguments, so both surfaces share it and a test can replay it.
//!
//! # A fair share
//!
//! The share is the number of partitions divided by the number of active owners: those with at least one
//! unexpired record, and this consumer itself. If the division leaves a remainder, that many owners have one more.
//! A partition is free if it has no record, a released one (no owner), or an expired one. Free partitions are
//! taken first; then partitions of owners above their share, the most loaded first and none below its share. In
//! a settled fleet, where the counts differ by at most one, nothing moves. Owner ids are compared exactly: two
//! running consumers must never have the same one, and a restarted consumer that kept its id goes on with its
//! records.
//!
//! Records without an [`ETag`](crate::ETag) are never stolen: the read fallback of a store lists those of the other
//! naming so, and their owner would not learn of a claim under the own one. They count for their owner until they
//! expire, so a fleet of two namings may stay uneven.
//!
//! A free partition is normally left to the consumer whose share it belongs to. One that nobody took for an
//! interval beyond the expiration is taken by any consumer, above the share if need be (by a
//! [`Balanced`](crate::ownership::BalanceStrategy::Balanced) one as its one partition of the round): partitions without an owner are worse
//! than uneven ones. So a partition that was added to the event hub is read although others do not know of it.
//!
//! # How fast a fleet settles
//!
//! A greedy fleet is even after three rounds of each member at the latest, whatever its size; a balanced consumer needs
//! as many rounds as it lacks partitions. What a simulation of fleets with the default numbers showed, in which half of
//! the consumers start at one moment, the other half joins at one moment, and a quarter crashes without a word:
//!
//! | consumers × partitions | rounds until even: start, join | moves above the least, after the join | free after the crash | two owners after a steal | two owners after an expiry |
//! |---|---|---|---|---|---|
//! | 3 × 8, greedy | 2, 1 | 0 | 131 s | 14 s | never |
//! | 16 × 100, greedy | 2, 2 | 10 | 132 s | 15 s | never |
//! | 64 × 64, greedy | 2, 1 | 0 | 120 s | 14 s | never |
//! | 64 × 2,000, greedy | 3, 2 | 163 | 130 s | 15 s | never |
//! | 16 × 100, balanced | 13, 7 | 0 | 138 s | 14 s | never |
//!
//! # Choosing interval and expiration
//!
//! Consumers of all SDKs may share a consumer group, each with numbers of its own. Two of them must fit:
//!
//! * the *interval* must be at most a quarter of the **shortest expiration** in the fleet, so that two rounds in a
//!   row can fail, or hang until their time limit, before others take our partitions;
//! * the *expiration* must be at least four times the **longest interval** in the fleet, so that we grant others
//!   the same.
//!
//! | SDK, by default | interval | expiration |
//! |---|---|---|
//! | Python | 30 s | 180 s |
//! | .NET, Java | 30 s | 120 s |
//! | JavaScript, Go, C++ | 10 s | 60 s |
//! | the official Rust crate | 30 s | 60 s |
//! | this crate | 15 s | 120 s, and leases for 60 s |
//!
//! So the defaults here fit beside all of them. A renewal costs one write for each partition and interval; in a
//! fleet without 60 s expirations, [`OwnershipOptions::new`](crate::ownership::OwnershipOptions::new) with 30 s and 120 s halves that. An expiration of two intervals
//! or less is refused: a single failed round would give partitions away.
//!
//! # Two owners at a time
//!
//! After a crash or a pause there is never a moment at which two consumers of this crate believe in their ownership: the
//! lease of the former owner ends before others see its record expire. This also holds for a
//! machine that is suspended: the clock of leases goes on meanwhile ([`SystemClock`](crate::SystemClock)). A **steal** is different. The former owner
//! learns of it in its next round, so for up to its interval (until the end of its lease, if its rounds fail) both
//! receive events of the partition. Two things cover that time:
//!
//! * **The owner level (epoch) of the link.** Open each link with one, the same in all consumers: the service disconnects a
//!   reader as soon as another with the same or a higher level arrives. A reader that is disconnected so has been robbed;
//!   it stops without waiting for the next round, does not reconnect by itself, and tells the manager with `note_taken`. If it was
//!   only a link of the past, the next round reports the partition as won again.
//! * **A fence around checkpoints.** Storing a checkpoint replaces whatever is stored, so a late one of the former owner
//!   would move the partition back to an earlier event. A `FencedCheckpointStore`, made by `fenced` of the store, refuses
//!   that one as [stale](crate::UpdateOutcome::Stale). Give it to the manager, too: what a round reads of the
//!   checkpoints is what the fence goes by. Without it events may be processed twice, but none is lost, because every
//!   checkpoint names events that were processed.
//!
//! Steals are rare: only a consumer that joins, or comes back, causes them, and no more than its share.

mod fleet;
mod plan;
mod share;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fastrand::Rng;

use crate::error::Result;
use crate::model::{ConsumerGroup, PartitionOwnership};
use crate::ownership::options::{BalanceStrategy, OwnershipOptions};
use fleet::{Fleet, FreePartition};
pub use plan::{ClaimReason, Plan, PlannedClaim};
use share::{Share, Surplus, surplus};

/// What [`balance`] decides on.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use std::time::{Duration, SystemTime};
/// # use eventhub_checkpointstore::ConsumerGroup;
/// # use eventhub_checkpointstore::ownership::balance::BalanceInput;
/// # use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
/// # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// # let partition_ids = ["0".to_owned()];
/// let mut input = BalanceInput::new(&group, "me", &partition_ids, &[], SystemTime::now());
/// input.options = OwnershipOptions::default().with_strategy(BalanceStrategy::Balanced);
/// // Noted by the caller, list by list.
/// let unclaimed_for = BTreeMap::from([("0".to_owned(), Duration::from_secs(30))]);
/// input.unclaimed_for = &unclaimed_for;
/// input.seed = 42;
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BalanceInput<'a> {
    /// Whose partitions they are; for the first claims.
    pub group: &'a ConsumerGroup,
    /// Who asks.
    pub owner_id: &'a str,
    /// All partitions of the event hub. One that is named twice counts once.
    pub partition_ids: &'a [String],
    /// The listed records. Those of other partitions are ignored; of two for one partition the later counts.
    pub ownerships: &'a [PartitionOwnership],
    /// The server's clock at the listing, [`Listing::server_time`](crate::Listing::server_time).
    pub server_time: SystemTime,
    /// Strategy, interval and expiration; the default ones at first.
    pub options: OwnershipOptions,
    /// For how long the partitions without a record have been seen to have none, by any clock; empty at first. One that
    /// is missing here was not seen before. One that nobody took for an interval beyond the expiration is claimed
    /// whatever the share is, as an expired one of that age.
    pub unclaimed_for: &'a BTreeMap<String, Duration>,
    /// Decides between equally good partitions; give another one in each round. Consumers with the same seed still
    /// choose differently, because their owner ids are mixed in. 0 at first.
    pub seed: u64,
}

impl<'a> BalanceInput<'a> {
    /// What to decide on, with the default options.
    ///
    #[doc = shared_example!("ownership/plan")]
    pub fn new(
        group: &'a ConsumerGroup,
        owner_id: &'a str,
        partition_ids: &'a [String],
        ownerships: &'a [PartitionOwnership],
        server_time: SystemTime,
    ) -> Self {
        static NEVER_SEEN: BTreeMap<String, Duration> = BTreeMap::new();
        Self {
            group,
            owner_id,
            partition_ids,
            ownerships,
            server_time,
            options: OwnershipOptions::default(),
            unclaimed_for: &NEVER_SEEN,
            seed: 0,
        }
    }

    /// FNV-1a over the owner id, started from the seed.
    fn rng(&self) -> Rng {
        let hash = self.owner_id.bytes().fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Rng::with_seed(hash)
    }
}

/// Decides what a consumer should claim in this round.
///
/// A pure function: the same input gives the same plan. See the [module documentation](self) for the rules.
///
/// ```
/// use std::time::SystemTime;
/// use eventhub_checkpointstore::ownership::balance::{BalanceInput, ClaimReason, balance};
/// use eventhub_checkpointstore::{ConsumerGroup, ETag, PartitionOwnership};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let partition_ids: Vec<String> = (0..4).map(|id| id.to_string()).collect();
/// let now = SystemTime::now();
/// // Another consumer owns 0, 1 and 2; nobody owns 3.
/// let listed = ["0", "1", "2"]
///     .map(|id| Ok(PartitionOwnership::new(&group, id, "other")?.with_etag(ETag::new("0x1")?).with_last_modified(now)))
///     .into_iter()
///     .collect::<Result<Vec<_>, eventhub_checkpointstore::Error>>()?;
///
/// let plan = balance(&BalanceInput::new(&group, "me", &partition_ids, &listed, now))?;
/// assert_eq!((plan.active_owners, plan.share), (2, 2));
/// assert_eq!(plan.claim[0].partition_id(), "3");
/// assert_eq!(plan.steal[0].reason, ClaimReason::Stolen { from: "other".to_owned() });
/// assert_eq!(plan.steal[0].ownership.etag(), Some(&ETag::new("0x1")?));
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the owner id or the id of a partition to be claimed
/// cannot be stored, as in [`PartitionOwnership::new`].
pub fn balance(input: &BalanceInput<'_>) -> Result<Plan> {
    let mut rng = input.rng();
    let mut fleet = Fleet::survey(input);
    rng.shuffle(&mut fleet.free);
    fleet.free.sort_by_key(|free| !free.overdue);
    let share = Share::of(&fleet);

    let is_greedy = input.options.strategy() == BalanceStrategy::Greedy;
    // A balanced consumer moves one partition per round, whatever the need.
    let limit = if is_greedy { usize::MAX } else { 1 };
    let missing = share.own.saturating_sub(fleet.mine.len());
    let needed = missing.min(limit);
    let (claim, free_left) = fleet.free.split_at(claims_now(&fleet.free, needed, limit));
    let surplus = surplus(&fleet.others, &share, &mut rng);
    let steals = needed.saturating_sub(claim.len()).min(surplus.len());
    let (steal, surplus_left) = surplus.split_at(steals);

    Ok(Plan {
        renew: fleet.mine.iter().map(|mine| PlannedClaim::renewal(mine)).collect(),
        claim: claim.iter().map(|free| free.claim(input)).collect::<Result<_>>()?,
        steal: steal.iter().map(|one| one.claim(input)).collect::<Result<_>>()?,
        spare: if is_greedy && missing > 0 {
            spare(input, free_left, surplus_left)?
        } else {
            Vec::new()
        },
        needed,
        free: fleet.free.len(),
        active_owners: fleet.active_owners(),
        share: share.own,
    })
}

/// What is needed, and what is overdue although it is not needed; the overdue ones stand first.
fn claims_now(free: &[FreePartition<'_>], needed: usize, limit: usize) -> usize {
    let overdue = free.iter().take_while(|free| free.overdue).count();
    needed.max(overdue).min(limit).min(free.len())
}

/// Free ones first.
fn spare(
    input: &BalanceInput<'_>,
    free: &[FreePartition<'_>],
    surplus: &[Surplus<'_>],
) -> Result<Vec<PlannedClaim>> {
    let steals = surplus.iter().map(|one| one.claim(input));
    free.iter().map(|one| one.claim(input)).chain(steals).collect()
}

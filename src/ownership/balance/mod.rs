//! Load balancing: which consumer should own which partition, and for how long.
//!
//! Everything here is pure: no requests, no clock, no threads. [`balance`] turns a listing into a plan of what to renew,
//! claim and steal, each with its reason. [`Leases`](crate::ownership::Leases) tracks until when each partition is owned.
//! Time and randomness are arguments, so both surfaces share the code, and a test can replay any decision.
//!
//! # A fair share
//!
//! The share is the number of partitions divided by the number of active owners: those with at least one
//! unexpired record, and this consumer itself. If the division leaves a remainder, that many owners have one more.
//! A partition is free if it has no record, a released one (no owner), or an expired one. Free partitions are
//! taken first; then partitions of owners above their share, the most loaded first and none below its share. In
//! a settled fleet, where the counts differ by at most one, nothing moves. Owner ids are compared exactly: two
//! running consumers must never have the same one, and a restarted consumer that keeps its id continues with its records.
//!
//! Records without an [`ETag`](crate::ETag) are never stolen. The read fallback of a store lists records of the other
//! naming in this way, and their owner would not learn of a claim under this store's naming. They count for their owner
//! until they expire, so a fleet with two namings may stay uneven.
//!
//! A free partition is normally left to the consumer whose share it belongs to. If nobody takes it for an interval beyond
//! the expiration, any consumer takes it, even above its share, because a partition without an owner is worse than an
//! uneven fleet. (For a [`Balanced`](crate::ownership::BalanceStrategy::Balanced) consumer it counts as the one partition
//! of the round.) A partition that was added to the event hub is therefore read even if other consumers do not know about it.
//!
//! # How fast a fleet settles
//!
//! A greedy fleet is even after at most three rounds of each member, whatever its size. A balanced consumer needs as many
//! rounds as it lacks partitions. The table shows a simulation of fleets with the default options. Half of the consumers
//! start together, the other half joins together, and then a quarter crashes:
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
//! Consumers of all SDKs may share a consumer group, each with its own settings. Two rules must hold:
//!
//! * the *interval* must be at most a quarter of the **shortest expiration** in the fleet, so that two rounds in a row can
//!   fail, or hang until their time limit, before other consumers take over our partitions;
//! * the *expiration* must be at least four times the **longest interval** in the fleet, so that we give other consumers
//!   the same chance.
//!
//! | SDK, by default | interval | expiration |
//! |---|---|---|
//! | Python | 30 s | 180 s |
//! | .NET, Java | 30 s | 120 s |
//! | JavaScript, Go, C++ | 10 s | 60 s |
//! | the official Rust crate | 30 s | 60 s |
//! | this crate | 15 s | 120 s, and leases for 60 s |
//!
//! The defaults of this crate are therefore compatible with all of them. Each partition costs one write per interval. In a
//! fleet without 60 s expirations, [`OwnershipOptions::new`](crate::ownership::OwnershipOptions::new) with 30 s and 120 s
//! halves that cost. An expiration of two intervals or less is refused, because a single failed round would give partitions
//! away.
//!
//! # Two owners at a time
//!
//! After a crash or a pause, two consumers of this crate never own a partition at the same time: the lease of the former
//! owner ends before other consumers see its record expire. This also holds if a machine is suspended, because the clock of
//! leases keeps running ([`SystemClock`](crate::SystemClock)). A **steal** is different. The former owner learns of it in
//! its next round, so for up to one interval (or until the end of its lease, if its rounds fail) both receive events of the
//! partition. Two mechanisms cover that time:
//!
//! * **The owner level (epoch) of the link.** Open each link with an owner level, the same in all consumers. The service
//!   disconnects a reader as soon as another one with the same or a higher level arrives. The disconnected reader has lost
//!   the partition: it stops without waiting for the next round, does not reconnect, and calls `note_taken` of the manager.
//!   If only an old link of the same consumer was in the way, the next round reports the partition as won again.
//! * **A fence around checkpoints.** Storing a checkpoint replaces whatever is stored, so a late checkpoint of the former
//!   owner would move the partition back to an earlier event. A `FencedCheckpointStore`, created with `fenced` of the
//!   store, refuses it as [stale](crate::UpdateOutcome::Stale). Pass the fenced store to the manager too, because the fence
//!   relies on the checkpoints that a round reads. Without the fence, events may be processed twice, but none is lost:
//!   every checkpoint names events that were processed.
//!
//! Steals are rare: only a consumer that joins or returns causes them, and never more than its share.

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

/// The input of [`balance`].
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
    /// The consumer group, for first claims.
    pub group: &'a ConsumerGroup,
    /// The owner id of this consumer.
    pub owner_id: &'a str,
    /// All partitions of the event hub. Duplicates count once.
    pub partition_ids: &'a [String],
    /// The listed records. Records of other partitions are ignored. If a partition has two, the later one counts.
    pub ownerships: &'a [PartitionOwnership],
    /// The server's clock at the listing, [`Listing::server_time`](crate::Listing::server_time).
    pub server_time: SystemTime,
    /// Strategy, interval and expiration. Initially the defaults.
    pub options: OwnershipOptions,
    /// How long each partition without a record has been seen without one, by any clock. Initially empty; a partition that
    /// is missing here was not seen before. A partition that nobody took for an interval beyond the expiration is claimed
    /// regardless of the share, like an expired one of that age.
    pub unclaimed_for: &'a BTreeMap<String, Duration>,
    /// Decides between equally good partitions. Use another seed in each round. Consumers with the same seed still choose
    /// differently, because their owner ids are mixed in. Initially 0.
    pub seed: u64,
}

impl<'a> BalanceInput<'a> {
    /// Creates an input with the default options.
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

/// Returns how many free partitions to claim now: those needed for the share, and all overdue ones, which come first.
fn claims_now(free: &[FreePartition<'_>], needed: usize, limit: usize) -> usize {
    let overdue = free.iter().take_while(|free| free.overdue).count();
    needed.max(overdue).min(limit).min(free.len())
}

/// Free partitions come first.
fn spare(
    input: &BalanceInput<'_>,
    free: &[FreePartition<'_>],
    surplus: &[Surplus<'_>],
) -> Result<Vec<PlannedClaim>> {
    let steals = surplus.iter().map(|one| one.claim(input));
    free.iter().map(|one| one.claim(input)).chain(steals).collect()
}

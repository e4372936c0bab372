//! The order in which a round sends its claims, and the time limit of each.
//!
//! A claim that hangs occupies its slot until its limit. The remaining slots and the remaining time must then go to other
//! claims first, but nobody knows in advance which claims will hang. Therefore:
//!
//! - Each claim has its own limit, a third of the time of a round.
//! - Partitions whose last claim failed are suspects. They go last, and get a quarter of the slots while others wait.
//! - Once as many claims have stalled as there are slots, the others share the remaining time evenly. All of them are then
//!   tried within two rounds, before a lease ends. (The shortest share leaves room for about 60 claims per slot.)
//! - Leases that would end before the next round are renewed first, then new partitions are claimed, then the other leases
//!   are renewed. If the time does not suffice for all, different renewals are left out in each round.
//! - A claim is not sent if even the fastest claim of the round would not fit into the remaining time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::Leases;
use super::balance::{ClaimReason, Plan, PlannedClaim};
use crate::error::{Error, ErrorKind};
use crate::model::ClaimOutcome;

/// The divisor of a round's time that gives the limit of one claim.
const CLAIM_PART: u32 = 3;
/// The shortest limit, however short the round is: a TLS handshake takes a few round trips.
const SHORTEST_LIMIT: Duration = Duration::from_secs(1);
/// The divisor of a claim's limit that gives what it always gets, however many claims wait.
const LEAST_PART: u32 = 20;
/// A claim that takes up to this many times the fastest claim of the round is slow, not stalled.
const SLOWNESS: u32 = 4;
/// The divisor of the slots that gives the suspects' share while others wait.
const SUSPECT_PART: usize = 4;

/// The partitions whose last claim or renewal failed.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: BTreeMap<String, Failures>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    /// The number of failures in a row.
    count: u32,
    /// The last claim used up its limit.
    stalled: bool,
}

impl Health {
    pub(super) fn note(&mut self, partition_id: &str, outcome: &ClaimOutcome) {
        if let ClaimOutcome::Failed(_, error) = outcome {
            let failures = self.failures.entry(partition_id.to_owned()).or_default();
            failures.count = failures.count.saturating_add(1);
            failures.stalled = error.kind() == ErrorKind::Timeout;
        } else {
            self.failures.remove(partition_id);
        }
    }

    fn count(&self, partition_id: &str) -> u32 {
        self.failures.get(partition_id).map_or(0, |failures| failures.count)
    }

    fn has_stalled(&self, partition_id: &str) -> bool {
        self.failures.get(partition_id).is_some_and(|failures| failures.stalled)
    }
}

/// The resources of one round's claims.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// The maximum number of concurrent claims.
    pub(crate) slots: usize,
    /// The time limit of the whole round.
    pub(crate) round: Duration,
    /// The deadline of the last claim.
    pub(crate) end: Instant,
}

#[derive(Debug)]
pub(crate) struct ClaimQueue {
    slots: usize,
    limit: Duration,
    end: Instant,
    trusted: VecDeque<PlannedClaim>,
    suspect: VecDeque<PlannedClaim>,
    spare: VecDeque<PlannedClaim>,
    /// The number of partitions to win besides the renewed ones, and the number of claims that may still win or have
    /// failed.
    needed: usize,
    counted: usize,
    suspects_under_way: usize,
    stalled: usize,
    /// The time of the fastest claim that got a response.
    fastest: Duration,
}

/// A claim in flight.
#[derive(Debug)]
pub(crate) struct ClaimUnderWay {
    pub(crate) claim: PlannedClaim,
    pub(crate) started: Instant,
    /// The time limit, counted from `started`.
    pub(crate) limit: Duration,
    is_suspect: bool,
}

impl ClaimUnderWay {
    pub(super) fn is_renewal(&self) -> bool {
        self.claim.reason == ClaimReason::Renewal
    }
}

impl ClaimQueue {
    pub(super) fn new(
        plan: Plan,
        health: &Health,
        leases: &Leases,
        budget: Budget,
        now: Instant,
    ) -> Self {
        // A lease that ends later than this can still be renewed by the next round, even if its list hangs.
        let urgent_until = now + budget.round * 2;
        let is_known = |claim: &PlannedClaim| leases.owned_until(claim.partition_id()).is_some();
        let is_urgent = |claim: &PlannedClaim| {
            leases.owned_until(claim.partition_id()).is_some_and(|end| end < urgent_until)
        };
        let (urgent, renewals): (Vec<_>, Vec<_>) = plan.renew.into_iter().partition(is_urgent);
        let (renewals, unknown): (Vec<_>, Vec<_>) = renewals.into_iter().partition(is_known);
        let counted = plan.claim.len() + plan.steal.len();
        let all = urgent.into_iter().chain(unknown).chain(plan.claim).chain(plan.steal);
        let (suspect, trusted): (Vec<_>, Vec<_>) =
            all.chain(renewals).partition(|claim| health.count(claim.partition_id()) > 0);
        let mut suspect = VecDeque::from(suspect);
        suspect.make_contiguous().sort_by_cached_key(|claim| health.count(claim.partition_id()));
        let stalled =
            suspect.iter().filter(|claim| health.has_stalled(claim.partition_id())).count();
        let mut spare = plan.spare;
        spare.sort_by_cached_key(|claim| health.count(claim.partition_id()));
        Self {
            slots: budget.slots.max(1),
            limit: (budget.round / CLAIM_PART).max(SHORTEST_LIMIT),
            end: budget.end,
            trusted: trusted.into(),
            suspect,
            spare: spare.into(),
            needed: plan.needed,
            counted,
            suspects_under_way: 0,
            stalled,
            fastest: Duration::ZERO,
        }
    }

    /// Returns the number of waiting claims, which bounds the number in flight.
    pub(crate) fn slots(&self) -> usize {
        self.slots.min(self.trusted.len() + self.suspect.len())
    }

    /// Returns the next claim to send, or `None` if none is left or no time remains.
    pub(crate) fn next(&mut self, now: Instant) -> Option<ClaimUnderWay> {
        let left = self.end.saturating_duration_since(now);
        if left.is_zero() || left < self.fastest {
            return None;
        }
        let has_share = self.suspects_under_way < self.slots / SUSPECT_PART;
        let suspect =
            if has_share || self.trusted.is_empty() { self.suspect.pop_front() } else { None };
        let is_suspect = suspect.is_some();
        let limit = if is_suspect { self.limit } else { self.limit_of_trusted(left) };
        let claim = suspect.or_else(|| self.trusted.pop_front())?;
        self.suspects_under_way += usize::from(is_suspect);
        Some(ClaimUnderWay { claim, started: now, limit: limit.min(left), is_suspect })
    }

    /// Returns the whole limit, unless so many claims have stalled that the waiting ones might never be tried.
    fn limit_of_trusted(&self, left: Duration) -> Duration {
        if self.stalled < self.slots {
            return self.limit;
        }
        let in_rows = self.trusted.len().div_ceil(self.slots).max(1);
        let fair = left / u32::try_from(in_rows).unwrap_or(u32::MAX);
        fair.max(self.limit / LEAST_PART).max(self.fastest * SLOWNESS).min(self.limit)
    }

    /// Frees the place of a claim that was not sent after all.
    pub(super) fn drop_claim(&mut self, dropped: &ClaimUnderWay) {
        self.suspects_under_way -= usize::from(dropped.is_suspect);
    }

    /// Records the outcome of a claim. A lost claim is replaced by an equally good one. A failed claim is not: it may have
    /// been applied.
    pub(super) fn end(&mut self, ended: &ClaimUnderWay, outcome: &ClaimOutcome, now: Instant) {
        self.suspects_under_way -= usize::from(ended.is_suspect);
        if let ClaimOutcome::Failed(_, error) = outcome {
            // A claim that had stalled before was already counted.
            self.stalled += usize::from(!ended.is_suspect && error.kind() == ErrorKind::Timeout);
            return;
        }
        let took = now.saturating_duration_since(ended.started);
        if self.fastest.is_zero() || took < self.fastest {
            self.fastest = took;
        }
        if matches!(outcome, ClaimOutcome::Lost(..)) && !ended.is_renewal() {
            self.counted -= 1;
            if self.counted < self.needed
                && let Some(spare) = self.spare.pop_front()
            {
                self.counted += 1;
                self.trusted.push_back(spare);
            }
        }
    }

    /// Returns the claims that were not sent for lack of time.
    pub(super) fn into_unsent(self) -> impl Iterator<Item = PlannedClaim> {
        self.trusted.into_iter().chain(self.suspect)
    }
}

/// The error of a claim that was not sent.
pub(super) fn no_time_for(partition_id: &str) -> Error {
    let text = format!("partition {partition_id:?}: this round had no time left to claim it");
    Error::new(ErrorKind::Timeout, text)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::{ConsumerGroup, ETag, PartitionOwnership};
    use crate::ownership::OwnershipOptions;

    /// A consumer that renews its partitions in model time, some of which never respond.
    struct Consumer {
        slots: usize,
        now: Instant,
        /// The response time of a partition; `None` if it never responds.
        latency: Vec<Option<Duration>>,
        renewed: Vec<Duration>,
        start: Instant,
        leases: Leases,
        health: Health,
        lapsed: Vec<usize>,
    }

    const ROUND: Duration = Duration::from_secs(15);

    fn renewal(index: usize) -> PlannedClaim {
        let group = ConsumerGroup::new("ns", "hub", "$Default").unwrap();
        let record = PartitionOwnership::new(&group, index.to_string(), "me").unwrap();
        let record = record.with_etag(ETag::new("1").unwrap());
        PlannedClaim { ownership: record, reason: ClaimReason::Renewal }
    }

    impl Consumer {
        fn new(slots: usize, latency: Vec<Option<Duration>>) -> Self {
            let start = Instant::now();
            let mut leases = Leases::new(&OwnershipOptions::default());
            for index in 0..latency.len() {
                leases.grant(index.to_string(), start);
            }
            Self {
                slots,
                now: start + ROUND,
                renewed: vec![Duration::ZERO; latency.len()],
                latency,
                start,
                leases,
                health: Health::default(),
                lapsed: Vec::new(),
            }
        }

        fn plan(&self) -> Plan {
            let group = ConsumerGroup::new("ns", "hub", "$Default").unwrap();
            let none: [String; 0] = [];
            let input = crate::ownership::balance::BalanceInput::new(
                &group,
                "me",
                &none,
                &[],
                SystemTime::UNIX_EPOCH,
            );
            let mut plan = crate::ownership::balance::balance(&input).unwrap();
            let mut mine: Vec<_> = (0..self.latency.len()).collect();
            // In the order of a list. Among equally old ones, those that hang come first.
            mine.sort_by_key(|index| (self.renewed[*index], self.latency[*index].is_some()));
            plan.renew = mine.into_iter().map(renewal).collect();
            plan
        }

        fn round(&mut self) {
            let begun = self.now;
            let budget = Budget { slots: self.slots, round: ROUND, end: begun + ROUND / 4 * 3 };
            let plan = self.plan();
            let mut queue = ClaimQueue::new(plan, &self.health, &self.leases, budget, begun);
            let mut under_way: Vec<(Instant, ClaimUnderWay, ClaimOutcome)> = Vec::new();
            loop {
                while under_way.len() < self.slots
                    && let Some(claim) = queue.next(self.now)
                {
                    under_way.push(self.send(claim));
                }
                let Some(first) = (0..under_way.len()).min_by_key(|at| under_way[*at].0) else {
                    break;
                };
                let (end, claim, outcome) = under_way.swap_remove(first);
                self.now = end;
                self.health.note(claim.claim.partition_id(), &outcome);
                if let ClaimOutcome::Claimed(record) = &outcome {
                    self.leases.grant(record.partition_id(), claim.started);
                    let index: usize = record.partition_id().parse().unwrap();
                    self.renewed[index] = claim.started - self.start;
                }
                queue.end(&claim, &outcome, self.now);
                self.note_lapsed();
            }
            assert!(self.now <= budget.end, "a round must end in time");
            self.now = self.now.max(begun + ROUND);
            self.note_lapsed();
        }

        fn send(&self, claim: ClaimUnderWay) -> (Instant, ClaimUnderWay, ClaimOutcome) {
            let index: usize = claim.claim.partition_id().parse().unwrap();
            let record = claim.claim.ownership.clone();
            if let Some(latency) = self.latency[index].filter(|latency| *latency <= claim.limit) {
                return (self.now + latency, claim, ClaimOutcome::Claimed(record));
            }
            let outcome = ClaimOutcome::Failed(record, Error::new(ErrorKind::Timeout, "it hangs"));
            (self.now + claim.limit, claim, outcome)
        }

        fn note_lapsed(&mut self) {
            for revocation in self.leases.take_revoked(self.now) {
                self.lapsed.push(revocation.partition_id.parse().unwrap());
            }
        }

        /// For several leases.
        fn assert_that_responsive_partitions_are_kept(mut self) {
            let named = format!("{} slots, {:?}", self.slots, &self.latency[..2]);
            for _ in 0..16 {
                self.round();
            }
            let healthy = self.lapsed.iter().filter(|index| self.latency[**index].is_some());
            let (healthy, all) = (healthy.count(), self.latency.iter().flatten().count());
            assert_eq!(healthy, 0, "of {all} of {} with {named}", self.latency.len());
        }
    }

    fn partly_hung(hung: usize, healthy: usize, latency: u64) -> Vec<Option<Duration>> {
        let healthy = vec![Some(Duration::from_millis(latency)); healthy];
        [vec![None; hung], healthy].concat()
    }

    #[test]
    fn responsive_partitions_are_kept_beside_hung_ones_with_any_number_of_slots() {
        for slots in [1, 2, 3, 4, 8, 16, 64] {
            Consumer::new(slots, partly_hung(16, 16, 5))
                .assert_that_responsive_partitions_are_kept();
        }
        for hung in 0..=31 {
            for slots in [1, 2, 16] {
                let latency = partly_hung(hung, 32 - hung, 5);
                Consumer::new(slots, latency).assert_that_responsive_partitions_are_kept();
            }
        }
        for (slots, hung) in [(16, 100), (16, 500), (16, 900), (4, 60), (64, 900)] {
            let latency = partly_hung(hung, 1000 - hung, 5);
            Consumer::new(slots, latency).assert_that_responsive_partitions_are_kept();
        }
    }

    /// Nothing hangs, but a round has too little time for all claims.
    #[test]
    fn slow_partitions_take_turns() {
        for (slots, partitions, latency) in [(16, 64, 4_000), (16, 1024, 300), (1, 32, 300)] {
            let latency = partly_hung(0, partitions, latency);
            Consumer::new(slots, latency).assert_that_responsive_partitions_are_kept();
        }
    }

    /// A slow claim is not treated as a hanging one, even if its limit was short once.
    #[test]
    fn slow_partitions_are_renewed_among_hung_ones() {
        for slots in [4, 16] {
            let latency = partly_hung(slots, 16, 1_200);
            Consumer::new(slots, latency).assert_that_responsive_partitions_are_kept();
        }
    }
}

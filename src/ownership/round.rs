use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{StartingPosition, StartingPositions};
use crate::balance::{
    BalanceInput, ClaimReason, Leases, OwnershipOptions, Plan, PlannedClaim, Revocation,
    RevocationCause, balance,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ClaimOutcome, Claims, ConsumerGroup, Listing, PartitionOwnership};

/// A partition that is newly owned, and where its reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WonPartition {
    /// The id of the partition.
    pub partition_id: String,
    /// The stored checkpoint, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// The event after the checkpoint, else the configured start.
    pub start: StartingPosition,
}

/// A claim that failed; it is neither won nor lost. A renewal leaves the lease as it was.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedClaim {
    /// What was to be claimed, and why.
    pub claim: PlannedClaim,
    /// Why it failed.
    pub error: Error,
}

/// What a round did.
#[derive(Debug)]
#[must_use = "won partitions are to be read, revoked ones to be left"]
#[non_exhaustive]
pub struct Round {
    /// The partitions that may be worked on now, sorted.
    pub owned: Vec<String>,
    /// Those of them that are new, with their starting positions: begin to read them.
    pub won: Vec<WonPartition>,
    /// Those that may no longer be worked on: stop reading them before you begin with [`won`](Self::won), because a
    /// partition that ended and was won again is in both. Each is reported once.
    pub revoked: Vec<Revocation>,
    /// Claims that another consumer won.
    pub lost: Vec<PlannedClaim>,
    /// Claims that failed.
    pub failed: Vec<FailedClaim>,
    /// When the next round is due, from now: an interval after the start of this one, less some jitter, which keeps
    /// consumers from acting in step. Zero if this round took longer than that.
    pub next_round_in: Duration,
    /// The consumers that own something, this one included, as of this round's listing.
    pub active_owners: usize,
    /// How many partitions this consumer should own, as of this round's listing.
    pub share: usize,
}

/// What an `OwnershipManager` knows, without any I/O.
#[derive(Debug)]
pub(crate) struct RoundState {
    group: ConsumerGroup,
    owner_id: String,
    options: OwnershipOptions,
    positions: StartingPositions,
    leases: Leases,
    /// The newest known versions of what this consumer claimed, its leases over or not: for relinquishing.
    records: BTreeMap<String, PartitionOwnership>,
    /// Owned, but not yet reported as won, because their checkpoints could not be read.
    unstarted: BTreeSet<String>,
    /// Found by a round, and not yet reported.
    revoked: Vec<Revocation>,
    /// How many calls are giving everything up now; what a round still wins meanwhile is for them.
    stopping: usize,
    seed: u64,
}

/// What came of the claims of one plan.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lost: Vec<PlannedClaim>,
    pub(crate) failed: Vec<FailedClaim>,
    /// Won besides the renewals.
    pub(crate) won: usize,
    /// Lost besides the renewals, so that spares may take their places.
    pub(crate) replaceable: usize,
}

impl RoundState {
    pub(crate) fn new(
        group: ConsumerGroup,
        owner_id: String,
        options: OwnershipOptions,
        positions: StartingPositions,
        seed: u64,
    ) -> Result<Self> {
        // An owner id that cannot be stored is refused now, not in the first round.
        PartitionOwnership::new(&group, "0", owner_id.as_str())?;
        let leases = Leases::new(&options);
        Ok(Self {
            group,
            owner_id,
            options,
            positions,
            leases,
            records: BTreeMap::new(),
            unstarted: BTreeSet::new(),
            revoked: Vec::new(),
            stopping: 0,
            seed,
        })
    }

    pub(crate) fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    pub(crate) fn owner_id(&self) -> &str {
        &self.owner_id
    }

    pub(crate) fn options(&self) -> &OwnershipOptions {
        &self.options
    }

    /// Takes in a listing and decides.
    ///
    /// What ended is noted before anything is claimed: a partition that was lost and is won again in one round must be
    /// read anew from its checkpoint.
    pub(crate) fn plan(
        &mut self,
        partition_ids: &[String],
        listing: Listing<PartitionOwnership>,
        now: Instant,
    ) -> Result<Plan> {
        let server_time = listing.server_time();
        let listed = self.newest(listing);
        self.leases.observe(&self.owner_id, &listed);
        self.note_revoked(now);
        let mut input =
            BalanceInput::new(&self.group, &self.owner_id, partition_ids, &listed, server_time);
        input.options = self.options;
        input.seed = self.seed;
        self.seed = self.seed.wrapping_add(1);
        let plan = balance(&input)?;
        // A renewal whose answer was lost has made a version that only the list shows.
        for renewal in &plan.renew {
            let record = renewal.ownership.clone();
            self.records.insert(record.partition_id().to_owned(), record);
        }
        Ok(plan)
    }

    /// The listed records; a secondary may show one as it was before we claimed it.
    ///
    /// Forgets what is another's now.
    fn newest(&mut self, listing: Listing<PartitionOwnership>) -> Vec<PartitionOwnership> {
        let mut listed = listing.into_items();
        for record in &mut listed {
            let Some(known) = self.records.get(record.partition_id()) else { continue };
            if known.last_modified() > record.last_modified() {
                known.clone_into(record);
            } else if record.owner_id() != Some(&*self.owner_id) {
                self.records.remove(record.partition_id());
            }
        }
        listed
    }

    /// Takes in the outcomes, known now, of claims whose requests were started at that moment at the earliest.
    ///
    /// A lease that ended meanwhile was over for whoever asked, so it is revoked and won anew, not prolonged.
    pub(crate) fn settle(
        &mut self,
        claims: Vec<PlannedClaim>,
        outcomes: Claims,
        (started, now): (Instant, Instant),
        tally: &mut Tally,
    ) {
        self.note_revoked(now);
        let mut outcomes = outcomes.into_iter();
        for claim in claims {
            let renewal = claim.reason == ClaimReason::Renewal;
            match outcomes.next().unwrap_or_else(|| unanswered(&claim)) {
                ClaimOutcome::Claimed(record) => {
                    let partition_id = claim.partition_id().to_owned();
                    if self.stopping == 0 && self.leases.grant(&*partition_id, started) {
                        self.unstarted.insert(partition_id.clone());
                    }
                    self.records.insert(partition_id, record);
                    tally.won += usize::from(!renewal);
                }
                ClaimOutcome::Lost(_) => {
                    self.leases.lose(claim.partition_id());
                    tally.replaceable += usize::from(!renewal);
                    tally.lost.push(claim);
                }
                ClaimOutcome::Failed(_, error) => tally.failed.push(FailedClaim { claim, error }),
            }
        }
    }

    /// Whether checkpoints must be read to say where reading begins.
    pub(crate) fn has_unstarted(&self, now: Instant) -> bool {
        self.unstarted.iter().any(|partition_id| self.leases.is_owned(partition_id, now))
    }

    /// The owned partitions that were not reported yet, with the positions that the checkpoints say.
    pub(crate) fn start(
        &mut self,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
        now: Instant,
    ) -> Vec<WonPartition> {
        self.note_revoked(now);
        let mut stored: BTreeMap<String, Checkpoint> = checkpoints
            .into_iter()
            .map(|checkpoint| (checkpoint.partition_id().to_owned(), checkpoint))
            .collect();
        std::mem::take(&mut self.unstarted)
            .into_iter()
            .map(|partition_id| {
                let checkpoint = stored.remove(&partition_id);
                let start = checkpoint.as_ref().and_then(StartingPosition::after);
                let start = start.unwrap_or_else(|| self.positions.of(&partition_id).clone());
                WonPartition { partition_id, checkpoint, start }
            })
            .collect()
    }

    /// Each revocation once.
    pub(crate) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        self.note_revoked(now);
        std::mem::take(&mut self.revoked)
    }

    /// What was never reported as won is not reported as revoked. The record of a lapsed lease is kept: it may still
    /// be ours to relinquish.
    fn note_revoked(&mut self, now: Instant) {
        for revocation in self.leases.take_revoked(now) {
            if revocation.cause == RevocationCause::Taken {
                self.records.remove(&revocation.partition_id);
            }
            if !self.unstarted.remove(&revocation.partition_id) {
                self.revoked.push(revocation);
            }
        }
    }

    pub(crate) fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.leases.is_owned(partition_id, now) && !self.unstarted.contains(partition_id)
    }

    pub(crate) fn owned(&self, now: Instant) -> Vec<String> {
        let owned = self.leases.owned(now).filter(|id| !self.unstarted.contains(*id));
        let mut owned: Vec<_> = owned.map(str::to_owned).collect();
        owned.sort();
        owned
    }

    /// From now on nothing is owned, whatever a round that still waits may win, until
    /// [`end_stop`](Self::end_stop). What is given up on purpose is not reported.
    pub(crate) fn begin_stop(&mut self) {
        self.stopping += 1;
        self.leases = Leases::new(&self.options);
        self.unstarted.clear();
    }

    pub(crate) fn end_stop(&mut self) {
        self.stopping -= 1;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping > 0
    }

    /// The records that may be ours.
    pub(crate) fn records(&self) -> Vec<PartitionOwnership> {
        self.records.values().cloned().collect()
    }

    /// Forgets what was relinquished, or was another's; what failed can be tried again.
    pub(crate) fn settle_relinquished(&mut self, outcomes: &Claims) {
        for outcome in outcomes {
            if !matches!(outcome, ClaimOutcome::Failed(..)) {
                self.records.remove(outcome.partition_id());
            }
        }
    }
}

/// A claim for which the round had no time left; nothing was sent.
fn unanswered(claim: &PlannedClaim) -> ClaimOutcome {
    ClaimOutcome::Failed(claim.ownership.clone(), out_of_time())
}

/// Nothing was sent, because there is no time left for an answer.
pub(crate) fn out_of_time() -> Error {
    Error::new(ErrorKind::Timeout, "no time is left for a request")
}

//! What a round tells, and what it has found out so far.

use std::time::Duration;

use super::balance::PlannedClaim;
use super::claim_queue::{ClaimQueue, no_time_for};
use super::stop::RoundToken;
use super::{Revocation, StartingPosition};
use crate::error::{Error, ErrorKind};
use crate::model::{Checkpoint, ClaimOutcome, PartitionOwnership};

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

/// A partition that was won, but of which nobody could say where reading begins.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnstartedPartition {
    /// The id of the partition.
    pub partition_id: String,
    /// Why its checkpoint could not be read.
    pub error: Error,
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
    /// Those that were won, but cannot be started because their checkpoints could not be read. The next rounds try again; what
    /// could not be started for an expiration is relinquished, and left to other consumers for as long.
    pub unstarted: Vec<UnstartedPartition>,
    /// The partitions whose records name this consumer in a version that it did not write: another process is running
    /// with the same owner id, and both work on these partitions. Each round logs it as a warning, too.
    pub same_owner_id: Vec<String>,
    /// Claims that another consumer won.
    pub lost: Vec<PlannedClaim>,
    /// Claims that failed.
    pub failed: Vec<FailedClaim>,
    /// When the next round is due, from now: an interval after the start of this one, less some jitter, which keeps
    /// consumers from acting in step. Zero if this round took longer than that, or had no time for all its claims.
    pub next_round_in: Duration,
    /// The consumers that own something, this one included, as of this round's listing.
    pub active_owners: usize,
    /// How many partitions this consumer should own, as of this round's listing.
    pub share: usize,
}

/// A round whose claims are under way.
#[derive(Debug)]
pub(crate) struct OpenRound {
    pub(crate) token: RoundToken,
    pub(super) queue: ClaimQueue,
    pub(crate) active_owners: usize,
    pub(crate) share: usize,
    pub(crate) same_owner_id: Vec<String>,
    pub(super) to_relinquish: Vec<PartitionOwnership>,
    lost: Vec<PlannedClaim>,
    failed: Vec<FailedClaim>,
}

/// What came of the claims of a round.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) lost: Vec<PlannedClaim>,
    pub(crate) failed: Vec<FailedClaim>,
    /// There was no time for some.
    pub(crate) is_incomplete: bool,
}

impl OpenRound {
    pub(super) fn new(token: RoundToken, queue: ClaimQueue) -> Self {
        Self {
            token,
            queue,
            active_owners: 0,
            share: 0,
            same_owner_id: Vec::new(),
            to_relinquish: Vec::new(),
            lost: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// How many claims can be under way at most.
    pub(crate) fn slots(&self) -> usize {
        self.queue.slots()
    }

    pub(super) fn note(&mut self, claim: PlannedClaim, outcome: ClaimOutcome) {
        match outcome {
            ClaimOutcome::Claimed(_) => {}
            ClaimOutcome::Lost(..) => self.lost.push(claim),
            ClaimOutcome::Failed(_, error) => self.failed.push(FailedClaim { claim, error }),
        }
    }

    pub(crate) fn into_tally(self) -> (Vec<String>, Tally) {
        let Self { lost, mut failed, queue, same_owner_id, .. } = self;
        let answered = failed.len();
        failed.extend(queue.into_unsent().map(|claim| {
            let error = no_time_for(claim.partition_id());
            FailedClaim { claim, error }
        }));
        (same_owner_id, Tally { lost, is_incomplete: failed.len() > answered, failed })
    }
}

/// What becomes of a record for which there is no time left.
pub(crate) fn unsent(record: PartitionOwnership) -> ClaimOutcome {
    ClaimOutcome::Failed(record, out_of_time())
}

/// Nothing was sent, because there is no time left for a response.
pub(crate) fn out_of_time() -> Error {
    Error::new(ErrorKind::Timeout, "no time is left for a request")
}

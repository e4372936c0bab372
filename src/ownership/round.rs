//! The result of a round, and the state of a round in progress.

use std::time::Duration;

use super::balance::PlannedClaim;
use super::claim_queue::{ClaimQueue, no_time_for};
use super::stop::RoundToken;
use super::{Revocation, StartingPosition};
use crate::error::{Error, ErrorKind};
use crate::model::{Checkpoint, ClaimOutcome, PartitionOwnership};

/// A newly owned partition, with its starting position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WonPartition {
    /// The id of the partition.
    pub partition_id: String,
    /// The stored checkpoint, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// The event after the checkpoint, or the configured start if there is no checkpoint.
    pub start: StartingPosition,
}

/// A partition that was won, but whose starting position could not be determined.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnstartedPartition {
    /// The id of the partition.
    pub partition_id: String,
    /// Why its checkpoint could not be read.
    pub error: Error,
}

/// A claim that failed, so it is neither won nor lost. A failed renewal does not change the lease.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedClaim {
    /// The planned claim, with its reason.
    pub claim: PlannedClaim,
    /// The error.
    pub error: Error,
}

/// The result of a round.
#[derive(Debug)]
#[must_use = "won partitions are to be read, revoked ones to be left"]
#[non_exhaustive]
pub struct Round {
    /// The owned partitions, sorted.
    pub owned: Vec<String>,
    /// The newly owned partitions, with their starting positions. Start reading them.
    pub won: Vec<WonPartition>,
    /// The partitions that are no longer owned. Stop reading them before you start with [`won`](Self::won): a partition
    /// that was lost and won again is in both lists. Each is reported once.
    pub revoked: Vec<Revocation>,
    /// The partitions that were won, but cannot be started because their checkpoints could not be read. The next rounds try
    /// again. A partition that cannot be started for a whole expiration is relinquished, and left to other consumers for as
    /// long.
    pub unstarted: Vec<UnstartedPartition>,
    /// The partitions whose records name this consumer although it did not write them. Another process runs with the same
    /// owner id, and both process these partitions. Each round also logs a warning.
    pub same_owner_id: Vec<String>,
    /// The claims that another consumer won.
    pub lost: Vec<PlannedClaim>,
    /// The claims that failed.
    pub failed: Vec<FailedClaim>,
    /// The pause until the next round: an interval after the start of this one, minus some jitter, which keeps consumers
    /// from acting in step. Zero if this round took longer than that, or had no time for all its claims.
    pub next_round_in: Duration,
    /// The number of consumers that own a partition, including this one, as of this round's listing.
    pub active_owners: usize,
    /// The number of partitions that this consumer should own, as of this round's listing.
    pub share: usize,
}

/// A round whose claims are in flight.
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

/// The outcomes of a round's claims.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) lost: Vec<PlannedClaim>,
    pub(crate) failed: Vec<FailedClaim>,
    /// Some claims were not sent for lack of time.
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

    /// Returns the maximum number of claims in flight.
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
        let sent = failed.len();
        failed.extend(queue.into_unsent().map(|claim| {
            let error = no_time_for(claim.partition_id());
            FailedClaim { claim, error }
        }));
        (same_owner_id, Tally { lost, is_incomplete: failed.len() > sent, failed })
    }
}

/// The outcome of a record for which no time is left.
pub(crate) fn unsent(record: PartitionOwnership) -> ClaimOutcome {
    ClaimOutcome::Failed(record, out_of_time())
}

/// The error if nothing was sent because no time is left for a response.
pub(crate) fn out_of_time() -> Error {
    Error::new(ErrorKind::Timeout, "no time is left for a request")
}

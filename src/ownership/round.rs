//! The result of one round of an `OwnershipManager`.

use std::time::Duration;

use super::balance::PlannedClaim;
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

/// What becomes of a record for which there is no time left.
pub(crate) fn unsent(record: PartitionOwnership) -> ClaimOutcome {
    ClaimOutcome::Failed(record, out_of_time())
}

/// Nothing was sent, because there is no time left for an answer.
pub(crate) fn out_of_time() -> Error {
    Error::new(ErrorKind::Timeout, "no time is left for a request")
}

//! The results of a round of an `OwnershipManager`, its options, and starting positions.
//!
//! The manager itself is in each surface; its documentation shows the loop of a consumer. The module
//! [`balance`](mod@crate::ownership::balance) explains how shares are decided, which interval and expiration to choose, and
//! how long a lease lasts.
//!
//! A partition changes between these states. Each change is reported once:
//!
//! | from | to | when | reported in |
//! |---|---|---|---|
//! | not owned | owned | a claim succeeded, and the checkpoints were read | [`Round::won`] |
//! | owned | owned | a renewal succeeded, or failed before the lease ended | [`Round::owned`] |
//! | owned | not owned | the lease ended, or another consumer has the record | [`Round::revoked`], or `take_revoked` between the rounds |
//! | owned | not owned | `relinquish_all` | its return value |

pub mod balance;
mod claim_queue;
mod holdings;
mod lease;
mod membership;
mod options;
mod records;
mod round;
mod starting_position;
mod state;
mod stop;
mod unclaimed;

pub(crate) use claim_queue::{Budget, ClaimUnderWay};
pub(crate) use holdings::Starts;
pub use lease::{Leases, Revocation, RevocationCause};
pub use options::{BalanceStrategy, OwnershipOptions};
pub use round::{FailedClaim, Round, UnstartedPartition, WonPartition};
pub(crate) use round::{OpenRound, out_of_time, unsent};
pub use starting_position::{StartingPosition, StartingPositions};
pub(crate) use state::{RoundState, shared_owner_id};
pub(crate) use stop::{Released, RoundToken, stopped};

//! What a round of an `OwnershipManager` tells, and where reading of a partition begins.
//!
//! The manager itself stands in each surface; its data is the same in both.

mod round;
mod starting_position;

pub use round::{FailedClaim, Round, WonPartition};
pub(crate) use round::{RoundState, Tally, out_of_time};
pub use starting_position::{StartingPosition, StartingPositions};

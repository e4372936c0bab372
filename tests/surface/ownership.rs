//! The ownership manager: what a round does, and what its owner may believe between the rounds.
//!
//! The time is a model's, so nothing sleeps.

mod azurite;
mod clock;
mod fleet;
mod leases;
mod liveness;
mod model;
mod relinquish;
mod requests;
mod rounds;
mod same_owner_id;
pub mod served;
mod starting;
mod taken;

use eventhub_checkpointstore::ownership::{Revocation, RevocationCause};
use eventhub_checkpointstore::ownership::{Round, WonPartition};

use model::{Act, Call, Consumer, Model};

pub fn partitions(count: usize) -> Vec<String> {
    (0..count).map(|id| id.to_string()).collect()
}

/// The partitions that a round won, which it says in order.
fn won(round: &Round) -> Vec<&str> {
    let won: Vec<_> = round.won.iter().map(|won| won.partition_id.as_str()).collect();
    assert!(won.is_sorted(), "{won:?}");
    won
}

fn revoked(revocations: &[Revocation]) -> Vec<(&str, RevocationCause)> {
    revocations.iter().map(|one| (one.partition_id.as_str(), one.cause)).collect()
}

fn won_partition<'a>(round: &'a Round, partition_id: &str) -> &'a WonPartition {
    round.won.iter().find(|won| won.partition_id == partition_id).unwrap()
}

//! One suite for both surfaces: each root mounts it with its own `maybe_async`, `test` and `subject`.
//!
//! Tests are written as async code. An `.await` cannot stand inside a macro call: bind it first.

mod conformance;
mod counterparts;
mod direct;
mod fence;
mod foreign_metadata;
mod keda;
#[cfg(feature = "legacy")]
mod legacy;
mod leniency;
mod listings;
mod model_check;
pub mod ownership;
mod read_fallback;
mod requests;
mod reset;
mod world;

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, PartitionOwnership};

use super::{at_once, block_on, maybe_async, pause, subject, test};
use crate::support;

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "$Default").unwrap()
}

pub fn ownership(partition_id: &str, owner_id: &str) -> PartitionOwnership {
    PartitionOwnership::new(&group(), partition_id, owner_id).unwrap()
}

pub fn checkpoint(partition_id: &str, offset: &str, sequence_number: i64) -> Checkpoint {
    Checkpoint::new(&group(), partition_id, offset, sequence_number).unwrap()
}

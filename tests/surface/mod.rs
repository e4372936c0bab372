//! One suite for both surfaces: each root mounts it with its own `maybe_async`, `test` and `subject`.
//!
//! Tests are written as async code. An `.await` cannot stand inside a macro call: bind it first.

mod conformance;
mod counterparts;
mod direct;
mod foreign_metadata;
mod listings;
mod model_check;
mod requests;

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, MemoryContainer, PartitionOwnership};

use crate::support::azurite::Azurite;

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

/// The containers of this surface, not created yet: the one in memory, and a new one in Azurite.
pub fn stores() -> Vec<subject::BlobCheckpointStore> {
    let memory = subject::BlobCheckpointStore::from_container(MemoryContainer::not_created());
    let azurite = Azurite::shared();
    let azurite = subject::BlobCheckpointStore::from_connection_string(
        &azurite.connection_string(),
        &azurite.new_container_name(),
    );
    vec![memory, azurite.unwrap()]
}

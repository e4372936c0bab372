//! One suite for both surfaces: each root mounts it with its own `maybe_async`, `test` and `subject`.
//!
//! Tests are written as async code. An `.await` cannot stand inside a macro call: bind it first.

mod conditional;
mod conformance;
mod connections;
mod consumer_groups;
mod cost_at_scale;
mod counterparts;
mod credentials;
mod dead_connections;
mod deadlines;
mod delayed_requests;
mod direct;
mod environment;
mod fault_operations;
mod fault_rows;
mod faults;
mod fence;
mod foreign_metadata;
mod group_records;
mod keda;
mod late_writes;
#[cfg(feature = "legacy")]
mod legacy;
mod leniency;
mod listings;
mod logging;
mod lost_claims;
mod misconfigured;
mod model_check;
mod network_errors;
mod options;
mod own_retries;
pub mod ownership;
mod paging;
mod pointers;
pub mod processing;
mod properties;
mod proxies;
mod quickstart;
mod races;
mod read_fallback;
mod refusals;
mod requests;
mod reset;
mod retry;
mod round_trip;
#[path = "../doubles/script.rs"]
pub mod script;
mod secondary;
mod secrets;
mod shared_key;
mod threads;
#[cfg(any(feature = "_rustls", feature = "native-tls"))]
mod tls;
mod unknown_outcomes;
mod validation;
mod world;

use std::time::Duration;

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, MemoryContainer, PartitionOwnership};

use crate::support::azurite::Azurite;
use crate::support::loopback::Loopback;

use super::{
    IS_BLOCKING, at_once, block_on, credential_of, in_parallel, maybe_async, own_client, pause,
    subject, test, time,
};
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

/// A new container in Azurite, not created yet.
pub fn azurite() -> subject::BlobCheckpointStore {
    let azurite = Azurite::shared();
    let (text, name) = (azurite.connection_string(), azurite.new_container_name());
    subject::BlobCheckpointStore::from_connection_string(&text, &name).unwrap()
}

/// The containers of this surface, not created yet: the one in memory, and a new one in Azurite.
pub fn stores() -> Vec<subject::BlobCheckpointStore> {
    let memory = subject::BlobCheckpointStore::from_container(MemoryContainer::not_created());
    vec![memory, azurite()]
}

/// Waits for the end of every connection. A runtime closes those of its clients as soon as it has a turn.
#[maybe_async]
pub async fn assert_all_closed(loopback: &Loopback) {
    for _ in 0..1000 {
        if loopback.open_connections() == 0 {
            return;
        }
        pause(Duration::from_millis(10)).await;
    }
    panic!("{} connections are still open", loopback.open_connections());
}

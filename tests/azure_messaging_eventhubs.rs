//! The suite of `event_processor_store/`, on the store itself and the client that the feature brings.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "azure_messaging_eventhubs", feature = "reqwest"))]

mod event_processor_store;
mod support;

use std::sync::Arc;

use azure_messaging_eventhubs::CheckpointStore;
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;

fn subject(store: BlobCheckpointStore) -> Arc<dyn CheckpointStore> {
    Arc::new(store)
}

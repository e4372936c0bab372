//! The suite of `event_processor_store.rs`, on the store itself and the client that the feature brings.

#[path = "event_processor_store.rs"]
mod event_processor_store;

use std::sync::Arc;

use azure_messaging_eventhubs::CheckpointStore;
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;

fn subject(store: BlobCheckpointStore) -> Arc<dyn CheckpointStore> {
    Arc::new(store)
}

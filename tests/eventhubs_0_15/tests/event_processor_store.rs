//! The suite of `tests/adapters/event_processor_store.rs`, on the type that the macro declares.

#[path = "../../adapters/event_processor_store.rs"]
mod event_processor_store;
#[path = "../../support/mod.rs"]
mod support;

use std::sync::Arc;

use azure_messaging_eventhubs::CheckpointStore;
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
use eventhubs_0_15::ProcessorStore;

fn subject(store: BlobCheckpointStore) -> Arc<dyn CheckpointStore> {
    Arc::new(ProcessorStore::new(store))
}

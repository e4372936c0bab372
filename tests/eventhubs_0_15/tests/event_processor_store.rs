//! The suite of `tests/event_processor_store`, on the type that the macro declares.

#[path = "../../event_processor_store/mod.rs"]
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

//! The store as a checkpoint store of the official `EventProcessor`, in the version that the feature brings.

use crate::checkpointstoreblob_aio::BlobCheckpointStore;

crate::event_processor_store!(@implement BlobCheckpointStore, |store| store, azure_messaging_eventhubs, azure_core);

//! A checkpoint store in memory that leaves lost claims out.
//!
//! The official `InMemoryCheckpointStore` responds to a lost claim with an error, which ends `EventProcessor::run`, so
//! two processors cannot share it.

use std::collections::HashMap;
use std::sync::Mutex;

use azure_core::Result;
use azure_core::http::Etag;
use azure_core::time::OffsetDateTime;
use azure_messaging_eventhubs::CheckpointStore;
use azure_messaging_eventhubs::models::{Checkpoint, Ownership};

/// One hub and one consumer group: keyed by partition id alone.
#[derive(Default)]
pub struct OneGroupStore {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    etags: u64,
    ownerships: HashMap<String, Ownership>,
    checkpoints: HashMap<String, Checkpoint>,
}

impl Inner {
    fn claim(&mut self, wanted: &Ownership) -> Option<Ownership> {
        let current =
            self.ownerships.get(&wanted.partition_id).and_then(|ownership| ownership.etag.clone());
        if current != wanted.etag {
            return None;
        }
        self.etags += 1;
        let claimed = Ownership {
            etag: Some(Etag::from(self.etags.to_string())),
            last_modified_time: Some(OffsetDateTime::now_utc()),
            ..wanted.clone()
        };
        self.ownerships.insert(claimed.partition_id.clone(), claimed.clone());
        Some(claimed)
    }
}

impl OneGroupStore {
    /// The last sequence number that was written for a partition.
    pub fn checkpoint(&self, partition_id: &str) -> Option<i64> {
        let inner = self.inner.lock().expect("no panic");
        inner.checkpoints.get(partition_id)?.sequence_number
    }
}

#[async_trait::async_trait]
impl CheckpointStore for OneGroupStore {
    async fn claim_ownership(&self, ownerships: &[Ownership]) -> Result<Vec<Ownership>> {
        let mut inner = self.inner.lock().expect("no panic");
        Ok(ownerships.iter().filter_map(|ownership| inner.claim(ownership)).collect())
    }

    async fn list_checkpoints(&self, _: &str, _: &str, _: &str) -> Result<Vec<Checkpoint>> {
        Ok(self.inner.lock().expect("no panic").checkpoints.values().cloned().collect())
    }

    async fn list_ownerships(&self, _: &str, _: &str, _: &str) -> Result<Vec<Ownership>> {
        Ok(self.inner.lock().expect("no panic").ownerships.values().cloned().collect())
    }

    async fn update_checkpoint(&self, checkpoint: Checkpoint) -> Result<()> {
        let mut inner = self.inner.lock().expect("no panic");
        inner.checkpoints.insert(checkpoint.partition_id.clone(), checkpoint);
        Ok(())
    }
}

//! A consumer as an application has one: rounds, a position for each partition that it owns, checkpoints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::{Checkpoint, Result};

use super::super::member::{ConsumerOptions, Desk};
use super::super::watcher::OURS;
use super::subject::{BlobCheckpointStore, FencedCheckpointStore, OwnershipManager};
use super::{maybe_async, pause};

/// How soon a wish is noticed.
const SLICE: Duration = Duration::from_millis(20);

pub struct Consumer {
    options: ConsumerOptions,
    /// Fenced, because others may have stolen the partition and passed the position since the round.
    store: FencedCheckpointStore,
    manager: OwnershipManager,
    /// The sequence number of the next event, of each partition that is owned.
    positions: BTreeMap<String, i64>,
    desk: Arc<Desk>,
}

impl Consumer {
    pub fn new(options: ConsumerOptions, desk: Arc<Desk>) -> Self {
        let store = BlobCheckpointStore::from_connection_string(
            &options.connection_string,
            &options.container,
        );
        let store = store.unwrap();
        let owner_id = options.owner_id.as_str();
        let manager = OwnershipManager::builder(store.clone(), &options.group, owner_id)
            .options(options.ownership)
            .build();
        let manager = manager.unwrap();
        Self { options, store: store.fenced(), manager, positions: BTreeMap::new(), desk }
    }
}

#[maybe_async]
impl Consumer {
    pub async fn run(mut self) {
        loop {
            let next = match self.round().await {
                Ok(next) => next,
                Err(error) => {
                    self.desk.report().errors.push(error.to_string());
                    self.manager.retry_in()
                }
            };
            self.wait(next).await;
            if self.desk.shall_abandon() {
                return;
            }
            if self.desk.shall_stop() {
                let released = self.manager.relinquish_all(Duration::from_secs(5)).await;
                assert_eq!(released.failed().count(), 0, "{released:?}");
                return;
            }
        }
    }

    async fn wait(&self, duration: Duration) {
        let slices = duration.as_millis().div_ceil(SLICE.as_millis());
        for _ in 0..slices {
            if self.desk.shall_stop() || self.desk.shall_abandon() {
                return;
            }
            pause(SLICE).await;
        }
    }

    async fn round(&mut self) -> Result<Duration> {
        let round = self.manager.round(&self.options.partition_ids).await?;
        for revoked in &round.revoked {
            self.positions.remove(&revoked.partition_id);
        }
        for won in &round.won {
            let last = won.checkpoint.as_ref().map(|stored| stored.sequence_number().unwrap());
            self.positions.insert(won.partition_id.clone(), last.map_or(0, |last| last + 1));
        }
        for partition_id in &round.owned {
            if self.desk.shall_abandon() {
                break;
            }
            self.process_one_event(partition_id).await?;
        }
        let mut report = self.desk.report();
        report.rounds += 1;
        report.owned = round.owned.into_iter().collect();
        Ok(round.next_round_in)
    }

    async fn process_one_event(&mut self, partition_id: &str) -> Result<()> {
        if !self.manager.is_owned(partition_id) {
            return Ok(());
        }
        let at = self.positions[partition_id];
        let offset = format!("{OURS}{at}");
        let checkpoint = Checkpoint::new(&self.options.group, partition_id, offset, at)?;
        let update = self.store.update_checkpoint(&checkpoint).await?;
        if !update.is_written() {
            // Another consumer is ahead.
            let stored = self.store.get_checkpoint(&self.options.group, partition_id).await?;
            let last = stored.and_then(|stored| stored.sequence_number());
            self.positions.insert(partition_id.to_owned(), last.map_or(0, |last| last + 1));
            return Ok(());
        }
        self.positions.insert(partition_id.to_owned(), at + 1);
        self.desk.report().written.insert(partition_id.to_owned(), at);
        Ok(())
    }
}

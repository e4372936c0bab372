//! A consumer as an application has one, until it is killed: rounds, and checkpoints of what it owns.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::{Checkpoint, Error, Result};

use super::super::orders::{Orders, group, ownership_options, partition_ids};
use super::subject::{BlobCheckpointStore, FencedCheckpointStore, OwnershipManager};
use super::{maybe_async, pause};

/// Between two checkpoints of a partition.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Consumer {
    store: FencedCheckpointStore,
    manager: OwnershipManager,
    /// The sequence number of the next event, of each partition that is owned.
    next: BTreeMap<String, i64>,
    acknowledged: File,
}

impl Consumer {
    pub fn new(orders: Orders) -> Self {
        let (text, container) = (&orders.connection_string, &orders.container);
        let store = BlobCheckpointStore::from_connection_string(text, container).unwrap().fenced();
        let manager = OwnershipManager::builder(store.clone(), &group(), orders.owner_id)
            .options(ownership_options())
            .build();
        let acknowledged = OpenOptions::new().create(true).append(true).open(orders.acknowledged);
        Self {
            store,
            manager: manager.unwrap(),
            next: BTreeMap::new(),
            acknowledged: acknowledged.unwrap(),
        }
    }
}

#[maybe_async]
impl Consumer {
    pub async fn run(mut self) {
        loop {
            let next_round = match self.round().await {
                Ok(next_round) => next_round,
                Err(error) => self.bear(error),
            };
            while Instant::now() < next_round {
                if let Err(error) = self.process().await {
                    self.bear(error);
                }
                pause(PAUSE).await;
            }
        }
    }

    async fn round(&mut self) -> Result<Instant> {
        let began = Instant::now();
        let round = self.manager.round(&partition_ids()).await?;
        self.next.retain(|id, _| round.owned.contains(id));
        for won in round.won {
            let last = won.checkpoint.map(|stored| stored.sequence_number().unwrap());
            self.next.insert(won.partition_id, last.map_or(0, |last| last + 1));
        }
        Ok(began + round.next_round_in)
    }

    /// One event of each partition, and its checkpoint.
    async fn process(&mut self) -> Result<()> {
        for (partition_id, next) in &mut self.next {
            if !self.manager.is_owned(partition_id) {
                continue;
            }
            let checkpoint = Checkpoint::new(&group(), partition_id, next.to_string(), *next)?;
            let update = self.store.update_checkpoint(&checkpoint).await?;
            if update.is_written() {
                // One write per line: what was written stays written, however the process ends.
                let line = format!("{partition_id},{next}\n");
                self.acknowledged.write_all(line.as_bytes()).unwrap();
                *next += 1;
            }
        }
        Ok(())
    }
}

impl Consumer {
    /// A service that is busy is borne; when to try again.
    fn bear(&self, error: Error) -> Instant {
        assert!(error.is_transient(), "{error:?}");
        Instant::now() + self.manager.retry_in()
    }
}

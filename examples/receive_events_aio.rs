//! Two consumers share the 8 partitions of an event log; one dies without warning, and the other takes over.
//!
//! ```sh
//! cargo run --example receive_events_aio
//! ```
//!
//! runs in memory. To keep ownerships and checkpoints in a storage account (or in Azurite, with
//! `UseDevelopmentStorage=true`), where the process may be killed at any moment and started again:
//!
//! ```sh
//! AZURE_STORAGE_CONNECTION_STRING='…' AZURE_STORAGE_CONTAINER=receive-events \
//!     cargo run --example receive_events_aio -- processed.txt
//! ```
//!
//! The file collects what was processed over all runs, for the proof at the end. It belongs to the container: begin
//! with both new or with both old.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, FencedCheckpointStore, OwnershipManager,
};
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, UpdateOutcome};

use support::event_log::{EventLog, PartitionReader};
use support::ledger::Ledger;
use support::settings::{self, Accident, CONSUMERS, PAUSE};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let store = open_store().await?;
    let group = settings::consumer_group()?;
    // Tasks may outlive this function as far as the compiler knows, so the log does, too.
    let log: &'static EventLog = Box::leak(Box::new(EventLog::read()));
    let ledger = Arc::new(Ledger::open(&store.list_checkpoints(&group).await?)?);
    let accident = Arc::new(Accident::new());

    let mut consumers = Vec::new();
    for name in CONSUMERS {
        let (owner_id, options) = (settings::owner_id(name), settings::ownership_options()?);
        // A fence for each: after a steal the former owner cannot take a checkpoint back.
        let store = store.fenced();
        let consumer = Consumer {
            name,
            manager: OwnershipManager::builder(store.clone(), &group, owner_id)
                .options(options)
                .build()?,
            store,
            group: group.clone(),
            log,
            ledger: Arc::clone(&ledger),
            accident: Arc::clone(&accident),
            readers: BTreeMap::new(),
            processed: 0,
        };
        consumers.push(tokio::spawn(consumer.run()));
    }
    for consumer in consumers {
        consumer.await??;
    }
    println!("{}", ledger.prove(log)?);
    Ok(())
}

async fn open_store() -> Result<BlobCheckpointStore, Failure> {
    let Some(connection_string) = settings::connection_string() else {
        return Ok(BlobCheckpointStore::in_memory());
    };
    let container = settings::container_name();
    let store = BlobCheckpointStore::from_connection_string(&connection_string, &container)?;
    store.create_container_if_not_exists().await?;
    Ok(store)
}

struct Consumer {
    name: &'static str,
    store: FencedCheckpointStore,
    manager: OwnershipManager,
    group: ConsumerGroup,
    log: &'static EventLog,
    ledger: Arc<Ledger>,
    accident: Arc<Accident>,
    /// Where the consumer stands in each partition that it owns.
    readers: BTreeMap<String, PartitionReader<'static>>,
    processed: usize,
}

impl Consumer {
    async fn run(mut self) -> Result<(), Failure> {
        loop {
            let next_round = Instant::now() + self.share().await?;
            if self.is_all_processed().await? {
                // So that nobody need wait until the ownerships expire.
                let released = self.manager.relinquish_all(Duration::from_secs(5)).await;
                println!("{}: done, gave up {} partitions", self.name, released.released().count());
                return Ok(());
            }
            while Instant::now() < next_round {
                if !self.process().await? {
                    println!("{}: dies without warning", self.name);
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Renews what this consumer owns, claims its share, and says when to do so again.
    async fn share(&mut self) -> Result<Duration, Failure> {
        let round = match self.manager.round(&EventLog::partition_ids()).await {
            Ok(round) => round,
            Err(error) if error.is_transient() => {
                println!("{}: {error}", self.name);
                return Ok(self.manager.retry_in());
            }
            Err(error) => return Err(error.into()),
        };
        for failed in &round.failed {
            println!("{}: {}", self.name, failed.error);
        }
        // Also what a failed round did not report is gone from these.
        self.readers.retain(|id, _| round.owned.contains(id));
        for won in round.won {
            let (name, id) = (self.name, won.partition_id);
            match won.checkpoint.as_ref().and_then(Checkpoint::sequence_number) {
                Some(last) => println!("{name}: resumed partition {id} at sequence number {last}"),
                None => println!("{name}: started partition {id}"),
            }
            let reader = PartitionReader::new(self.log, &id, &won.start);
            self.readers.insert(id, reader);
        }
        Ok(round.next_round_in)
    }

    /// Processes a batch of each partition, and stores the checkpoints that are due. `false` is the consumer's sudden
    /// end.
    async fn process(&mut self) -> Result<bool, Failure> {
        for (id, reader) in &mut self.readers {
            if !self.manager.is_owned(id) {
                continue;
            }
            for event in reader.next_batch() {
                self.ledger.process(event)?;
                self.processed += 1;
                if self.accident.strikes(self.processed) {
                    return Ok(false);
                }
            }
            if let Some(checkpoint) = reader.due_checkpoint(&self.group)? {
                let update = self.store.update_checkpoint(&checkpoint).await?;
                reader.mark_stored();
                let (name, last) = (self.name, checkpoint.sequence_number().unwrap_or_default());
                match update.outcome {
                    UpdateOutcome::Stale => println!("{name}: another is ahead in partition {id}"),
                    _ => println!("{name}: checkpoint of partition {id} at sequence number {last}"),
                }
            }
        }
        Ok(true)
    }

    /// Whether this consumer has nothing left to do, and the others neither.
    async fn is_all_processed(&self) -> Result<bool, Failure> {
        if !self.readers.values().all(PartitionReader::is_at_end) {
            return Ok(false);
        }
        // Not through the fence: it would take what a later owner has stored for our own.
        let stored = self.store.unfenced().list_checkpoints(&self.group).await?;
        Ok(self.log.is_processed(&stored))
    }
}

//! Two consumers share the 8 partitions of an event hub; one dies without warning, and the other takes over.
//!
//! ```sh
//! cargo run --example receive_events
//! ```
//!
//! runs in memory. To keep ownerships and checkpoints in a storage account (or in Azurite, with
//! `UseDevelopmentStorage=true`), where the process may be killed at any moment and started again:
//!
//! ```sh
//! AZURE_STORAGE_CONNECTION_STRING='…' AZURE_STORAGE_CONTAINER=receive-events \
//!     cargo run --example receive_events -- processed.txt
//! ```
//!
//! The file collects what was processed over all runs, for the proof at the end. It belongs to the container: begin
//! with both new or with both old.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};
use eventhub_checkpointstore::processing::CheckpointPolicy;

use support::ledger::Ledger;
use support::report::Report;
use support::{clickstream, settings};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let source = clickstream::event_hub().consumer_group("$Default")?;
    let store = open_store()?;
    let stored = store.list_checkpoints(source.group())?;
    let file = settings::ledger_file();
    let ledger = Arc::new(Ledger::open(source.hub().len(), file.as_deref(), &stored)?);

    let mut consumers = Vec::new();
    for name in settings::CONSUMERS {
        let report = Arc::new(Report::new(name));
        let client = EventHubConsumerClient::builder(source.clone(), store.clone())
            .load_balancing_interval(settings::INTERVAL)
            .partition_ownership_expiration_interval(settings::EXPIRATION)
            .checkpoint_policy(CheckpointPolicy::every(50, Duration::from_secs(1)))
            .observer(Arc::clone(&report))
            .build()?;
        consumers.push((name, client, report));
    }
    let stops = consumers.iter().map(|(_, client, _)| client.stop_handle()).collect::<Vec<_>>();
    if ledger.is_complete() {
        for stop in &stops {
            stop.stop();
        }
    }
    let death = Arc::new(AtomicUsize::new(0));

    let mut running = Vec::new();
    for (index, (name, client, report)) in consumers.into_iter().enumerate() {
        let (ledger, stops, death) = (Arc::clone(&ledger), stops.clone(), Arc::clone(&death));
        running.push(thread::spawn(move || {
            let processed = AtomicUsize::new(0);
            let summary = client.receive(move |partition, event| {
                report.event(partition.partition_id(), event);
                ledger.process(partition.partition_id(), event.sequence_number())?;
                thread::sleep(settings::PAUSE);
                let count = processed.fetch_add(1, Ordering::Relaxed) + 1;
                if count == settings::DIES_AFTER && death.swap(1, Ordering::Relaxed) == 0 {
                    println!("{name}: dies without warning");
                    stops[index].abandon();
                } else if ledger.is_complete() {
                    for stop in &stops {
                        stop.stop();
                    }
                }
                Ok(())
            })?;
            Ok::<_, Failure>((name, summary))
        }));
    }
    for consumer in running {
        let (name, summary) = consumer.join().map_err(|_| "a consumer panicked")??;
        println!("{name}: {summary}");
    }
    println!("{}", ledger.prove()?);
    Ok(())
}

fn open_store() -> Result<BlobCheckpointStore, Failure> {
    let Some(connection_string) = settings::connection_string() else {
        return Ok(BlobCheckpointStore::in_memory());
    };
    let container = settings::container_name();
    let store = BlobCheckpointStore::from_connection_string(&connection_string, &container)?;
    store.create_container_if_not_exists()?;
    Ok(store)
}

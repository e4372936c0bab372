//! Receives the events of an event hub together with other consumers of its group, and keeps checkpoints in blobs.
//!
//! This is the way for programs that have the official Rust client already. `examples/event_hubs` does the same with this
//! crate alone. What the official client 0.16 cannot do, all of it seen on the double of Event Hubs:
//!
//! - It does not recover from a cut connection or a detached link: the streams end or fall silent, and this example ends,
//!   to be started again. What was received behind the last checkpoint comes again then.
//! - Its processor does not give its partitions up when it stops, which is done by hand below, and `run` ends at a claim
//!   that was lost.
//! - Its streams are not `Send`, so one thread processes all partitions; there is no blocking surface.
//! - A handler that fails is not called again; dead letters, checkpoints by time and lag are up to the program.
//!
//! What the sample `receive_events_using_checkpoint_store` does for Python:
//!
//! ```sh
//! export EVENT_HUB_CONN_STR='Endpoint=sb://…' EVENT_HUB_NAME='telemetry'
//! export AZURE_STORAGE_CONN_STR='DefaultEndpointsProtocol=https;AccountName=…' BLOB_CONTAINER_NAME='checkpoints'
//! cargo run
//! ```
//!
//! Start it twice, and the partitions are shared out. Ctrl-C gives them up, so that the other takes them in its next cycle;
//! after a crash they expire first. To copy the folder away, do what its `Cargo.toml` says. Optional are `CONSUMER_GROUP` (`$Default`), `CHECKPOINT_EVERY`
//! (1: after each event), `UPDATE_INTERVAL_MS` and `EXPIRATION_MS` of the load balancing (10 and 60 seconds), and
//! `EVENT_HUB_ENDPOINT` for an emulator (`amqp://127.0.0.1:5672`).

use std::env;
use std::error::Error;
use std::num::NonZeroU64;
use std::sync::Arc;

use azure_core::time::Duration;
use azure_messaging_eventhubs::error::ErrorKind;
use azure_messaging_eventhubs::models::StartPositions;
use azure_messaging_eventhubs::processor::PartitionClient;
use azure_messaging_eventhubs::{ConsumerClient, EventProcessor, StartLocation, StartPosition};
use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
use futures::StreamExt;
use tokio::task::{JoinSet, LocalSet};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

// The streams of the client are not `Send`, so all partitions are processed on this thread.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let store = BlobCheckpointStore::from_connection_string(
        &env::var("AZURE_STORAGE_CONN_STR")?,
        &env::var("BLOB_CONTAINER_NAME")?,
    )?;
    store.create_container_if_not_exists().await?;

    // The processor takes the application id as owner id. It must be another one in each process.
    let owner_id = azure_core::Uuid::new_v4().to_string();
    let group = env::var("CONSUMER_GROUP").unwrap_or_else(|_| "$Default".to_owned());
    let mut consumer = ConsumerClient::builder()
        .with_application_id(owner_id.clone())
        .with_consumer_group(group.clone());
    if let Ok(endpoint) = env::var("EVENT_HUB_ENDPOINT") {
        consumer = consumer.with_custom_endpoint(endpoint);
    }
    let (connection_string, hub) = (env::var("EVENT_HUB_CONN_STR")?, env::var("EVENT_HUB_NAME")?);
    let group = ConsumerGroup::new(namespace(&connection_string)?, hub.as_str(), group)?;
    let consumer = consumer.open_with_connection_string(&connection_string, Some(&hub)).await?;

    let processor = EventProcessor::builder()
        .with_update_interval(milliseconds("UPDATE_INTERVAL_MS", 10_000)?)
        .with_partition_expiration_duration(milliseconds("EXPIRATION_MS", 60_000)?)
        .with_start_positions(StartPositions {
            // Where there is no checkpoint. `Latest` loses events there: those that arrive before the first checkpoint
            // are skipped if the link is cut, or another processor takes the partition, before it was stored.
            // `inclusive` also counts where there is a checkpoint: true would repeat an event.
            default: StartPosition { location: StartLocation::Earliest, inclusive: false },
            ..Default::default()
        })
        .build(consumer, Arc::new(store.clone()))
        .await?;

    let ended = LocalSet::new()
        .run_until(async {
            tokio::select! {
                // Client and store have retried before they give an error. Let the supervisor restart.
                ended = processor.run() => ended.map_err(Into::into),
                ended = start_partitions(&processor) => ended,
                ended = tokio::signal::ctrl_c() => ended.map_err(Into::into),
            }
        })
        .await;
    // The processor keeps its ownerships until they expire.
    let relinquished = relinquish(&store, &group, &owner_id).await;
    ended.and(relinquished)
}

/// Gives up what this process owns, now that it reads nothing any more.
async fn relinquish(store: &BlobCheckpointStore, group: &ConsumerGroup, owner_id: &str) -> Result {
    let listed = store.list_ownership(group).await?;
    let owned: Vec<_> =
        listed.into_iter().filter(|ownership| ownership.owner_id() == Some(owner_id)).collect();
    for (ownership, error) in store.relinquish_ownership(&owned).await.failed() {
        eprintln!("partition {}: {error}", ownership.partition_id());
    }
    Ok(())
}

/// The host in `Endpoint=sb://{host}/`, under which the processor keeps its records.
fn namespace(connection_string: &str) -> Result<&str> {
    let mut parts = connection_string.split(';');
    let host = parts.find_map(|part| part.trim().strip_prefix("Endpoint=sb://"));
    Ok(host.ok_or("EVENT_HUB_CONN_STR has no Endpoint=sb://…")?.trim_end_matches('/'))
}

fn milliseconds(variable: &str, default: i64) -> Result<Duration> {
    let given = env::var(variable).ok().map(|text| text.parse()).transpose()?;
    Ok(Duration::milliseconds(given.unwrap_or(default)))
}

/// Processes every partition that this processor comes to own.
///
/// The processor does not see what happens to a stream: it would keep a partition that nobody reads. So the first
/// failure ends this, too.
async fn start_partitions(processor: &EventProcessor) -> Result {
    let every = env::var("CHECKPOINT_EVERY").ok().map(|text| text.parse()).transpose()?;
    let mut partitions = JoinSet::new();
    loop {
        tokio::select! {
            partition = processor.next_partition_client() => {
                partitions.spawn_local(process(partition?, every.unwrap_or(NonZeroU64::MIN)));
            }
            Some(ended) = partitions.join_next() => ended??,
        }
    }
}

/// Processes a partition until another processor takes it.
async fn process(partition: Arc<PartitionClient>, every: NonZeroU64) -> Result {
    let id = partition.get_partition_id();
    println!("partition {id}: begins");
    receive(&partition, every).await.map_err(|error| format!("partition {id}: {error}"))?;
    println!("partition {id}: another processor took it");
    // Else the client keeps the dead link for when the partition comes back. It complains that the link is gone.
    if let Some(partition) = Arc::into_inner(partition) {
        let _ = partition.close().await;
    }
    Ok(())
}

/// Receives until the partition is taken away, with a checkpoint after every so many events.
async fn receive(partition: &PartitionClient, every: NonZeroU64) -> Result {
    let mut events = partition.stream_events();
    let mut count: u64 = 0;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) if matches!(error.kind, ErrorKind::ConsumerDisconnected(_)) => break,
            Err(error) => return Err(error.into()),
        };
        println!(
            "partition {}: event {} at offset {}",
            partition.get_partition_id(),
            event.sequence_number().unwrap_or(-1),
            event.offset().as_deref().unwrap_or("?"),
        );
        count += 1;
        if count % every == 0 {
            partition.update_checkpoint(&event).await?;
        }
    }
    Ok(())
}

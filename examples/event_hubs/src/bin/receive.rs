//! Receives the events of an event hub together with other consumers of its group, and keeps checkpoints in blobs: with
//! threads, without an async runtime of yours.
//!
//! What the sample `recv_with_checkpoint_store.py` does for Python:
//!
//! ```sh
//! export EVENT_HUB_CONN_STR='Endpoint=sb://…' EVENT_HUB_NAME='telemetry'
//! export AZURE_STORAGE_CONN_STR='DefaultEndpointsProtocol=https;AccountName=…' BLOB_CONTAINER_NAME='checkpoints'
//! cargo run --bin receive        # or receive_aio
//! ```
//!
//! Start it twice, and the partitions are shared out. Ctrl-C stops it: events that are in work come to their end, the last
//! checkpoints are stored, and the other takes the partitions in its next round. After a crash they expire first.
//!
//! The emulator takes its own connection string, with `UseDevelopmentEmulator=true`. Optional are `CONSUMER_GROUP`
//! (`$Default`) and `EVENT_HUB_ENDPOINT`, another address than that of the namespace, as `amqp://127.0.0.1:5672`.

use std::env;
use std::error::Error;

use eventhub_checkpointstore::checkpointstoreblob::eventhubs::EventHub;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};

fn main() -> Result<(), Box<dyn Error>> {
    let store = BlobCheckpointStore::from_connection_string(
        &env::var("AZURE_STORAGE_CONN_STR")?,
        &env::var("BLOB_CONTAINER_NAME")?,
    )?;
    store.create_container_if_not_exists()?;

    let (connection_string, hub) = (env::var("EVENT_HUB_CONN_STR")?, env::var("EVENT_HUB_NAME")?);
    let group = env::var("CONSUMER_GROUP").unwrap_or_else(|_| "$Default".to_owned());
    // Without options: EventHubConsumerClient::from_connection_string(&connection_string, &group, &hub, store)
    let mut source =
        EventHub::builder_from_connection_string(&connection_string, &group, hub.as_str());
    if let Ok(endpoint) = env::var("EVENT_HUB_ENDPOINT") {
        source = source.custom_endpoint(endpoint);
    }
    let client = EventHubConsumerClient::builder(source.build()?, store).build()?;

    let stop = client.stop_handle();
    ctrlc::set_handler(move || stop.stop())?;
    // A checkpoint is stored after 1,000 events or 10 seconds, and at the end, behind what is done.
    let summary = client.receive(|partition, event| {
        println!(
            "partition {}: event {} at offset {}: {}",
            partition.partition_id(),
            event.sequence_number(),
            event.offset().unwrap_or("?"),
            event.body().to_text(),
        );
        // An error would bring the event again, after a pause.
        Ok(())
    })?;
    println!("{summary}");
    Ok(())
}

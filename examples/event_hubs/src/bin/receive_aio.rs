//! The same as `receive`, in tasks of tokio: see there.

use std::env;
use std::error::Error;

use eventhub_checkpointstore::checkpointstoreblob_aio::eventhubs::EventHub;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, EventHubConsumerClient,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = BlobCheckpointStore::from_connection_string(
        &env::var("AZURE_STORAGE_CONN_STR")?,
        &env::var("BLOB_CONTAINER_NAME")?,
    )?;
    store.create_container_if_not_exists().await?;

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
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.stop();
        }
    });
    // A checkpoint is stored after 1,000 events or 10 seconds, and at the end, behind what is done.
    let receiving = client.receive(|partition, event| async move {
        println!(
            "partition {}: event {} at offset {}: {}",
            partition.partition_id(),
            event.sequence_number(),
            event.offset().unwrap_or("?"),
            event.body().to_text(),
        );
        // An error would bring the event again, after a pause.
        Ok(())
    });
    println!("{}", receiving.await?);
    Ok(())
}

//! The client of either surface.

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::ProxyOptions;
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::CheckpointPolicy;

use super::super::options::Options;
use super::super::stop_when_told;
use super::super::teller::Teller;
use super::subject::eventhubs::EventHub;
use super::subject::{BlobCheckpointStore, EventHubConsumerClient, EventHubConsumerClientBuilder};

pub fn client(options: &Options, teller: &Arc<Teller>) -> EventHubConsumerClient {
    let mut builder = told(with_store(options), teller)
        .starting_position(StartingPosition::Earliest)
        .checkpoint_policy(CheckpointPolicy::manual())
        .shutdown_timeout(Duration::from_secs(10));
    if let Some(partition_id) = &options.partition_id {
        builder = builder.partition_id(partition_id);
    }
    if let Some(owner_level) = options.owner_level {
        builder = builder.owner_level(owner_level);
    }
    let client = builder.build().expect("a client");
    stop_when_told(client.stop_handle());
    println!("{}", serde_json::json!({ "ready": true }));
    client
}

fn with_store(options: &Options) -> EventHubConsumerClientBuilder {
    let hub = EventHub::builder_from_connection_string(&options.event_hub(), &options.group, None)
        .custom_endpoint(options.endpoint())
        .proxy(ProxyOptions::Disabled)
        .build()
        .expect("an event hub");
    let Some(container) = &options.container else {
        return EventHubConsumerClient::builder_without_store(hub);
    };
    let store = BlobCheckpointStore::from_connection_string(&options.connection_string, container);
    EventHubConsumerClient::builder(hub, store.expect("a store"))
        .ownership_options(options.ownership())
}

fn told(
    builder: EventHubConsumerClientBuilder,
    teller: &Arc<Teller>,
) -> EventHubConsumerClientBuilder {
    let [opened, closed, failed] = std::array::from_fn(|_| Arc::clone(teller));
    builder
        .on_partition_initialize(move |partition| opened.initialized(partition.partition_id()))
        .on_partition_close(move |partition, reason| {
            closed.closed(partition.partition_id(), reason)
        })
        .on_error(move |partition, error| {
            failed.failed(partition.map(|partition| partition.partition_id()), error);
        })
}

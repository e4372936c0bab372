//! Our consumer client, whole: claims, events, checkpoints, stop.

use std::sync::Arc;

use eventhub_checkpointstore::{checkpointstoreblob, checkpointstoreblob_aio};
use firehose::Content;

use super::Endpoint;
use crate::meter::Meter;

fn connection_string(content: Content) -> String {
    format!(
        "Endpoint=sb://bench.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=secret;EntityPath={}",
        content.hub_name()
    )
}

/// What both surfaces say alike.
macro_rules! client {
    ($surface:ident, $endpoint:ident, $content:ident) => {{
        use $surface::eventhubs::EventHub;
        use $surface::{BlobCheckpointStore, EventHubConsumerClient};
        let text = connection_string($content);
        let hub = EventHub::builder_from_connection_string(&text, "$Default", None);
        let hub = match &$endpoint.pem {
            None => hub.custom_endpoint(format!("amqp://127.0.0.1:{}", $endpoint.port)),
            Some(pem) => hub
                .custom_endpoint(format!("amqps://127.0.0.1:{}", $endpoint.port))
                .root_certificate(pem.as_str()),
        };
        let hub = hub.build().unwrap();
        EventHubConsumerClient::builder(hub, BlobCheckpointStore::in_memory()).build().unwrap()
    }};
}

macro_rules! saw {
    ($meter:ident, $partition:ident, $events:ident) => {
        $meter.saw(
            $partition.partition_id().parse().unwrap(),
            $events.iter().map(|event| (event.sequence_number(), event.body().len())),
        )
    };
}

pub async fn receive(endpoint: &Endpoint, content: Content, meter: Arc<Meter>) {
    let client = client!(checkpointstoreblob_aio, endpoint, content);
    let stop = client.stop_handle();
    let received = client.receive_batch(move |partition, events| {
        let (meter, stop) = (Arc::clone(&meter), stop.clone());
        async move {
            if saw!(meter, partition, events) {
                stop.stop();
            }
            Ok(())
        }
    });
    received.await.unwrap();
}

pub fn receive_blocking(endpoint: &Endpoint, content: Content, meter: Arc<Meter>) {
    let client = client!(checkpointstoreblob, endpoint, content);
    let stop = client.stop_handle();
    let received = client.receive_batch(move |partition, events| {
        if saw!(meter, partition, events) {
            stop.stop();
        }
        Ok(())
    });
    received.unwrap();
}

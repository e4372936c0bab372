//! What only futures do: they are dropped.

use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob_aio::EventSource;
use eventhub_checkpointstore::checkpointstoreblob_aio::eventhubs::EventHub;
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::OpenPartition;
use eventhubs_double::{Config, EventHubsDouble};
use futures_util::FutureExt;

const NAMESPACE: &str = "double.servicebus.windows.net";

fn hub(double: &EventHubsDouble) -> EventHub {
    let text = format!(
        "Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=listen;SharedAccessKey=secret;EntityPath=telemetry"
    );
    EventHub::builder_from_connection_string(&text, "$Default", None)
        .custom_endpoint(double.endpoint())
        .build()
        .unwrap()
}

/// Futures are dropped at every poll while another partition receives at full speed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_futures_neither_lose_events_nor_reconnect_anybody() {
    let config = Config::new("telemetry", 2).in_flight(100).settle_delay(Duration::from_millis(1));
    let double = EventHubsDouble::start(config).await.unwrap();
    const EVENTS: i64 = 5_000;
    double.fill("0", (0..EVENTS).map(|number| format!("event {number}")));
    double.fill("1", (0..EVENTS).map(|number| format!("event {number}")));
    let hub = hub(&double);
    let request = |id: &str| OpenPartition::new(id, StartingPosition::Earliest);

    let mut steady = hub.open(request("1")).await.unwrap();
    let steady = tokio::spawn(async move {
        let mut events = Vec::new();
        while (events.len() as i64) < EVENTS {
            steady.receive(&mut events, 1_000, Duration::from_secs(1)).await.unwrap();
        }
        events.iter().enumerate().all(|(index, event)| event.sequence_number() == index as i64)
    });

    // `open` and `properties`, dropped after one poll, two, and so on.
    for polls in 0..40 {
        let mut open = Box::pin(hub.open(request("0")));
        let mut properties = Box::pin(hub.properties());
        for _ in 0..polls {
            let _ = (&mut open).now_or_never();
            let _ = (&mut properties).now_or_never();
            tokio::task::yield_now().await;
        }
    }
    let mut reader = hub.open(request("0")).await.unwrap();
    let mut events = Vec::new();
    let mut dropped = 0;
    while (events.len() as i64) < EVENTS {
        // Dropped while it waits, or done.
        if reader.receive(&mut events, 7, Duration::from_secs(1)).now_or_never().is_none() {
            dropped += 1;
            tokio::task::yield_now().await;
        }
    }
    assert!(dropped > 100, "{dropped} futures were dropped");
    assert!(
        events.iter().enumerate().all(|(index, event)| event.sequence_number() == index as i64)
    );
    assert!(steady.await.unwrap());
    let counters = double.counters();
    assert_eq!((counters.connections, counters.stolen_links), (1, 0));
    assert_eq!(counters.opened_by_partition["1"], 1, "the steady reader keeps its link");
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    let hub = EventHub::from_connection_string(
        "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true",
        "$Default",
        "telemetry",
    );
    let properties = hub.unwrap();
    let error = futures_util::future::FutureExt::now_or_never(properties.properties());
    let error = error.unwrap().unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

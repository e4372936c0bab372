//! A consumer whose metrics and spans go to OpenTelemetry, which prints them.
//!
//! ```sh
//! cargo run --manifest-path examples/opentelemetry/Cargo.toml
//! ```
//!
//! The event hub and the store are in memory. In production only the exporters differ: those of `opentelemetry-otlp` send
//! to a collector.

mod telemetry;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpointstore::adapters::metrics::ConsumerMetrics;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, EventHubConsumerClient,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::ReceivedEvent;
use tracing::Instrument as _;

use telemetry::Telemetry;

const READINGS: [&str; 3] = ["21.5", "22.0", "22.5"];
/// As the SDKs of the senders write it into each event.
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::to(
        opentelemetry_stdout::SpanExporter::default(),
        opentelemetry_stdout::MetricExporter::default(),
    )?;

    let hub = EventHub::named("contoso.servicebus.windows.net", "telemetry", 1);
    for degrees in READINGS {
        let event = ReceivedEvent::new(0, degrees).with_property("traceparent", TRACEPARENT);
        hub.publish("0", event)?;
    }
    let source = hub.consumer_group("$Default")?;
    let metrics = ConsumerMetrics::new(source.group());
    let client = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory())
        .track_last_enqueued_event_properties(true)
        .observer(metrics)
        .build()?;

    let (stop, count) = (client.stop_handle(), Arc::new(AtomicUsize::new(0)));
    let summary = client
        .receive(move |_partition, event| {
            let (stop, count) = (stop.clone(), Arc::clone(&count));
            // The span `process` is the current one here.
            telemetry::link_to_sender(&event);
            async move {
                let degrees: f64 = event.body().to_text().parse()?;
                store(degrees).instrument(tracing::info_span!("store reading", degrees)).await;
                if count.fetch_add(1, Ordering::Relaxed) + 1 == READINGS.len() {
                    stop.stop();
                }
                Ok(())
            }
        })
        .await?;
    telemetry.shutdown()?;
    println!("{summary}");
    Ok(())
}

async fn store(_degrees: f64) {
    tokio::task::yield_now().await;
}

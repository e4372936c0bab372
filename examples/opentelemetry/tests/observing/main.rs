//! What consumers of both surfaces record, as OpenTelemetry exports it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use clean_environment as _;

mod aio;
mod blocking;
mod exported;
#[path = "../../src/telemetry.rs"]
mod telemetry;

use exported::Exported;
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::trace::InMemorySpanExporter;
use telemetry::Telemetry;

/// One test, because a process has one recorder and one subscriber.
#[test]
fn metrics_and_spans_have_the_names_of_the_conventions() {
    let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
    let telemetry = Telemetry::to(spans.clone(), metrics.clone()).unwrap();
    blocking::suite::consume("blocking");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(aio::suite::consume("aio"));
    drop(runtime);
    // Before the exporter forgets them.
    let spans = spans.get_finished_spans().unwrap();
    telemetry.shutdown().unwrap();
    let exported = Exported { spans, metrics: metrics.get_finished_metrics().unwrap() };
    for hub in ["blocking", "aio"] {
        exported.check_metrics(hub);
        exported.check_spans(hub);
    }
}

/// The example prints what it exported.
#[test]
fn the_example_exports_what_it_did() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_opentelemetry-example")).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "3 events, 1 checkpoints, 1 partitions relinquished",
        "process telemetry",
        "checkpoint telemetry",
        "store reading",
        "0af7651916cd43dd8448eb211c80319c",
        "messaging.client.consumed.messages",
        "messaging.process.duration",
        "messaging.client.operation.duration",
        "eventhub_consumer_lag_events",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
}

//! Takes the metrics and the spans of the process to OpenTelemetry.

use eventhub_checkpointstore::processing::{AmqpValue, ReceivedEvent};
use metrics_exporter_opentelemetry::Recorder;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

type Failure = Box<dyn std::error::Error>;

/// What has to be shut down at the end, so that nothing is left unexported.
pub struct Telemetry {
    spans: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    /// Once in a process, before its consumers start.
    pub fn to(
        spans: impl SpanExporter + 'static,
        metrics: impl PushMetricExporter,
    ) -> Result<Self, Failure> {
        let spans = SdkTracerProvider::builder().with_simple_exporter(spans).build();
        let layer = tracing_opentelemetry::layer().with_tracer(spans.tracer("consumer"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
        let recorder = Recorder::builder("consumer");
        let recorder = recorder.with_meter_provider(|it| it.with_periodic_exporter(metrics));
        let (metrics, _recorder) = recorder.install()?;
        Ok(Self { spans, metrics })
    }

    /// Exports what is left.
    pub fn shutdown(self) -> Result<(), Failure> {
        self.spans.shutdown()?;
        self.metrics.shutdown()?;
        Ok(())
    }
}

/// Links the current span to the span in which the event was sent.
pub fn link_to_sender(event: &ReceivedEvent) {
    let context = TraceContextPropagator::new().extract(&Properties(event));
    let sender = context.span().span_context().clone();
    if sender.is_valid() {
        Span::current().add_link(sender);
    }
}

struct Properties<'a>(&'a ReceivedEvent);

impl Extractor for Properties<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.property(key).and_then(AmqpValue::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.properties().map(|(name, _)| name).collect()
    }
}

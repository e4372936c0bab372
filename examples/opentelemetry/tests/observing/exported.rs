//! What was exported, and what it has to be.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::trace::SpanData;

type Attributes = BTreeMap<String, String>;

pub struct Exported {
    pub spans: Vec<SpanData>,
    pub metrics: Vec<ResourceMetrics>,
}

/// A value of a metric: of a histogram, how often it was recorded.
#[derive(Debug)]
struct Point {
    name: String,
    unit: String,
    attributes: Attributes,
    value: f64,
}

fn attributes<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn points(metric: &Metric) -> Vec<Point> {
    let point = |pairs: Attributes, value: f64| Point {
        name: metric.name().to_owned(),
        unit: metric.unit().to_owned(),
        attributes: pairs,
        value,
    };
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|it| point(attributes(it.attributes()), it.value() as f64))
            .collect(),
        AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
            gauge.data_points().map(|it| point(attributes(it.attributes()), it.value())).collect()
        }
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
            .data_points()
            .map(|it| point(attributes(it.attributes()), it.count() as f64))
            .collect(),
        other => panic!("{}: {other:?}", metric.name()),
    }
}

impl Exported {
    fn points(&self, hub: &str) -> Vec<Point> {
        let last = self.metrics.last().unwrap();
        let metrics = last.scope_metrics().flat_map(|scope| scope.metrics());
        let points = metrics.flat_map(points);
        points.filter(|point| point.attributes["messaging.destination.name"] == hub).collect()
    }

    pub fn check_metrics(&self, hub: &str) {
        let points = self.points(hub);
        let value = |name: &str, wanted: &[(&str, &str)], absent: &[&str]| {
            let found: Vec<_> = points
                .iter()
                .filter(|point| {
                    point.name == name
                        && wanted.iter().all(|(key, value)| {
                            point.attributes.get(*key).is_some_and(|found| found == value)
                        })
                        && absent.iter().all(|key| !point.attributes.contains_key(*key))
                })
                .collect();
            assert_eq!(found.len(), 1, "{hub}: {name} {wanted:?}: {found:?} of {points:#?}");
            found[0].value
        };
        let partition = ("messaging.destination.partition.id", "0");
        let consumed = [partition, ("messaging.operation.name", "receive")];
        assert_eq!(value("messaging.client.consumed.messages", &consumed, &[]), 5.0);
        let process = ("messaging.operation.name", "process");
        assert_eq!(
            value("messaging.process.duration", &[partition, process], &["error.type"]),
            4.0
        );
        for error in ["retry", "dead_letter"] {
            let failed = [partition, process, ("error.type", error)];
            assert_eq!(value("messaging.process.duration", &failed, &[]), 1.0);
        }
        let settle = [
            partition,
            ("messaging.operation.name", "checkpoint"),
            ("messaging.operation.type", "settle"),
        ];
        let stored = value("messaging.client.operation.duration", &settle, &["error.type"]);
        assert_eq!(stored, 1.0);
        assert_eq!(value("eventhub_consumer_lag_events", &[partition], &[]), 0.0, "it is closed");
        assert_eq!(value("eventhub_consumer_open_partitions", &[], &[partition.0]), 0.0);
        assert_eq!(value("eventhub_consumer_retries", &[partition], &[]), 1.0);
        assert_eq!(value("eventhub_consumer_dead_letters", &[partition], &[]), 1.0);
        assert!(value("eventhub_consumer_round_duration", &[], &["error.type"]) >= 1.0);
        let failures = [partition, ("error.type", "Network")];
        assert_eq!(value("eventhub_consumer_failures", &failures, &[]), 2.0);
        for point in &points {
            let is_duration = point.name.ends_with("duration");
            assert_eq!(point.unit, if is_duration { "s" } else { "" }, "{point:?}");
            assert_eq!(point.attributes["messaging.system"], "eventhubs");
            assert_eq!(point.attributes["messaging.consumer.group.name"], "$Default");
            assert_eq!(point.attributes["server.address"], "contoso.servicebus.windows.net");
        }
    }

    pub fn check_spans(&self, hub: &str) {
        let named = |name: &str| {
            let name = format!("{name} {hub}");
            self.spans.iter().filter(|span| span.name == name).collect::<Vec<_>>()
        };
        let processed = named("process");
        let numbers: Vec<_> = processed
            .iter()
            .map(|span| {
                let found = attributes(&span.attributes);
                (
                    found["sequence_number"].clone(),
                    found["attempt"].clone(),
                    found.get("error.type").cloned(),
                )
            })
            .collect();
        let row = |number: &str, attempt: &str, error: Option<&str>| {
            (number.to_owned(), attempt.to_owned(), error.map(str::to_owned))
        };
        let expected = [
            row("0", "1", None),
            row("1", "1", Some("retry")),
            row("1", "2", None),
            row("2", "1", Some("dead_letter")),
            row("3", "1", None),
            row("4", "1", None),
        ];
        assert_eq!(numbers, expected, "{hub}");
        assert!(matches!(processed[1].status, Status::Error { .. }));
        for span in &processed {
            assert_eq!(span.span_kind, SpanKind::Consumer);
            assert_eq!(
                span.parent_span_id,
                SpanId::INVALID,
                "{hub}: no span of the consumer is above"
            );
        }
        let first = attributes(&processed[0].attributes);
        assert_eq!(first["messaging.message.id"], "m-0");
        let sender = &processed[0].links.links[0].span_context;
        assert_eq!(sender.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        for span in &processed {
            let id = span.span_context.span_id();
            let inner =
                self.spans.iter().filter(|it| it.name == "inner" && it.parent_span_id == id);
            assert_eq!(inner.count(), 1, "{hub}: a handler's own span is a child");
        }

        let settled = named("checkpoint");
        assert_eq!(settled.len(), 1);
        let found = attributes(&settled[0].attributes);
        assert_eq!(
            (&*found["messaging.operation.name"], &*found["sequence_number"]),
            ("checkpoint", "4")
        );

        let received = named("receive");
        let counts = received.iter().filter_map(|span| {
            attributes(&span.attributes).get("messaging.batch.message_count")?.parse::<usize>().ok()
        });
        assert_eq!(counts.sum::<usize>(), 5, "{hub}");
        for span in processed.iter().chain(&settled).chain(&received) {
            let found = attributes(&span.attributes);
            assert_eq!(found["messaging.system"], "eventhubs");
            assert_eq!(found["messaging.destination.partition.id"], "0");
            assert_eq!(found["messaging.consumer.group.name"], "$Default");
        }
    }
}

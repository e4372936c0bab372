//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::commands::lag::Seen;
use crate::core::assess::Status;

/// The metrics in the order in which they are shown: name and help.
const PARTITION_METRICS: &[(&str, &str)] = &[
    (
        "eventhub_consumer_lag_events",
        "Events not yet processed; an upper bound where there is no checkpoint.",
    ),
    ("eventhub_consumer_lag_seconds", "The age of the first unprocessed event, or a lower bound."),
    ("eventhub_consumer_lost_events", "Events that retention removed before they were processed."),
    ("eventhub_consumer_checkpoint_sequence_number", "The sequence number of the checkpoint."),
    ("eventhub_consumer_checkpoint_age_seconds", "The time since the checkpoint was written."),
    ("eventhub_consumer_status", "1 for the current status of the partition."),
    ("eventhub_consumer_partition_owned", "1 for a partition with a live owner."),
    (
        "eventhub_partition_first_sequence_number",
        "The sequence number of the first event that is kept.",
    ),
    ("eventhub_partition_last_sequence_number", "The sequence number of the last event."),
];

type Samples = BTreeMap<&'static str, Vec<String>>;

pub(super) fn text(groups: &[Seen], is_good: bool, took: Duration) -> String {
    let mut samples = Samples::new();
    for seen in groups {
        of_group(seen, &mut samples);
    }
    let mut text = String::new();
    for (name, help) in PARTITION_METRICS {
        family(&mut text, name, help, samples.get(name).map_or(&[][..], Vec::as_slice));
    }
    let owners: Vec<_> = groups
        .iter()
        .map(|seen| format!("eventhub_consumer_owners{{{}}} {}", labels(seen, None), seen.owners))
        .collect();
    family(&mut text, "eventhub_consumer_owners", "Consumers that own partitions.", &owners);
    let success = format!("eventhub_checkpoints_scrape_success {}", u8::from(is_good));
    family(
        &mut text,
        "eventhub_checkpoints_scrape_success",
        "1 if everything was read.",
        &[success],
    );
    let seconds = format!("eventhub_checkpoints_scrape_duration_seconds {}", took.as_secs_f64());
    family(
        &mut text,
        "eventhub_checkpoints_scrape_duration_seconds",
        "The duration of the last read.",
        &[seconds],
    );
    text
}

fn family(text: &mut String, name: &str, help: &str, samples: &[String]) {
    if samples.is_empty() {
        return;
    }
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for sample in samples {
        let _ = writeln!(text, "{sample}");
    }
}

fn of_group(seen: &Seen, samples: &mut Samples) {
    for (partition, assessment) in &seen.rows {
        let labels = labels(seen, Some(&partition.id));
        let mut add = |name: &'static str, value: Option<f64>| {
            if let Some(value) = value {
                samples.entry(name).or_default().push(format!("{name}{{{labels}}} {value}"));
            }
        };
        let stored = partition.checkpoint.as_ref();
        let number = stored.and_then(|stored| stored.position.sequence_number);
        add("eventhub_consumer_lag_events", assessment.lag.map(|lag| float(lag.value)));
        add(
            "eventhub_consumer_lag_seconds",
            assessment.behind.map(|behind| behind.value.as_secs_f64()),
        );
        // 0 while nothing is lost, so that an alert sees it rise.
        let lost = partition.hub.as_ref().map(|_| float(assessment.lost.unwrap_or_default()));
        add("eventhub_consumer_lost_events", lost);
        add("eventhub_consumer_checkpoint_sequence_number", number.map(signed));
        add(
            "eventhub_consumer_checkpoint_age_seconds",
            assessment.checkpoint_age.map(|age| age.as_secs_f64()),
        );
        add(
            "eventhub_partition_first_sequence_number",
            partition.hub.as_ref().map(|hub| signed(hub.first)),
        );
        add(
            "eventhub_partition_last_sequence_number",
            partition.hub.as_ref().map(|hub| signed(hub.last)),
        );
        if let Some(status) = assessment.status {
            let of_status = Status::ALL.iter().map(|one| {
                let is = u8::from(*one == status);
                format!("eventhub_consumer_status{{{labels},status=\"{}\"}} {is}", one.word())
            });
            samples.entry("eventhub_consumer_status").or_default().extend(of_status);
        }
        let live = partition.owner.as_ref().filter(|_| assessment.has_live_owner());
        if let Some(id) = live.and_then(|owner| owner.id.as_deref()) {
            let id = escaped(id);
            let sample = format!("eventhub_consumer_partition_owned{{{labels},owner=\"{id}\"}} 1");
            samples.entry("eventhub_consumer_partition_owned").or_default().push(sample);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus has floats")]
fn float(number: u64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus has floats")]
fn signed(number: i64) -> f64 {
    number as f64
}

fn labels(seen: &Seen, partition: Option<&str>) -> String {
    let group = &seen.records.group;
    let mut labels = format!(
        "namespace=\"{}\",eventhub=\"{}\",consumer_group=\"{}\",name_case=\"{}\"",
        escaped(group.fully_qualified_namespace()),
        escaped(group.eventhub_name()),
        escaped(group.consumer_group()),
        seen.records.naming.word()
    );
    if let Some(partition) = partition {
        let _ = write!(labels, ",partition=\"{}\"", escaped(partition));
    }
    labels
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

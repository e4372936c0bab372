//! The sentences under a table: what a status means for these partitions.

use super::assess::{Assessment, Status};
use super::partition::Partition;
use super::partition_set::in_short;
use super::text::grouped;

/// More notes than this say less.
const MAX_NOTES: usize = 12;

/// One line for each partition that needs a word; the same words are said once.
pub fn notes<'a>(rows: impl IntoIterator<Item = (&'a Partition, &'a Assessment)>) -> Vec<String> {
    let mut grouped: Vec<(String, Vec<&str>)> = Vec::new();
    for (partition, assessment) in rows {
        let Some(text) = note(partition, assessment) else { continue };
        match grouped.iter_mut().find(|(known, _)| *known == text) {
            Some((_, ids)) => ids.push(&partition.id),
            None => grouped.push((text, vec![&partition.id])),
        }
    }
    let left = grouped.len().saturating_sub(MAX_NOTES);
    grouped.truncate(MAX_NOTES);
    let mut lines: Vec<_> =
        grouped.into_iter().map(|(text, ids)| format!("{}: {text}", in_short(ids))).collect();
    if left > 0 {
        lines.push(format!("{left} more; `-o json` has every partition."));
    }
    lines
}

fn note(partition: &Partition, assessment: &Assessment) -> Option<String> {
    if let Some(reason) = &partition.unreadable {
        return Some(format!("the checkpoint's blob is unreadable: {reason}."));
    }
    match assessment.status {
        Some(Status::Stalled) => Some(
            "the owner renews but stores no checkpoint: a handler that hangs or fails.".to_owned(),
        ),
        Some(Status::None) => Some(match assessment.lag {
            Some(lag) => format!(
                "no checkpoint: {} if the consumer starts at the earliest event (.NET, eventhub-checkpointstore), 0 if \
                 at the latest (the other SDKs).",
                grouped(lag.value)
            ),
            None => "no checkpoint.".to_owned(),
        }),
        Some(Status::Lost) => {
            let first = partition.hub.as_ref().map_or(0, |hub| hub.first);
            Some(format!(
                "retention passed the checkpoint: {} events were lost before sequence number {}.",
                grouped(assessment.lost.unwrap_or_default()),
                grouped(first)
            ))
        }
        Some(Status::Ahead) => Some(format!(
            "the checkpoint is {} past the last event: the hub was recreated or failed over, and nothing is received.",
            grouped(assessment.ahead.unwrap_or_default())
        )),
        Some(Status::Unowned) => {
            Some("lag, and no live owner: no consumer of this group is running.".to_owned())
        }
        None if partition.hub.is_some() && partition.checkpoint.is_some() => {
            Some("the checkpoint has no sequence number, so its lag is not known.".to_owned())
        }
        _ => None,
    }
}

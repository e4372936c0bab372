//! Whether a group is well: the thresholds of `check`, one sentence a finding.

use std::time::Duration;

use super::assess::{Assessment, Status};
use super::partition::Partition;
use super::partition_set::in_short;
use super::text::{grouped, rough};

/// What is too much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Thresholds {
    pub max_lag: Option<u64>,
    pub max_behind: Option<Duration>,
    pub max_checkpoint_age: Option<Duration>,
    pub require_owners: Option<usize>,
}

/// What is wrong, the worst first; empty if nothing is.
pub fn findings(
    rows: &[(Partition, Assessment)],
    owners: usize,
    thresholds: &Thresholds,
) -> Vec<String> {
    let mut findings = Vec::new();
    if let Some(required) = thresholds.require_owners.filter(|required| owners < *required) {
        findings.push(format!("{owners} of {required} owners"));
    }
    for status in [Status::Ahead, Status::Lost, Status::Stalled, Status::Unowned] {
        let ids = ids(rows, |_, assessment| assessment.status == Some(status));
        if !ids.is_empty() {
            findings.push(format!("{}: {ids}", status.word()));
        }
    }
    if let Some(limit) = thresholds.max_lag {
        let lag = |assessment: &Assessment| {
            assessment.lag.map(|lag| lag.value).filter(|lag| *lag > limit)
        };
        let most = rows.iter().filter_map(|(_, assessment)| lag(assessment)).max();
        if let Some(most) = most {
            let ids = ids(rows, |_, assessment| lag(assessment).is_some());
            findings.push(format!("lag above {}: {ids} (up to {})", grouped(limit), grouped(most)));
        }
    }
    if let Some(limit) = thresholds.max_behind {
        let is_late =
            |assessment: &Assessment| assessment.behind.is_some_and(|behind| behind.value > limit);
        let ids = ids(rows, |_, assessment| is_late(assessment));
        if !ids.is_empty() {
            findings.push(format!("behind by more than {}: {ids}", rough(limit)));
        }
    }
    if let Some(limit) = thresholds.max_checkpoint_age {
        // Where nothing is to be processed a checkpoint may be old.
        let is_old = |partition: &Partition, assessment: &Assessment| {
            let is_idle =
                partition.hub.is_some() && assessment.lag.is_some() && !assessment.has_lag();
            !is_idle && assessment.checkpoint_age.is_none_or(|age| age > limit)
        };
        let ids = ids(rows, is_old);
        if !ids.is_empty() {
            findings.push(format!("no checkpoint for {}: {ids}", rough(limit)));
        }
    }
    findings
}

fn ids(
    rows: &[(Partition, Assessment)],
    is_meant: impl Fn(&Partition, &Assessment) -> bool,
) -> String {
    let meant = rows.iter().filter(|(partition, assessment)| is_meant(partition, assessment));
    in_short(meant.map(|(partition, _)| partition.id.as_str()))
}

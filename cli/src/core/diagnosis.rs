//! What `doctor` finds in the records of a group, and the command that mends it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::assess::{Assessment, Status};
use super::partition::{OwnerState, Partition};
use super::partition_set::in_short;
use super::text::{age, ago, counted, rough};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Ok,
    /// It was not looked at.
    Skipped,
    Warn,
    Bad,
}

impl Grade {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warning",
            Self::Bad => "problem",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: &'static str,
    pub grade: Grade,
    pub detail: String,
    /// The command that mends it, or lets one see more.
    pub command: Option<String>,
}

impl Finding {
    pub fn new(check: &'static str, grade: Grade, detail: impl Into<String>) -> Self {
        Self { check, grade, detail: detail.into(), command: None }
    }

    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }
}

/// A group as it is diagnosed.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'a> {
    pub target: &'a str,
    pub rows: &'a [(Partition, Assessment)],
    pub now: SystemTime,
    pub expiration: Duration,
    /// Whether the hub's numbers are known.
    pub has_hub: bool,
}

impl Patient<'_> {
    fn ids(&self, is_meant: impl Fn(&Partition, &Assessment) -> bool) -> Option<String> {
        let meant =
            self.rows.iter().filter(|(partition, assessment)| is_meant(partition, assessment));
        let ids = in_short(meant.map(|(partition, _)| partition.id.as_str()));
        (!ids.is_empty()).then_some(ids)
    }

    fn command(&self, command: &str, flags: &str) -> String {
        format!("eventhub-checkpoints {command} '{}' {flags}", self.target).trim_end().to_owned()
    }
}

/// Every check of a group's records.
pub fn diagnose(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![unreadable(patient)];
    findings.extend(statuses(patient));
    findings.extend([
        sides(patient),
        leftovers(patient),
        shares(patient),
        renewals(patient),
        parts(patient),
    ]);
    findings
}

fn unreadable(patient: &Patient<'_>) -> Finding {
    let check = "readable checkpoints";
    match patient.ids(|partition, _| partition.unreadable.is_some()) {
        None => Finding::new(check, Grade::Ok, "every blob is readable"),
        Some(ids) => {
            let reason =
                patient.rows.iter().find_map(|(partition, _)| partition.unreadable.clone());
            let detail = format!(
                "{ids}: {}; some SDKs fail to list the whole group",
                reason.unwrap_or_default()
            );
            let command = patient.command("delete", &format!("-p {}", ids.replace(", ", ",")));
            Finding::new(check, Grade::Bad, detail).with_command(command)
        }
    }
}

fn statuses(patient: &Patient<'_>) -> Vec<Finding> {
    let check = "progress";
    if !patient.has_hub {
        return vec![Finding::new(check, Grade::Skipped, "the event hub was not asked")];
    }
    let bad = [
        (
            Status::Ahead,
            Grade::Bad,
            "past the last event: the hub was recreated or failed over",
            "reset",
            "--to-earliest",
        ),
        (Status::Lost, Grade::Bad, "retention passed the checkpoint", "reset", "--to-earliest"),
        (Status::Stalled, Grade::Bad, "a live owner stores no checkpoints", "watch", ""),
        (Status::Unowned, Grade::Bad, "lag, and no live owner", "show", ""),
        (Status::None, Grade::Warn, "no checkpoint", "reset", "--to-current"),
    ];
    let found: Vec<_> = bad
        .iter()
        .filter_map(|(status, grade, text, command, flags)| {
            let ids = patient.ids(|_, assessment| assessment.status == Some(*status))?;
            let flags = match *command {
                "reset" => format!("{flags} -p {}", ids.replace(", ", ",")),
                _ => (*flags).to_owned(),
            };
            let finding = Finding::new(check, *grade, format!("{ids}: {text}"));
            Some(finding.with_command(patient.command(command, &flags)))
        })
        .collect();
    if found.is_empty() {
        return vec![Finding::new(
            check,
            Grade::Ok,
            "no partition is lost, ahead, stalled or unowned",
        )];
    }
    found
}

/// Records of partitions that the hub does not have.
fn sides(patient: &Patient<'_>) -> Finding {
    let check = "partitions";
    if !patient.has_hub {
        return Finding::new(check, Grade::Skipped, "the event hub was not asked");
    }
    match patient.ids(|partition, _| partition.hub.is_none()) {
        None => Finding::new(check, Grade::Ok, "every record is one of a partition of the hub"),
        Some(ids) => {
            let command =
                patient.command("delete", &format!("--all -p {}", ids.replace(", ", ",")));
            Finding::new(check, Grade::Warn, format!("{ids}: the hub has no such partition"))
                .with_command(command)
        }
    }
}

fn leftovers(patient: &Patient<'_>) -> Finding {
    let check = "expired owners";
    match patient.ids(|_, assessment| assessment.owner == Some(OwnerState::Expired)) {
        None => Finding::new(check, Grade::Ok, "there are none"),
        Some(ids) => {
            let detail =
                format!("{ids}: the owner has not renewed for {}", rough(patient.expiration));
            Finding::new(check, Grade::Warn, detail).with_command(patient.command("release", ""))
        }
    }
}

fn shares(patient: &Patient<'_>) -> Finding {
    let check = "fair shares";
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for (partition, assessment) in patient.rows {
        let owner = partition.owner.as_ref().filter(|_| assessment.has_live_owner());
        if let Some(id) = owner.and_then(|owner| owner.id.as_deref()) {
            *shares.entry(id).or_default() += 1;
        }
    }
    let (least, most) = (shares.values().min().copied(), shares.values().max().copied());
    let owners = counted(shares.len(), "owner");
    match least.zip(most) {
        None => Finding::new(check, Grade::Skipped, "there is no live owner"),
        Some((least, most)) if most - least > 1 => {
            let detail = format!("{owners} have {least} to {most} partitions");
            Finding::new(check, Grade::Warn, detail).with_command(patient.command("show", ""))
        }
        Some((_, most)) if shares.len() == 1 => {
            Finding::new(check, Grade::Ok, format!("{owners} has {}", counted(most, "partition")))
        }
        Some((least, most)) if least == most => Finding::new(
            check,
            Grade::Ok,
            format!("{owners} have {} each", counted(most, "partition")),
        ),
        Some((least, most)) => {
            Finding::new(check, Grade::Ok, format!("{owners} have {least} or {most} partitions"))
        }
    }
}

fn renewals(patient: &Patient<'_>) -> Finding {
    let check = "renewals";
    let ages = patient.rows.iter().filter(|(_, assessment)| assessment.has_live_owner());
    let oldest = ages
        .filter_map(|(partition, _)| partition.owner.as_ref()?.renewed)
        .map(|renewed| age(renewed, patient.now))
        .max();
    match oldest {
        None => Finding::new(check, Grade::Skipped, "there is no live owner"),
        Some(oldest) if oldest > patient.expiration / 2 => {
            let detail = format!(
                "the oldest was {}, later than half the expiration of {}: two more failures and the partition moves",
                ago(oldest),
                rough(patient.expiration)
            );
            Finding::new(check, Grade::Warn, detail).with_command(patient.command("show", ""))
        }
        Some(oldest) => Finding::new(check, Grade::Ok, format!("the oldest was {}", ago(oldest))),
    }
}

/// Python and JavaScript resume from the offset only, KEDA reads the number only.
fn parts(patient: &Patient<'_>) -> Finding {
    let check = "whole positions";
    let lacks = |is_offset: bool| {
        patient.ids(|partition, _| {
            let position = partition.checkpoint.as_ref().map(|stored| &stored.position);
            position.is_some_and(|position| {
                if is_offset {
                    position.offset.is_none()
                } else {
                    position.sequence_number.is_none()
                }
            })
        })
    };
    let texts: Vec<_> = [
        lacks(true).map(|ids| format!("{ids}: no offset, so Python and JavaScript cannot resume")),
        lacks(false).map(|ids| format!("{ids}: no sequence number, which KEDA and Go need")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if texts.is_empty() {
        return Finding::new(
            check,
            Grade::Ok,
            "every checkpoint has an offset and a sequence number",
        );
    }
    Finding::new(check, Grade::Warn, texts.join("; "))
        .with_command(patient.command("reset", "--to-current"))
}

//! `doctor`: looks at everything that goes wrong with checkpoints; prints the commands that mend it, and runs none.

use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::container::{
    AccountInformation, ContainerProperties, ServiceProperties,
};
use eventhub_checkpointstore::{ConsumerGroup, Error, ErrorKind, LegacyLayout};
use serde_json::Value;

use super::lag::parse_target;
use crate::args::{Expiration, NameCase};
use crate::core::assess::{Rules, assess};
use crate::core::diagnosis::{Finding, Grade, Patient, diagnose};
use crate::core::partition::HubPartitions;
use crate::core::records::Naming;
use crate::core::target::Target;
use crate::core::text::{counted, rough};
use crate::exit::{Exit, Failure, with_causes};
use crate::output::{Cell, Column, Report, Section, Tint};
use crate::session::Session;
use crate::storage::{GroupRecords, Storage, WriteError};

/// Find problems, and print the commands that fix them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]; by default, every group in the container
    #[arg(value_parser = parse_target)]
    target: Option<Target>,
    /// Read the owners again after this time and compare
    #[arg(long, value_name = "DURATION", value_parser = crate::core::text::parse_duration)]
    again_after: Option<Duration>,
    #[command(flatten)]
    expiration: Expiration,
}

const COLUMNS: &[Column] = &[
    Column::new("RESULT", &["result"]),
    Column::new("CHECK", &["check"]),
    Column::new("DETAIL", &["detail"]),
    Column::data(&["command"]),
];

/// The clocks of servers and of this machine differ by less.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// A list that takes longer makes load balancing slow.
const SLOW: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let targets = if let Some(target) = &args.target {
        vec![target.clone()]
    } else {
        let groups = session.storage()?.groups()?;
        Target::without_twins(groups.iter().map(|summary| Target::of(&summary.group)).collect())
    };
    if targets.is_empty() {
        return Err(Failure::nothing("the container has no records of any group"));
    }
    let place = container(session.storage()?);
    let mut sections = Vec::new();
    let mut worst = Grade::Ok;
    for target in &targets {
        let group = target.consumer_group()?;
        let findings = examine(args, &group, &place, session)?;
        let bad =
            findings.iter().map(|finding| finding.grade).filter(|grade| *grade != Grade::Skipped);
        worst = worst.max(bad.max().unwrap_or(Grade::Ok));
        sections.push(section(&group, &findings));
    }
    session.show(&Report::new("findings", sections))?;
    Ok(if worst >= Grade::Warn { Exit::Findings } else { Exit::Done })
}

fn section(group: &ConsumerGroup, findings: &[Finding]) -> Section {
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    section.identity("namespace", group.fully_qualified_namespace());
    section.identity("eventhub", group.eventhub_name());
    section.identity("consumer_group", group.consumer_group());
    section.heading = vec![group.to_string()];
    section.rows = findings.iter().map(row).collect();
    let mut commands: Vec<_> =
        findings.iter().filter_map(|finding| finding.command.clone()).collect();
    commands.dedup();
    if !commands.is_empty() {
        section.notes.push("Commands that help or show more:".to_owned());
        section.notes.extend(commands.into_iter().map(|command| format!("  {command}")));
    }
    section
}

fn row(finding: &Finding) -> Vec<Cell> {
    let tint = match finding.grade {
        Grade::Ok => Tint::Good,
        Grade::Skipped => Tint::Plain,
        Grade::Warn => Tint::Warn,
        Grade::Bad => Tint::Bad,
    };
    vec![
        Cell::text(finding.grade.word()).tinted(tint),
        Cell::text(finding.check),
        Cell::text(&finding.detail),
        Cell::new("", [Value::from(finding.command.clone())]),
    ]
}

fn examine(
    args: &Args,
    group: &ConsumerGroup,
    place: &[Finding],
    session: &mut Session,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let started = Instant::now();
    // Without a list nothing else can be said.
    let all = session.storage()?.read(group, NameCase::Auto.namings())?;
    let took = started.elapsed();
    let local = (session.clock)();
    findings.push(reading(took));
    findings.push(clock(&all, local));
    findings.extend(place.iter().cloned());
    findings.push(spellings(group, &all));
    findings.push(writing(group, session)?);
    let (hub, finding) = hub(group, session);
    findings.push(finding);
    let target = group.to_string();
    for records in all.iter().filter(|records| !records.is_empty()) {
        let rules = Rules {
            now: records.server_time(),
            expiration: args.expiration.expiration,
            ok_lag: 1_000,
        };
        let rows: Vec<_> = records
            .partitions(hub.as_ref())
            .into_iter()
            .map(|partition| {
                let assessment = assess(&partition, &rules);
                (partition, assessment)
            })
            .collect();
        findings.extend(diagnose(&Patient {
            target: &target,
            rows: &rows,
            now: rules.now,
            expiration: rules.expiration,
            has_hub: hub.is_some(),
        }));
        findings.push(keda(records));
        if let Some(pause) = args.again_after {
            session.pause(pause);
            findings.push(stability(records, session)?);
        }
    }
    findings.push(legacy(group, session)?);
    Ok(findings)
}

fn reading(took: Duration) -> Finding {
    let detail = format!("the lists took {} ms", took.as_millis());
    Finding::new("read access", if took > SLOW { Grade::Warn } else { Grade::Ok }, detail)
}

/// What protects the container, and what its account keeps.
fn container(storage: &Storage) -> Vec<Finding> {
    [
        judged("container", storage.container_properties(), protection),
        judged("kind of account", storage.account_information(), kind_of_account),
        judged("soft delete", storage.service_properties(), soft_delete),
    ]
    .into_iter()
    .collect()
}

/// What may not be asked for is no finding: consumers need no such permission.
fn judged<T>(
    check: &'static str,
    found: Result<T, Error>,
    judge: impl FnOnce(&T) -> (Grade, String),
) -> Finding {
    match found {
        Ok(found) => {
            let (grade, detail) = judge(&found);
            Finding::new(check, grade, detail)
        }
        Err(error) if error.kind() == ErrorKind::AccessDenied => {
            Finding::new(check, Grade::Skipped, "this credential has no permission to read it")
        }
        Err(error) => Finding::new(check, Grade::Skipped, with_causes(&error)),
    }
}

fn protection(properties: &ContainerProperties) -> (Grade, String) {
    let holds: Vec<_> = [
        (properties.has_legal_hold, "a legal hold"),
        (properties.has_immutability_policy, "an immutability policy"),
    ]
    .into_iter()
    .filter_map(|(holds, what)| (holds == Some(true)).then_some(what))
    .collect();
    if !holds.is_empty() {
        let detail = format!(
            "{} prevents changes to blobs: consumers can neither claim partitions nor store checkpoints",
            holds.join(" and ")
        );
        return (Grade::Bad, detail);
    }
    if let Some(access) = &properties.public_access {
        let what = if access == "container" { "read and list" } else { "read" };
        return (Grade::Warn, format!("it is public: anyone can {what} its blobs"));
    }
    if properties.has_version_level_immutability == Some(true) {
        let detail = "it keeps versions: every renewal and checkpoint leaves one, which is billed";
        return (Grade::Warn, detail.to_owned());
    }
    let lease = match properties.lease_state.as_deref() {
        None | Some("available") => String::new(),
        Some(state) => format!("; its lease is {state}, which only protects it from deletion"),
    };
    (Grade::Ok, format!("nothing prevents writing{lease}"))
}

fn kind_of_account(account: &AccountInformation) -> (Grade, String) {
    let kind = account.account_kind.as_deref().unwrap_or("an account");
    let sku = account.sku_name.as_ref().map_or_else(String::new, |sku| format!(", {sku}"));
    if account.is_hierarchical_namespace_enabled == Some(true) {
        let detail = format!(
            "{kind}{sku} with a hierarchical namespace: lists contain directories, which some SDKs take for records"
        );
        return (Grade::Warn, detail);
    }
    (Grade::Ok, format!("{kind}{sku}"))
}

fn soft_delete(properties: &ServiceProperties) -> (Grade, String) {
    match properties.delete_retention_days {
        None => (Grade::Ok, "it is off".to_owned()),
        Some(days) => {
            let days = counted(usize::try_from(days).unwrap_or(usize::MAX), "day");
            let detail = format!(
                "the account keeps deleted and overwritten blobs for {days}: SDKs that upload their records anew \
                 leave copies, which are billed and slow lists down"
            );
            (Grade::Warn, detail)
        }
    }
}

fn clock(all: &[GroupRecords], local: SystemTime) -> Finding {
    let check = "clock";
    let Some(server) = all.last().map(GroupRecords::server_time) else {
        return Finding::new(check, Grade::Skipped, "nothing was read");
    };
    let skew = local.duration_since(server).unwrap_or_else(|error| error.duration());
    if skew > CLOCK_SKEW {
        let detail = format!(
            "the clocks of this machine and the storage account differ by {}: other SDKs judge owners by the local clock",
            rough(skew)
        );
        return Finding::new(check, Grade::Warn, detail);
    }
    Finding::new(check, Grade::Ok, "the clocks of this machine and the storage account agree")
}

fn spellings(group: &ConsumerGroup, all: &[GroupRecords]) -> Finding {
    let check = "spelling of names";
    match all.iter().filter(|records| !records.is_empty()).count() {
        0 => Finding::new(check, Grade::Bad, "the container has no records of this group")
            .with_command("eventhub-checkpoints groups"),
        1 => Finding::new(check, Grade::Ok, "the group has one set of blobs"),
        _ => Finding::new(
            check,
            Grade::Bad,
            "there are records in lower case and as given: two fleets that do not see each other process everything twice",
        )
        .with_command(format!("eventhub-checkpoints show '{group}'")),
    }
}

/// Tries a write that cannot succeed: on a version that never was, of a partition that there is not.
fn writing(group: &ConsumerGroup, session: &mut Session) -> Result<Finding, Failure> {
    let check = "write access";
    Ok(match session.storage()?.try_write(group, Naming::Lower) {
        Ok(()) | Err(WriteError::Conflict) => {
            Finding::new(check, Grade::Ok, "checkpoints can be written")
        }
        Err(WriteError::Failed(error) | WriteError::Unknown(error))
            if error.kind() == ErrorKind::AccessDenied =>
        {
            Finding::new(
                check,
                Grade::Warn,
                "denied: consumers need the role Storage Blob Data Contributor, or a SAS with the permission w",
            )
        }
        Err(WriteError::Failed(error) | WriteError::Unknown(error)) => {
            Finding::new(check, Grade::Warn, with_causes(&error))
        }
    })
}

fn hub(group: &ConsumerGroup, session: &mut Session) -> (Option<HubPartitions>, Finding) {
    let check = "event hub";
    match session.hub_partitions(group) {
        Ok(Some(hub)) => {
            let finding = Finding::new(
                check,
                Grade::Ok,
                format!("it has {}", counted(hub.len(), "partition")),
            );
            (Some(hub), finding)
        }
        Ok(None) => (None, Finding::new(check, Grade::Skipped, "--no-hub")),
        Err(failure) if failure.exit == Exit::Usage => {
            (None, Finding::new(check, Grade::Skipped, failure.message))
        }
        Err(failure) => (None, Finding::new(check, Grade::Bad, failure.message)),
    }
}

/// What KEDA's `azure-eventhub` scaler would look for.
fn keda(records: &GroupRecords) -> Finding {
    let group = &records.group;
    let names = records.naming.names(group);
    // It lower-cases the group, and takes the rest as it is configured.
    let last = group.consumer_group();
    let is_found = records.naming == Naming::Lower || last == last.to_lowercase();
    if is_found {
        Finding::new(
            "KEDA",
            Grade::Ok,
            format!("checkpointStrategy blobMetadata reads {names}/checkpoint/"),
        )
    } else {
        let detail = format!(
            "the azure-eventhub scaler lower-cases the group and misses {names}/checkpoint/: use the metrics-api scaler with \
             `serve`"
        );
        Finding::new("KEDA", Grade::Warn, detail)
    }
}

fn stability(records: &GroupRecords, session: &mut Session) -> Result<Finding, Failure> {
    let check = "stable owners";
    let again = session.storage()?.owners(&records.group, records.naming)?;
    let moved = records.ownerships.iter().filter(|before| {
        let after = again.iter().find(|after| after.partition_id() == before.partition_id());
        after.is_some_and(|after| after.owner_id() != before.owner_id())
    });
    let ids: Vec<_> = moved.map(|one| one.partition_id().to_owned()).collect();
    Ok(if ids.is_empty() {
        Finding::new(check, Grade::Ok, "no partition moved between two samples")
    } else {
        let ids = crate::core::partition_set::in_short(ids.iter().map(String::as_str));
        Finding::new(check, Grade::Warn, format!("{ids}: moved between two samples"))
            .with_command(format!("eventhub-checkpoints watch '{}'", records.group))
    })
}

fn legacy(group: &ConsumerGroup, session: &mut Session) -> Result<Finding, Failure> {
    let check = "legacy checkpoints";
    let storage = session.storage()?;
    // Those whose blobs cannot be taken for others; the rest is left to `migrate`.
    for layout in [
        LegacyLayout::functions(group),
        LegacyLayout::event_processor_host(group),
        LegacyLayout::dapr(group),
    ] {
        let found = storage.legacy(group, &layout)?;
        if !found.is_empty() {
            let detail = format!("{} under {layout}", found.len());
            return Ok(Finding::new(check, Grade::Warn, detail)
                .with_command(format!("eventhub-checkpoints migrate '{group}'")));
        }
    }
    Ok(Finding::new(check, Grade::Ok, "there are none in this container"))
}

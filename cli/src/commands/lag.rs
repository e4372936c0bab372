//! `lag`: checkpoints against the hub's first and last sequence numbers.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::show::{moment, number};
use crate::args::{Expiration, Partitions};
use crate::core::assess::{Assessment, Bounded, Rules, Status, assess, resume_number, total};
use crate::core::notes::notes;
use crate::core::partition::{HubPartitions, Partition, live_owners};
use crate::core::partition_set::by_id;
use crate::core::target::{Scope, Target};
use crate::core::text::{self, counted, grouped, parse_duration, rfc3339, rough};
use crate::exit::{Exit, Failure};
use crate::hub::Place;
use crate::output::{Cell, Column, Report, Section, Tint};
use crate::parallel;
use crate::session::Session;
use crate::storage::GroupRecords;

/// Show how far groups are behind their event hubs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target, required = true)]
    targets: Vec<Target>,
    /// Every group of the targets' event hubs in the container
    #[arg(long)]
    all_groups: bool,
    /// Omit healthy partitions
    #[arg(long)]
    only_lagging: bool,
    /// Order of the partitions
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Exit with 6 if a partition has a greater lag
    #[arg(long, value_name = "EVENTS")]
    fail_above: Option<u64>,
    /// Exit with 6 if a partition is further behind in time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    fail_behind: Option<Duration>,
    /// Read the first event after each checkpoint, so that BEHIND is exact
    #[arg(long, requires = "via_group")]
    peek: bool,
    /// Consumer group to read events with; use one that no consumer uses
    #[arg(long, value_name = "GROUP")]
    via_group: Option<String>,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    limits: Limits,
}

/// What the statuses depend on.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Limits {
    /// Report a lag up to this as ok while checkpoints are fresh
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000)]
    ok_lag: u64,
    #[command(flatten)]
    expiration: Expiration,
}

impl Limits {
    pub(super) fn rules(self, now: SystemTime) -> Rules {
        Rules { now, expiration: self.expiration.expiration, ok_lag: self.ok_lag }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Sort {
    #[default]
    Partition,
    Lag,
    Behind,
}

const COLUMNS: &[Column] = &[
    Column::new("PARTITION", &["partition_id"]),
    Column::new("STATUS", &["status"]),
    Column::new("LAG", &["lag", "lag_is_bound"]),
    Column::new("BEHIND", &["behind_seconds", "behind_is_bound"]),
    Column::new("CHECKPOINT", &["sequence_number"]),
    Column::wide("FIRST", &["first_sequence_number"]),
    Column::new("LAST", &["last_sequence_number"]),
    Column::new("OFFSET", &["offset"]),
    Column::wide("LAST OFFSET", &["last_offset"]),
    Column::wide("ENQUEUED", &["last_enqueued", "last_enqueued_seconds_ago"]),
    Column::new("WRITTEN", &["written", "written_seconds_ago"]),
    Column::new("OWNER", &["owner_id"]),
    Column::new("RENEWED", &["renewed", "renewed_seconds_ago"]),
    Column::data(&["lost_events", "is_empty"]),
];

pub(crate) fn parse_target(text: &str) -> Result<Target, String> {
    Target::parse(text)
}

/// A group with everything that is known about its partitions.
pub(super) struct Seen {
    pub(super) records: GroupRecords,
    pub(super) rows: Vec<(Partition, Assessment)>,
    pub(super) owners: usize,
}

impl Seen {
    pub(super) fn new(records: GroupRecords, hub: Option<&HubPartitions>, limits: Limits) -> Self {
        let rules = limits.rules(records.server_time());
        let partitions = records.partitions(hub);
        let owners = live_owners(&partitions, rules.now, rules.expiration).len();
        let assessed = partitions.into_iter().map(|partition| {
            let assessment = assess(&partition, &rules);
            (partition, assessment)
        });
        Self { rows: assessed.collect(), owners, records }
    }
}

/// Looks at a group under every spelling that has records.
pub(super) fn look(
    session: &mut Session,
    target: &Target,
    limits: Limits,
) -> Result<Vec<Seen>, Failure> {
    let group = target.consumer_group()?;
    let hub = session.hub_partitions(&group)?;
    let records = session.records(&group)?.into_iter();
    Ok(records.map(|records| Seen::new(records, hub.as_ref(), limits)).collect())
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let mut seen = Vec::new();
    if args.all_groups {
        seen = all_groups(args, session)?;
    } else {
        for target in &args.targets {
            seen.extend(look(session, target, args.limits)?);
        }
    }
    let mut sections = Vec::new();
    let mut is_above = false;
    for mut seen in seen {
        if args.peek {
            peek(args, &mut seen, session)?;
        }
        let (section, above) = section(args, seen, session.zone().as_ref());
        sections.push(section);
        is_above |= above;
    }
    session.show(&Report::new("partitions", sections))?;
    Ok(if is_above { Exit::Findings } else { Exit::Done })
}

/// The age of the first event that is not processed.
fn peek(args: &Args, seen: &mut Seen, session: &mut Session) -> Result<(), Failure> {
    let name = args.via_group.as_deref().unwrap_or_default();
    if name.eq_ignore_ascii_case(seen.records.group.consumer_group()) {
        return Err(own_group(name));
    }
    let target = Target::of(&seen.records.group);
    let (via, now) = (target.group_called(name)?, seen.records.server_time());
    let progress = session.progress("Reading events");
    let hub = session.hub()?;
    progress.begin(seen.rows.len());
    let ages = parallel::try_map(&seen.rows, |(partition, assessment)| {
        let next = next_event(partition, assessment);
        let event = next.map(|next| hub.event(&via, &partition.id, &next)).transpose()?.flatten();
        progress.step();
        Ok::<_, Failure>(event.map(|event| text::age(event.enqueued, now)))
    });
    for ((_, assessment), age) in seen.rows.iter_mut().zip(ages?) {
        assessment.behind = age.map(Bounded::exact).or(assessment.behind);
    }
    Ok(())
}

/// A receiver disturbs the consumers of its group.
pub(super) fn own_group(name: &str) -> Failure {
    Failure::usage(format!(
        "--via-group {name} must not be the group of the target: a receiver would disturb its consumers"
    ))
    .with_hint("Name a consumer group of the event hub that no consumer uses.")
}

/// The first event that is not processed, if there is one.
fn next_event(partition: &Partition, assessment: &Assessment) -> Option<Place> {
    let (hub, stored) = (partition.hub.as_ref()?, partition.checkpoint.as_ref()?);
    let number = resume_number(&stored.position, hub).filter(|_| assessment.has_lag())?;
    Some(Place::Number(number.saturating_add(1).max(hub.first)))
}

fn all_groups(args: &Args, session: &mut Session) -> Result<Vec<Seen>, Failure> {
    let scopes: Vec<_> = args.targets.iter().map(Scope::of_hub).collect();
    let found = session.all_records(|group| scopes.iter().any(|scope| scope.contains(group)))?;
    if found.is_empty() {
        let name = &session.storage()?.name;
        return Err(Failure::nothing(format!(
            "container {name} has no records of these event hubs"
        )));
    }
    let seen = found.into_iter().map(|records| {
        let hub = session.hub_partitions(&records.group)?;
        Ok(Seen::new(records, hub.as_ref(), args.limits))
    });
    seen.collect()
}

fn section(args: &Args, seen: Seen, zone: Option<&TimeZone>) -> (Section, bool) {
    let set = args.partitions.set();
    let now = seen.records.server_time();
    let mut rows: Vec<_> =
        seen.rows.into_iter().filter(|(partition, _)| set.contains(&partition.id)).collect();
    let count = rows.len();
    let sum = total(rows.iter().map(|(_, assessment)| assessment));
    let is_above = rows.iter().any(|(_, assessment)| exceeds(args, assessment));
    if args.only_lagging {
        rows.retain(|(_, assessment)| {
            !matches!(assessment.status, Some(Status::Ok | Status::Empty))
        });
    }
    sort(&mut rows, args.sort);
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    identify(&mut section, &seen.records);
    section.fact("server_time", rfc3339(now));
    section.fact("owners", seen.owners);
    section.fact("lag", sum.map(|sum| sum.value));
    section.fact("lag_is_bound", sum.map(|sum| sum.is_bound));
    section.heading = heading(&seen.records, count, seen.owners, sum, zone);
    section.rows =
        rows.iter().map(|(partition, assessment)| row(partition, assessment, now)).collect();
    section.notes = notes(rows.iter().map(|(partition, assessment)| (partition, assessment)));
    (section, is_above)
}

fn exceeds(args: &Args, assessment: &Assessment) -> bool {
    let lag = assessment.lag.zip(args.fail_above).is_some_and(|(lag, limit)| lag.value > limit);
    let behind =
        assessment.behind.zip(args.fail_behind).is_some_and(|(behind, limit)| behind.value > limit);
    // What a threshold asks for and nobody can say is no good news.
    let is_broken = matches!(assessment.status, Some(Status::Ahead | Status::Lost));
    lag || behind || is_broken && (args.fail_above.is_some() || args.fail_behind.is_some())
}

fn sort(rows: &mut [(Partition, Assessment)], by: Sort) {
    rows.sort_by(|(one, a), (other, b)| {
        let lag = |assessment: &Assessment| assessment.lag.map(|lag| lag.value);
        let behind = |assessment: &Assessment| assessment.behind.map(|behind| behind.value);
        let order = match by {
            Sort::Partition => std::cmp::Ordering::Equal,
            Sort::Lag => lag(b).cmp(&lag(a)),
            Sort::Behind => behind(b).cmp(&behind(a)),
        };
        order.then_with(|| by_id(&one.id, &other.id))
    });
}

/// The names of a group, as facts and as identity of its rows.
pub(super) fn identify(section: &mut Section, records: &GroupRecords) {
    section.identity("namespace", records.group.fully_qualified_namespace());
    section.identity("eventhub", records.group.eventhub_name());
    section.identity("consumer_group", records.group.consumer_group());
    section.identity("name_case", records.naming.word());
}

/// `contoso.servicebus.windows.net / telemetry / billing`, and the sums.
pub(super) fn heading(
    records: &GroupRecords,
    partitions: usize,
    owners: usize,
    lag: Option<Bounded<u64>>,
    zone: Option<&TimeZone>,
) -> Vec<String> {
    let group = &records.group;
    let names = format!(
        "{} / {} / {}",
        group.fully_qualified_namespace(),
        group.eventhub_name(),
        group.consumer_group()
    );
    let mut sums = format!("{}, {}", counted(partitions, "partition"), counted(owners, "owner"));
    if let Some(lag) = lag {
        let sign = if lag.is_bound { "<= " } else { "" };
        sums = format!("{sums}, lag {sign}{}", grouped(lag.value));
    }
    vec![names, sums, text::moment(records.server_time(), zone)]
}

fn row(partition: &Partition, assessment: &Assessment, now: SystemTime) -> Vec<Cell> {
    let (checkpoint, hub) = (partition.checkpoint.as_ref(), partition.hub.as_ref());
    let owner = partition.owner.as_ref().filter(|_| assessment.has_live_owner());
    let known = |number: Option<i64>| {
        Cell::new(number.map_or("-".to_owned(), grouped), [Value::from(number)])
    };
    vec![
        Cell::text(&partition.id),
        status(assessment.status),
        lag_cell(assessment.lag),
        behind_cell(assessment.behind),
        number(checkpoint),
        known(hub.map(|hub| hub.first)),
        known(hub.map(|hub| hub.last)),
        Cell::maybe(checkpoint.and_then(|stored| stored.position.offset.as_deref())),
        Cell::maybe(hub.map(|hub| hub.last_offset.as_str())),
        moment(hub.and_then(|hub| hub.last_enqueued), now),
        moment(checkpoint.and_then(|stored| stored.written), now),
        Cell::maybe(owner.and_then(|owner| owner.id.as_deref())),
        moment(owner.and_then(|owner| owner.renewed), now),
        Cell::new("", [Value::from(assessment.lost), Value::from(hub.map(|hub| hub.is_empty))]),
    ]
}

pub(super) fn status(status: Option<Status>) -> Cell {
    let tint = match status {
        Some(Status::Ok | Status::Empty) => Tint::Good,
        Some(Status::Ahead | Status::Lost | Status::Stalled) => Tint::Bad,
        Some(Status::None | Status::Unowned | Status::Rewound | Status::Behind) => Tint::Warn,
        None => Tint::Plain,
    };
    Cell::maybe(status.map(Status::word)).tinted(tint)
}

pub(super) fn lag_cell(lag: Option<Bounded<u64>>) -> Cell {
    let text = lag.map_or("-".to_owned(), |lag| {
        format!("{}{}", if lag.is_bound && lag.value > 0 { "<=" } else { "" }, grouped(lag.value))
    });
    Cell::new(
        text,
        [Value::from(lag.map(|lag| lag.value)), Value::from(lag.map(|lag| lag.is_bound))],
    )
}

pub(super) fn behind_cell(behind: Option<Bounded<Duration>>) -> Cell {
    let text = behind.map_or("-".to_owned(), |behind| {
        format!("{}{}", if behind.is_bound { ">" } else { "" }, rough(behind.value))
    });
    let seconds = behind.map(|behind| behind.value.as_secs());
    Cell::new(text, [Value::from(seconds), Value::from(behind.map(|behind| behind.is_bound))])
}

//! `reset`: moves checkpoints.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::ConsumerGroup;

use super::lag::{own_group, parse_target};
use crate::args::{Partitions, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::partition::{EARLIEST_OFFSET, Partition, Position};
use crate::core::partition_set::in_short;
use crate::core::plan::Change;
use crate::core::records::{self, Kind};
use crate::core::reset::{Aim, Goal, aim};
use crate::core::target::Target;
use crate::core::text::{parse_duration, parse_rfc3339};
use crate::exit::{Exit, Failure};
use crate::hub::{HubData, Place};
use crate::parallel;
use crate::session::Session;

/// Move checkpoints
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Consumer group to read events with; use one that no consumer uses
    #[arg(long, value_name = "GROUP")]
    via_group: Option<String>,
    #[command(flatten)]
    partitions: Partitions,
    // These set their own help heading, which would apply to every option after them.
    #[command(flatten)]
    goal: GoalFlags,
    /// Sequence number of the event with --to-offset
    #[arg(long, value_name = "NUMBER", requires = "to_offset", allow_negative_numbers = true)]
    sequence_number: Option<i64>,
    #[command(flatten)]
    write: Write,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where to, exactly one of")]
#[group(required = true, multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "flags of which one is given")]
struct GoalFlags {
    /// The first event that is kept
    #[arg(long)]
    to_earliest: bool,
    /// After the last event
    #[arg(long)]
    to_latest: bool,
    /// After the event with this offset; add its --sequence-number
    #[arg(long, value_name = "OFFSET", requires = "sequence_number", allow_hyphen_values = true)]
    to_offset: Option<String>,
    /// The event with this sequence number, which is received next
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    to_sequence: Option<i64>,
    /// The first event enqueued at or after this time, such as 2026-11-28T20:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "via_group")]
    to_datetime: Option<SystemTime>,
    /// The first event enqueued within this duration before now
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "via_group")]
    by_duration: Option<Duration>,
    /// This many events forward, or back with a minus
    #[arg(long, value_name = "EVENTS", allow_negative_numbers = true)]
    shift_by: Option<i64>,
    /// The current positions: complete missing parts, and set missing checkpoints after the last event
    #[arg(long)]
    to_current: bool,
    /// The positions in an exported file
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// The positions of another group of the event hub
    #[arg(long, value_name = "GROUP")]
    from_group: Option<String>,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let goal = goal(args, session)?;
    let plan = |session: &mut Session| plan(args, &goal, session).map(|plan| vec![plan]);
    let mut warnings = Vec::new();
    if goal == Goal::Earliest && session.global.no_hub {
        warnings.push(
            "without the event hub, the sequence number -1 is written with the offset -1: consumers start at the earliest event, \
             but KEDA shows too great a lag until the first checkpoint"
                .to_owned(),
        );
    }
    let operation = Operation {
        verb: "Move",
        flags: &args.write,
        guards_owners: true,
        warnings,
        destination: None,
        plan: &plan,
    };
    carry_out(&operation, session)
}

fn goal(args: &Args, session: &mut Session) -> Result<Goal, Failure> {
    let flags = &args.goal;
    Ok(match flags {
        _ if flags.to_earliest => Goal::Earliest,
        _ if flags.to_latest => Goal::Latest,
        _ if flags.to_current => Goal::Current,
        GoalFlags { to_offset: Some(offset), .. } => Goal::Behind(Position {
            offset: Some(offset.clone()),
            sequence_number: args.sequence_number,
        }),
        GoalFlags { to_sequence: Some(number), .. } => Goal::AtNumber(*number),
        GoalFlags { to_datetime: Some(moment), .. } => Goal::AtTime(*moment),
        // By the clock of this machine; that of the hub is not asked.
        GoalFlags { by_duration: Some(duration), .. } => Goal::AtTime(
            (session.clock)()
                .checked_sub(*duration)
                .ok_or_else(|| Failure::usage("--by-duration reaches back before the year 1970"))?,
        ),
        GoalFlags { shift_by: Some(events), .. } => Goal::ShiftedBy(*events),
        GoalFlags { from_file: Some(path), .. } => Goal::Each(from_file(path)?),
        GoalFlags { from_group: Some(group), .. } => Goal::Each(from_group(args, group, session)?),
        _ => {
            return Err(Failure::usage(
                "no goal is given: add --to-earliest, --to-latest or another one",
            ));
        }
    })
}

fn from_file(path: &Path) -> Result<BTreeMap<String, Position>, Failure> {
    let failed = |error: String| Failure::usage(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let records = records::read(BufReader::new(file)).map_err(failed)?;
    let mut positions = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == Kind::Checkpoint) {
        if positions.insert(record.partition_id.clone(), record.position()).is_some() {
            let id = &record.partition_id;
            return Err(failed(format!(
                "partition {id} appears twice: the file must contain a single group"
            )));
        }
    }
    Ok(positions)
}

fn from_group(
    args: &Args,
    group: &str,
    session: &mut Session,
) -> Result<BTreeMap<String, Position>, Failure> {
    let group = args.target.group_called(group)?;
    let records = session.records_to_change(&group)?;
    let checkpoints = records.checkpoints.iter();
    Ok(checkpoints.map(|one| (one.partition_id().to_owned(), Position::from(one))).collect())
}

fn plan(args: &Args, goal: &Goal, session: &mut Session) -> Result<GroupPlan, Failure> {
    let group = args.target.consumer_group()?;
    let hub = match goal {
        // They say everything themselves; with the hub's numbers the plan also says what is replayed.
        Goal::Behind(_) | Goal::Each(_) => session.hub_partitions_if_known(&group)?,
        _ => session.hub_partitions(&group)?,
    };
    let records = session.records_to_change(&group)?;
    let set = args.partitions.set();
    let mut partitions = records.partitions(hub.as_ref());
    for id in positions_beyond(goal, &partitions) {
        partitions.push(Partition { id, ..Default::default() });
    }
    let missing = set.missing(partitions.iter().map(|partition| partition.id.as_str()));
    if !missing.is_empty() {
        let known = in_short(partitions.iter().map(|partition| partition.id.as_str()));
        return Err(Failure::nothing(format!("there is no partition {}", missing.join(", ")))
            .with_hint(format!("The group and its event hub have {known}.")));
    }
    partitions.retain(|partition| set.contains(&partition.id));
    let via = via(args, &group)?;
    let mut aims = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let aim = aim(goal, &partition).map_err(Failure::usage)?;
        // Positions that need no event are completed even without a group to read with.
        let is_left = *goal == Goal::Current && via.is_none() && aim.is_read();
        aims.push((if is_left { Aim::Stay(UNREAD) } else { aim }, partition));
    }
    let progress = session.progress("Reading events");
    progress.begin(aims.iter().filter(|(aim, _)| aim.is_read()).count());
    let reader = match aims.iter().find(|(aim, _)| aim.is_read()) {
        None => None,
        Some((_, first)) => {
            let via = via.ok_or_else(|| {
                Failure::usage(format!(
                    "partition {}: the offset of this position is known only by reading events",
                    first.id
                ))
                .with_hint("Add --via-group GROUP, with a consumer group that no consumer uses.")
            })?;
            Some(Reader { hub: session.hub()?, via })
        }
    };
    let changes = parallel::try_map(&aims, |(aim, partition)| {
        let position = match (aim, &reader) {
            (Aim::Position(position), _) => position.clone(),
            (Aim::Stay(why), _) => return Ok(Change::keep(partition.clone(), *why)),
            (Aim::Before(number), Some(reader)) => reader.before(partition, *number)?,
            (Aim::AtTime(moment), Some(reader)) => reader.at_time(partition, *moment)?,
            (Aim::BehindOffset(offset), Some(reader)) => reader.behind(partition, offset)?,
            (_, None) => return Err(Failure::failed("there is nothing to read events with")),
        };
        if aim.is_read() {
            progress.step();
        }
        Ok(Change::write(partition.clone(), position))
    });
    Ok(GroupPlan::new(&records, changes?))
}

/// Why a position is not completed.
const UNREAD: &str = "its missing part is known only by reading its event; add --via-group GROUP, which no consumer uses";

/// The group to read with.
fn via(args: &Args, group: &ConsumerGroup) -> Result<Option<ConsumerGroup>, Failure> {
    let Some(name) = &args.via_group else { return Ok(None) };
    if name.eq_ignore_ascii_case(group.consumer_group()) {
        return Err(own_group(name));
    }
    Ok(Some(args.target.group_called(name)?))
}

/// Reads single events with a group that no consumer uses.
struct Reader<'a> {
    hub: &'a dyn HubData,
    via: ConsumerGroup,
}

impl Reader<'_> {
    /// Resuming is exclusive: to start at an event is to have processed the one before it.
    fn before(&self, partition: &Partition, number: i64) -> Result<Position, Failure> {
        let found = self.hub.event(&self.via, &partition.id, &Place::Number(number - 1))?;
        match (found, &partition.hub) {
            (Some(event), _) if event.sequence_number == number - 1 => {
                Ok(Position::new(event.offset, event.sequence_number))
            }
            // Retention has passed meanwhile: the event is the first that is kept.
            (Some(event), Some(hub)) if event.sequence_number >= number => {
                Ok(Position::new(EARLIEST_OFFSET, event.sequence_number.max(hub.first) - 1))
            }
            _ => Err(Failure::failed(format!(
                "partition {}: event {} was not received in time",
                partition.id,
                number - 1
            ))),
        }
    }

    fn at_time(&self, partition: &Partition, moment: SystemTime) -> Result<Position, Failure> {
        let found = self.hub.event(&self.via, &partition.id, &Place::Time(moment))?;
        let (Some(event), Some(hub)) = (found, &partition.hub) else {
            let id = &partition.id;
            return Err(Failure::failed(format!(
                "partition {id}: no event of that time was received in time"
            )));
        };
        if event.sequence_number <= hub.first {
            return Ok(Position::new(EARLIEST_OFFSET, event.sequence_number - 1));
        }
        self.before(partition, event.sequence_number)
    }

    /// The offset decides where consumers resume; if its event is gone, they resume at the next one.
    fn behind(&self, partition: &Partition, offset: &str) -> Result<Position, Failure> {
        let place = Place::Offset(offset.to_owned());
        let Some(event) = self.hub.event(&self.via, &partition.id, &place)? else {
            let id = &partition.id;
            return Err(Failure::failed(format!(
                "partition {id}: no event from offset {offset} on was received in time"
            ))
            .with_hint("Leave the partition out with --partitions, or choose another goal."));
        };
        let is_gone = event.offset != offset;
        Ok(Position::new(offset, event.sequence_number - i64::from(is_gone)))
    }
}

/// Partitions for which a position is given and of which there is no record.
fn positions_beyond(goal: &Goal, partitions: &[Partition]) -> Vec<String> {
    let Goal::Each(positions) = goal else { return Vec::new() };
    let known: HashSet<_> = partitions.iter().map(|partition| &partition.id).collect();
    positions.keys().filter(|id| !known.contains(id)).cloned().collect()
}

fn parse_time(text: &str) -> Result<SystemTime, String> {
    parse_rfc3339(text)
        .ok_or_else(|| format!("{text:?} is not a time: write it as 2026-11-28T20:00:00Z"))
}

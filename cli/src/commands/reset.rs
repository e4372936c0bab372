//! `reset`: moves checkpoints.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::lag::parse_target;
use crate::args::{Partitions, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::partition::Position;
use crate::core::records::{self, Kind};
use crate::core::reset::{Goal, change};
use crate::core::target::Target;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Move checkpoints
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    #[command(flatten)]
    goal: GoalFlags,
    /// The sequence number that belongs to --to-offset
    #[arg(long, value_name = "NUMBER", requires = "to_offset", allow_negative_numbers = true)]
    sequence_number: Option<i64>,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    write: Write,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "flags of which one is given")]
struct GoalFlags {
    /// To the first event that is kept
    #[arg(long)]
    to_earliest: bool,
    /// Behind the last event
    #[arg(long)]
    to_latest: bool,
    /// Behind the event with this offset; its number is --sequence-number
    #[arg(long, value_name = "OFFSET", requires = "sequence_number", allow_hyphen_values = true)]
    to_offset: Option<String>,
    /// To the event with this number: the next one that is received
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    to_sequence: Option<i64>,
    /// Where each is: missing parts are completed, missing checkpoints set behind the last event
    #[arg(long)]
    to_current: bool,
    /// To the positions of an exported file, partition by partition
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// To the positions of another group of the hub
    #[arg(long, value_name = "GROUP")]
    from_group: Option<String>,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let goal = goal(args, session)?;
    let plan = |session: &mut Session| plan(args, &goal, session).map(|plan| vec![plan]);
    let mut warnings = Vec::new();
    if goal == Goal::Earliest && session.global.no_hub {
        warnings.push(
            "without the hub the sequence number -1 is written beside the offset -1: consumers start at the earliest event, \
             KEDA shows too great a lag until the first checkpoint"
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
        GoalFlags { from_file: Some(path), .. } => Goal::Each(from_file(path)?),
        GoalFlags { from_group: Some(group), .. } => Goal::Each(from_group(args, group, session)?),
        _ => {
            return Err(Failure::usage("where to? Add --to-earliest, --to-latest or another goal"));
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
                "partition {id} is there twice: the file must be one of a single group"
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
        partitions.push(crate::core::partition::Partition { id, ..Default::default() });
    }
    let missing = set.missing(partitions.iter().map(|partition| partition.id.as_str()));
    if !missing.is_empty() {
        return Err(Failure::nothing(format!("there is no partition {}", missing.join(", "))));
    }
    partitions.retain(|partition| set.contains(&partition.id));
    let changes: Result<Vec<_>, String> =
        partitions.into_iter().map(|partition| change(goal, partition)).collect();
    Ok(GroupPlan::new(&records, changes.map_err(Failure::usage)?))
}

/// Partitions for which a position is given and of which there is no record.
fn positions_beyond(goal: &Goal, partitions: &[crate::core::partition::Partition]) -> Vec<String> {
    let Goal::Each(positions) = goal else { return Vec::new() };
    let is_known = |id: &String| partitions.iter().any(|partition| partition.id == *id);
    positions.keys().filter(|id| !is_known(id)).cloned().collect()
}

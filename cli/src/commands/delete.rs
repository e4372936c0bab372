//! `delete`: removes checkpoints or ownership records.

use super::lag::parse_target;
use crate::args::{Partitions, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::plan::{Action, Change};
use crate::core::target::Target;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Delete checkpoints or ownership records
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    write: Write,
}

#[derive(Debug, Clone, Copy, clap::Args)]
#[group(multiple = false)]
struct What {
    /// Delete checkpoints (default)
    #[arg(long)]
    checkpoints: bool,
    /// Delete ownership records
    #[arg(long)]
    ownerships: bool,
    /// Delete both
    #[arg(long)]
    all: bool,
}

impl What {
    fn checkpoints(self) -> bool {
        self.checkpoints || self.all || !self.ownerships
    }

    fn ownerships(self) -> bool {
        self.ownerships || self.all
    }
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let plan = |session: &mut Session| plan(args, session).map(|plan| vec![plan]);
    let mut warnings = Vec::new();
    if args.what.checkpoints() {
        warnings.push(
            "without a checkpoint, consumers in Python, JavaScript, Go and C++ start at the latest event and skip those before \
             it. To replay events, use `reset --to-earliest`"
                .to_owned(),
        );
    }
    let operation = Operation {
        verb: "Delete records of",
        flags: &args.write,
        guards_owners: true,
        warnings,
        destination: None,
        plan: &plan,
    };
    carry_out(&operation, session)
}

fn plan(args: &Args, session: &mut Session) -> Result<GroupPlan, Failure> {
    let group = args.target.consumer_group()?;
    let records = session.records_to_change(&group)?;
    let set = args.partitions.set();
    let mut changes = Vec::new();
    for partition in
        records.partitions(None).into_iter().filter(|partition| set.contains(&partition.id))
    {
        if args.what.ownerships() && partition.owner.is_some() {
            changes.push(Change::other(partition.clone(), Action::DeleteOwnership));
        }
        let has_checkpoint = partition.checkpoint.is_some() || partition.unreadable.is_some();
        if args.what.checkpoints() && has_checkpoint {
            changes.push(Change::other(partition, Action::DeleteCheckpoint));
        }
    }
    if changes.is_empty() {
        return Err(Failure::nothing(format!("{group} has none of these records")));
    }
    Ok(GroupPlan::new(&records, changes))
}

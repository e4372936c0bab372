//! `release`: takes owners out of ownership records, so that others may claim the partitions at once.

use super::lag::parse_target;
use crate::args::{Partitions, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::partition::OwnerState;
use crate::core::plan::{Action, Change};
use crate::core::target::Target;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Clear the owners of ownership records, by default expired ones
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Only partitions of this owner; a live owner also needs --force
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    write: Write,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let plan = |session: &mut Session| plan(args, session).map(|plan| vec![plan]);
    let warnings = if args.write.force {
        vec![
            "a live owner in Rust stops at its next renewal, and may process the same events as the next owner until then. One \
             in Python or JavaScript may continue until another consumer takes over its partition"
                .to_owned(),
        ]
    } else {
        Vec::new()
    };
    let operation = Operation {
        verb: "Release",
        flags: &args.write,
        // Which owners are live is decided partition by partition.
        guards_owners: false,
        warnings,
        destination: None,
        plan: &plan,
    };
    carry_out(&operation, session)
}

fn plan(args: &Args, session: &mut Session) -> Result<GroupPlan, Failure> {
    let group = args.target.consumer_group()?;
    let records = session.records_to_change(&group)?;
    let now = records.server_time();
    let set = args.partitions.set();
    let is_named = !set.is_all() || args.owner.is_some();
    let mut changes = Vec::new();
    for partition in records.partitions(None) {
        let Some(owner) = partition.owner.clone() else { continue };
        let is_meant = args.owner.is_none() || args.owner == owner.id;
        if !set.contains(&partition.id) || !is_meant {
            continue;
        }
        changes.push(match owner.state(now, args.write.expiration.expiration) {
            OwnerState::Released => Change::keep(partition, "it has no owner"),
            OwnerState::Expired => Change::other(partition, Action::Release),
            OwnerState::Live if args.write.force => Change::other(partition, Action::Release),
            OwnerState::Live if is_named => {
                return Err(Failure::refused(format!(
                    "partition {}: its owner {} is live",
                    partition.id,
                    owner.id.unwrap_or_default()
                ))
                .with_hint("Add --force to release a live owner."));
            }
            OwnerState::Live => Change::keep(partition, "its owner is live"),
        });
    }
    if changes.is_empty() {
        return Err(Failure::nothing(format!("{group} has no such ownership records")));
    }
    Ok(GroupPlan::new(&records, changes))
}

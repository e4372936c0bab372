//! `copy`: checkpoints of one group to another group, hub, namespace or container.

use super::lag::parse_target;
use crate::args::{Existing, Global, NameCase, Partitions, Write};
use crate::change::{Destination, GroupPlan, Operation, carry_out};
use crate::core::merge::merge;
use crate::core::records::{Naming, Record};
use crate::core::target::Target;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::storage::Storage;

/// Copy checkpoints to another group, hub, namespace or container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Source: NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    from: Target,
    /// Destination: NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    to: Target,
    /// Container of the destination, if it is another one
    #[arg(long, value_name = "NAME")]
    to_container: Option<String>,
    /// Account of the destination; its secrets are read from variables with the prefix TO_
    #[arg(long, value_name = "NAME")]
    to_account: Option<String>,
    /// URL of the destination's blob service
    #[arg(long, value_name = "URL")]
    to_storage_url: Option<String>,
    /// Spelling of the names there; auto keeps that of the source
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|lower|as-given"
    )]
    to_name_case: NameCase,
    #[command(flatten)]
    existing: Existing,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    write: Write,
}

impl Args {
    fn is_to_another_container(&self) -> bool {
        self.to_container.is_some() || self.to_account.is_some() || self.to_storage_url.is_some()
    }

    /// The flags that name the other container, for commands that do not copy. A URL may have a SAS behind it, which is secret.
    fn place(&self) -> String {
        [
            (" --container ", &self.to_container),
            (" --account ", &self.to_account),
            (" --storage-url ", &self.to_storage_url),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!("{flag}{}", value.as_ref()?.split('?').next()?)))
        .collect()
    }
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let there =
        if args.is_to_another_container() { Some(destination(args, session)?) } else { None };
    let plan = |session: &mut Session| plan(args, there.as_ref(), session).map(|plan| vec![plan]);
    let operation = Operation {
        verb: "Copy to",
        flags: &args.write,
        guards_owners: true,
        warnings: Vec::new(),
        destination: there.clone().map(|storage| Destination { storage, flags: args.place() }),
        plan: &plan,
    };
    carry_out(&operation, session)
}

/// The other container, with the secrets of its own account if it is in another one.
fn destination(args: &Args, session: &Session) -> Result<Storage, Failure> {
    let global = Global {
        container: args.to_container.clone().or_else(|| session.global.container.clone()),
        account: args.to_account.clone().or_else(|| session.global.account.clone()),
        storage_url: args.to_storage_url.clone().or_else(|| session.global.storage_url.clone()),
        ..session.global.clone()
    };
    let is_other_account = args.to_account.is_some() || args.to_storage_url.is_some();
    Storage::open(&global, &|name| {
        let own = (session.vars)(&format!("TO_{name}"));
        // The name of the container is no secret, and may be the same there.
        let is_shared = !is_other_account || name.ends_with("_CONTAINER");
        if is_shared { own.or_else(|| (session.vars)(name)) } else { own }
    })
}

fn plan(
    args: &Args,
    destination: Option<&Storage>,
    session: &mut Session,
) -> Result<GroupPlan, Failure> {
    let (from, to) = (args.from.consumer_group()?, args.to.consumer_group()?);
    let source = session.records_to_change(&from)?;
    let naming = match args.to_name_case {
        NameCase::Auto => source.naming,
        NameCase::Lower => Naming::Lower,
        NameCase::AsGiven => Naming::AsGiven,
    };
    if from == to && naming == source.naming && destination.is_none() {
        return Err(Failure::usage(format!("source and destination are the same: {from}"))
            .with_hint("Name another group, or another container with --to-container."));
    }
    let set = args.partitions.set();
    let records: Vec<_> = source
        .checkpoints
        .iter()
        .filter(|one| set.contains(one.partition_id()))
        .map(|one| Record::checkpoint(naming, one))
        .collect();
    if records.is_empty() {
        return Err(Failure::nothing(format!("{from} has no checkpoints of these partitions")));
    }
    let storage = match destination {
        Some(storage) => storage,
        None => session.storage()?,
    };
    let stored =
        storage.read(&to, &[naming])?.pop().ok_or_else(|| Failure::failed("nothing was read"))?;
    let records: Vec<_> = records.iter().collect();
    let changes = merge(&records, &stored.partitions(None), args.existing.precedence());
    Ok(GroupPlan::new(&stored, changes.map_err(Failure::usage)?))
}

//! `migrate`: takes the checkpoints of older processors over.

use eventhub_checkpointstore::{ConsumerGroup, LegacyLayout};

use super::lag::parse_target;
use crate::args::{Global, NameCase, Partitions, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::merge::{Precedence, merge};
use crate::core::records::{Naming, Record};
use crate::core::target::Target;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::storage::Storage;

/// Migrate the checkpoints of `EventProcessorHost`, Functions before version 5, and other legacy processors
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Where the legacy processor kept its checkpoints
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// Prefix of the blob names of a stand-alone host
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Container of the legacy processor, if it is another one (azure-webjobs-eventhub, eph-leases)
    #[arg(long, value_name = "NAME")]
    from_container: Option<String>,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    write: Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Layout {
    /// Whichever of them has checkpoints.
    #[default]
    Auto,
    /// Azure Functions before version 5.
    Functions,
    /// NAMESPACE/HUB/GROUP/PARTITION.
    EventProcessorHost,
    /// GROUP/PARTITION after --prefix: stand-alone .NET and Java hosts.
    StandAlone,
    /// PARTITION: version 1 of the Python client.
    Python,
    /// PARTITION: the older Go client.
    Go,
    /// dapr-HUB-GROUP-PARTITION.
    Dapr,
}

impl Layout {
    const KNOWN: [Self; 5] =
        [Self::Functions, Self::EventProcessorHost, Self::StandAlone, Self::Dapr, Self::Python];

    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Functions => "functions",
            Self::EventProcessorHost => "event-processor-host",
            Self::StandAlone => "stand-alone",
            Self::Python => "python",
            Self::Go => "go",
            Self::Dapr => "dapr",
        }
    }

    fn place(self, group: &ConsumerGroup, prefix: &str) -> LegacyLayout {
        match self {
            Self::Functions => LegacyLayout::functions(group),
            Self::Auto | Self::EventProcessorHost => LegacyLayout::event_processor_host(group),
            Self::StandAlone => LegacyLayout::stand_alone_host(group, prefix),
            Self::Python | Self::Go => LegacyLayout::named_by_partition(),
            Self::Dapr => LegacyLayout::dapr(group),
        }
    }
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let source = match &args.from_container {
        Some(container) => {
            let global = Global { container: Some(container.clone()), ..session.global.clone() };
            Some(Storage::open(&global, &*session.vars)?)
        }
        None => None,
    };
    let plan = |session: &mut Session| plan(args, source.as_ref(), session).map(|plan| vec![plan]);
    let operation = Operation {
        verb: "Migrate",
        flags: &args.write,
        guards_owners: true,
        warnings: vec![
            "stop the legacy processors first: checkpoints that they store later are not migrated"
                .to_owned(),
        ],
        destination: None,
        plan: &plan,
    };
    carry_out(&operation, session)
}

fn plan(
    args: &Args,
    source: Option<&Storage>,
    session: &mut Session,
) -> Result<GroupPlan, Failure> {
    let group = args.target.consumer_group()?;
    let naming = match session.global.name_case {
        NameCase::AsGiven => Naming::AsGiven,
        _ => Naming::Lower,
    };
    let storage = session.storage()?;
    let (layout, legacy) = find(args, source.unwrap_or(storage), &group)?;
    let set = args.partitions.set();
    let records: Vec<_> = legacy
        .iter()
        .filter(|one| set.contains(one.partition_id()))
        .map(|one| Record::checkpoint(naming, one))
        .collect();
    let stored = storage
        .read(&group, &[naming])?
        .pop()
        .ok_or_else(|| Failure::failed("nothing was read"))?;
    let records: Vec<_> = records.iter().collect();
    let changes =
        merge(&records, &stored.partitions(None), Precedence::IfMissing).map_err(Failure::usage)?;
    session.console.say(&format!("Layout: {}", layout.word()));
    Ok(GroupPlan::new(&stored, changes))
}

type Found = (Layout, Vec<eventhub_checkpointstore::Checkpoint>);

/// The legacy checkpoints of the group; of several layouts that have some the user chooses.
fn find(args: &Args, source: &Storage, group: &ConsumerGroup) -> Result<Found, Failure> {
    let layouts = if args.layout == Layout::Auto { &Layout::KNOWN[..] } else { &[args.layout][..] };
    let mut found: Vec<Found> = Vec::new();
    let mut seen = Vec::new();
    for layout in layouts {
        let place = layout.place(group, &args.prefix);
        if seen.contains(&place) {
            continue;
        }
        let listing = source.legacy(group, &place)?;
        if !listing.is_empty() {
            found.push((*layout, listing.into_items()));
        }
        seen.push(place);
    }
    let words: Vec<_> = found.iter().map(|(layout, _)| layout.word()).collect();
    if words.len() > 1 {
        return Err(Failure::refused(format!(
            "several layouts have checkpoints: {}",
            words.join(", ")
        ))
        .with_hint("Choose one with --layout."));
    }
    found.pop().ok_or_else(|| {
        Failure::nothing(format!("container {} has no legacy checkpoints of {group}", source.name))
    })
}

//! `import`: writes exported checkpoints, and restores backups.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use eventhub_checkpointstore::ConsumerGroup;

use crate::args::{Existing, Write};
use crate::change::{GroupPlan, Operation, carry_out};
use crate::core::merge::{Precedence, merge};
use crate::core::records::{self, Kind, Naming, Record};
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Write exported checkpoints, or restore a backup
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File written by `export`, or a backup; - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    existing: Existing,
    /// Also write ownership records where there are none
    #[arg(long)]
    with_owners: bool,
    #[command(flatten)]
    write: Write,
}

impl Existing {
    pub(super) fn precedence(self) -> Precedence {
        if self.overwrite {
            Precedence::Overwrite
        } else if self.if_newer {
            Precedence::IfNewer
        } else {
            Precedence::IfMissing
        }
    }
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let records = read(args, session)?;
    let plan = |session: &mut Session| plan(args, &records, session);
    let operation = Operation {
        verb: "Import into",
        flags: &args.write,
        guards_owners: true,
        warnings: Vec::new(),
        destination: None,
        plan: &plan,
    };
    carry_out(&operation, session)
}

fn read(args: &Args, session: &mut Session) -> Result<Vec<Record>, Failure> {
    let failed = |error: String| Failure::usage(format!("{}: {error}", args.file.display()));
    let read = if args.file.as_os_str() == "-" {
        records::read(&mut session.console.input)
    } else {
        let file = File::open(&args.file).map_err(|error| failed(error.to_string()))?;
        records::read(BufReader::new(file))
    };
    let mut records = read.map_err(failed)?;
    records.retain(|record| record.kind != Kind::Ownership || args.with_owners);
    if records.is_empty() {
        return Err(Failure::nothing(format!("{} has no records to import", args.file.display())));
    }
    Ok(records)
}

fn plan(args: &Args, records: &[Record], session: &mut Session) -> Result<Vec<GroupPlan>, Failure> {
    // In the order of the file.
    let mut groups: Vec<(ConsumerGroup, Naming)> = Vec::new();
    let mut of_group: HashMap<(ConsumerGroup, Naming), Vec<&Record>> = HashMap::new();
    for record in records {
        let group = (record.group()?, record.name_case);
        let records = of_group.entry(group.clone()).or_default();
        if records.is_empty() {
            groups.push(group);
        }
        records.push(record);
    }
    let stored = session.storage()?.read_each(&groups)?;
    let plans = groups.iter().zip(stored).map(|(group, stored)| {
        let changes = merge(&of_group[group], &stored.partitions(None), args.existing.precedence());
        Ok(GroupPlan::new(&stored, changes.map_err(Failure::usage)?))
    });
    plans.collect()
}

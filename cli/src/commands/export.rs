//! `export`: checkpoints as JSONL or CSV.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::lag::parse_target;
use crate::core::records::{self, Form, Record};
use crate::core::target::{Scope, Target};
use crate::core::text::counted;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::storage::GroupRecords;

/// Write checkpoints to a file or stdout
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]; not needed with --all-groups
    #[arg(value_parser = parse_target, required_unless_present = "all_groups")]
    target: Option<Target>,
    /// New file, or - for stdout
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Every group in the container, or of the target's event hub
    #[arg(long)]
    all_groups: bool,
    /// Also export ownership records
    #[arg(long)]
    with_owners: bool,
    /// File format
    #[arg(long, value_enum, default_value = "jsonl")]
    form: Form,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let groups = read(args, session)?;
    let exported: Vec<_> =
        groups.iter().flat_map(|records| of_group(records, args.with_owners)).collect();
    let text = records::write(&exported, args.form).map_err(Failure::failed)?;
    if args.file.as_os_str() == "-" {
        session.print(&text)?;
    } else {
        let failed = |error| Failure::failed(format!("{}: {error}", args.file.display()));
        let mut file = File::create_new(&args.file).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        let records = counted(exported.len(), "record");
        session.console.say(&format!("{records} in {}", args.file.display()));
    }
    Ok(Exit::Done)
}

fn read(args: &Args, session: &mut Session) -> Result<Vec<GroupRecords>, Failure> {
    if !args.all_groups {
        let target = args.target.as_ref().ok_or_else(|| {
            Failure::usage("no target is given: name a group, or add --all-groups")
        })?;
        return session.records(&target.consumer_group()?);
    }
    let scope = args.target.as_ref().map(Scope::of_hub);
    let found =
        session.all_records(|group| scope.as_ref().is_none_or(|scope| scope.contains(group)))?;
    if found.is_empty() {
        let name = &session.storage()?.name;
        return Err(Failure::nothing(format!("container {name} has no records of these groups")));
    }
    Ok(found)
}

fn of_group(records: &GroupRecords, with_owners: bool) -> Vec<Record> {
    let mut exported: Vec<_> =
        records.checkpoints.iter().map(|one| Record::checkpoint(records.naming, one)).collect();
    if with_owners {
        exported
            .extend(records.ownerships.iter().map(|one| Record::ownership(records.naming, one)));
    }
    exported
}

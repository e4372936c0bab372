//! The state before a change, in a file that `import` restores.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::GroupPlan;
use crate::core::plan::{Action, Change};
use crate::core::records::{self, Form, Record};
use crate::core::text::rfc3339;
use crate::exit::Failure;

/// So many backups of one second and group at most.
const MOST: u32 = 1_000;

/// Writes the backup, whole and on the disk, before anything is changed.
pub(super) fn write(plans: &[GroupPlan], path: Option<&Path>) -> Result<PathBuf, Failure> {
    let records: Vec<_> = plans.iter().flat_map(of_group).collect();
    let text = records::write(&records, Form::Jsonl).map_err(Failure::failed)?;
    let (mut file, path) = create(plans, path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| no_backup(&path, &error))?;
    Ok(path)
}

fn of_group(plan: &GroupPlan) -> impl Iterator<Item = Record> {
    plan.changes.iter().filter(|change| change.is_change()).map(|change: &Change| {
        match change.action {
            Action::Release | Action::DeleteOwnership | Action::WriteOwner(_) => {
                Record::owner_backup(&plan.group, plan.naming, &change.partition)
            }
            _ => Record::backup(&plan.group, plan.naming, &change.partition),
        }
    })
}

fn create(plans: &[GroupPlan], path: Option<&Path>) -> Result<(File, PathBuf), Failure> {
    if let Some(path) = path {
        // A backup of an earlier change is never overwritten.
        let file = File::create_new(path).map_err(|error| no_backup(path, &error))?;
        return Ok((file, path.to_owned()));
    }
    let base = plans.first().map_or_else(String::new, |plan| {
        let group = &plan.group;
        let names =
            format!("{}-{}-{}", group.eventhub_name(), group.consumer_group(), rfc3339(plan.now));
        names
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .collect()
    });
    for number in 0..MOST {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let path = PathBuf::from(format!("eventhub-checkpoints-backup-{base}{suffix}.jsonl"));
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(no_backup(&path, &error)),
        }
    }
    Err(Failure::failed("there are too many backups in this folder: name a new file with --backup"))
}

fn no_backup(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!(
        "cannot write the backup {}: {error}; nothing was changed",
        path.display()
    ))
    .with_hint("Name a new file with --backup.")
}

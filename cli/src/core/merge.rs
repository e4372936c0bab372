//! Records of a file or of another group over those that are stored.

use std::collections::{BTreeMap, BTreeSet};

use super::partition::{Partition, Position};
use super::plan::{Action, Change};
use super::records::{Kind, Record};

/// What happens where there is a checkpoint already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// It stays.
    IfMissing,
    /// The higher sequence number stays.
    IfNewer,
    /// It is replaced, or deleted where the record says that there was none.
    Overwrite,
}

/// One change per record.
pub fn merge(
    records: &[&Record],
    stored: &[Partition],
    precedence: Precedence,
) -> Result<Vec<Change>, String> {
    let stored: BTreeMap<_, _> =
        stored.iter().map(|partition| (partition.id.as_str(), partition)).collect();
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for record in records {
        let is_owner = record.kind == Kind::Ownership;
        if !seen.insert((record.partition_id.as_str(), is_owner)) {
            return Err(format!(
                "partition {} of {} appears twice",
                record.partition_id, record.consumer_group
            ));
        }
        let found = stored.get(record.partition_id.as_str());
        let partition = found.map_or_else(
            || Partition { id: record.partition_id.clone(), ..Partition::default() },
            |partition| (*partition).clone(),
        );
        changes.push(match record.kind {
            Kind::Checkpoint => checkpoint(record.position(), partition, precedence),
            Kind::Absent => absent(partition, precedence),
            Kind::Ownership => ownership(record, partition),
        });
    }
    Ok(changes)
}

fn checkpoint(position: Position, partition: Partition, precedence: Precedence) -> Change {
    let stored = partition.checkpoint.as_ref().map(|stored| &stored.position);
    let is_there = stored.is_some() || partition.unreadable.is_some();
    if !is_there || precedence == Precedence::Overwrite {
        return Change::write(partition, position);
    }
    let is_newer =
        match (stored.and_then(|stored| stored.sequence_number), position.sequence_number) {
            (Some(stored), Some(number)) => number > stored,
            _ => false,
        };
    match precedence {
        Precedence::IfNewer if is_newer => Change::write(partition, position),
        Precedence::IfNewer => Change::keep(partition, "the checkpoint there is not older"),
        _ => Change::keep(partition, "there is a checkpoint"),
    }
}

fn absent(partition: Partition, precedence: Precedence) -> Change {
    let is_there = partition.checkpoint.is_some() || partition.unreadable.is_some();
    match precedence {
        _ if !is_there => Change::keep(partition, "there is no checkpoint, as before"),
        Precedence::Overwrite => Change::other(partition, Action::DeleteCheckpoint),
        _ => Change::keep(
            partition,
            "there was no checkpoint; --overwrite deletes the one that is there now",
        ),
    }
}

fn ownership(record: &Record, partition: Partition) -> Change {
    match (&record.owner_id, &partition.owner) {
        (_, Some(_)) => Change::keep(partition, "there is an ownership record"),
        (None, None) => Change::keep(partition, "the record has no owner"),
        (Some(owner), None) => Change::other(partition, Action::WriteOwner(owner.clone())),
    }
}

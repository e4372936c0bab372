//! `show`: checkpoints and owners as they are stored.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::lag::{heading, identify, parse_target};
use crate::args::{Expiration, Partitions};
use crate::core::partition::{OwnerState, Partition, StoredCheckpoint, live_owners};
use crate::core::target::Target;
use crate::core::text::{age, ago, grouped, rfc3339};
use crate::exit::{Exit, Failure};
use crate::output::{Cell, Column, Report, Section, Tint};
use crate::session::Session;
use crate::storage::GroupRecords;

/// Show checkpoints and owners as stored
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    #[command(flatten)]
    partitions: Partitions,
    #[command(flatten)]
    expiration: Expiration,
}

const COLUMNS: &[Column] = &[
    Column::new("PARTITION", &["partition_id"]),
    Column::new("CHECKPOINT", &["sequence_number"]),
    Column::new("OFFSET", &["offset"]),
    Column::new("WRITTEN", &["written", "written_seconds_ago"]),
    Column::new("OWNER", &["owner_id"]),
    Column::new("STATE", &["owner_state"]),
    Column::new("RENEWED", &["renewed", "renewed_seconds_ago"]),
    Column::wide("CHECKPOINT ETAG", &["checkpoint_etag"]),
    Column::wide("OWNER ETAG", &["owner_etag"]),
    Column::data(&["unreadable"]),
];

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let group = args.target.consumer_group()?;
    let records = session.records(&group)?;
    let sections = records.iter().map(|records| section(args, records, session)).collect();
    session.show(&Report::new("partitions", sections))?;
    Ok(Exit::Done)
}

fn section(args: &Args, records: &GroupRecords, session: &Session) -> Section {
    let (now, expiration) = (records.server_time(), args.expiration.expiration);
    let set = args.partitions.set();
    let all = records.partitions(None);
    let partitions: Vec<_> = all.iter().filter(|partition| set.contains(&partition.id)).collect();
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    let owners = live_owners(&all, now, expiration).len();
    identify(&mut section, records);
    section.heading = heading(records, partitions.len(), owners, None, session.zone().as_ref());
    section.rows = partitions.iter().map(|partition| row(partition, now, expiration)).collect();
    let unreadable = partitions.iter().filter_map(|partition| {
        Some(format!(
            "{}: the checkpoint's blob is unreadable: {}.",
            partition.id,
            partition.unreadable.as_ref()?
        ))
    });
    section.notes = unreadable.collect();
    section
}

fn row(partition: &Partition, now: SystemTime, expiration: Duration) -> Vec<Cell> {
    let checkpoint = partition.checkpoint.as_ref();
    let owner = partition.owner.as_ref();
    let state = owner.map(|owner| owner.state(now, expiration));
    let etag = |etag: Option<&eventhub_checkpointstore::ETag>| {
        Cell::maybe(etag.map(eventhub_checkpointstore::ETag::as_str))
    };
    vec![
        Cell::text(&partition.id),
        number(checkpoint),
        Cell::maybe(checkpoint.and_then(|stored| stored.position.offset.as_deref())),
        moment(checkpoint.and_then(|stored| stored.written), now),
        Cell::maybe(owner.and_then(|owner| owner.id.as_deref())),
        match state {
            Some(state @ OwnerState::Expired) => Cell::text(state.word()).tinted(Tint::Warn),
            state => Cell::maybe(state.map(OwnerState::word)),
        },
        moment(owner.and_then(|owner| owner.renewed), now),
        etag(checkpoint.and_then(|stored| stored.etag.as_ref())),
        etag(owner.and_then(|owner| owner.etag.as_ref())),
        Cell::maybe(partition.unreadable.as_deref()),
    ]
}

/// The sequence number of a checkpoint.
pub(super) fn number(checkpoint: Option<&StoredCheckpoint>) -> Cell {
    let number = checkpoint.and_then(|stored| stored.position.sequence_number);
    Cell::new(number.map_or("-".to_owned(), grouped), [Value::from(number)])
}

/// A time by its age; data has both.
pub(super) fn moment(moment: Option<SystemTime>, now: SystemTime) -> Cell {
    let old = moment.map(|moment| age(moment, now));
    Cell::new(
        old.map_or("-".to_owned(), ago),
        [Value::from(moment.map(rfc3339)), Value::from(old.map(|old| old.as_secs()))],
    )
}

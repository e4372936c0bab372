//! One partition of a group: its records, and the hub's numbers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::{Checkpoint, ETag, PartitionOwnership};
use serde::{Deserialize, Serialize};

use super::partition_set::by_id;
use super::text::age;

/// The offset that stands for the beginning of a partition.
pub const EARLIEST_OFFSET: &str = "-1";

/// Where a consumer resumes: behind the event that this names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    pub offset: Option<String>,
    pub sequence_number: Option<i64>,
}

impl Position {
    pub fn new(offset: impl Into<String>, sequence_number: i64) -> Self {
        Self { offset: Some(offset.into()), sequence_number: Some(sequence_number) }
    }

    /// At the first event that the hub has.
    pub fn earliest(hub: &HubPartition) -> Self {
        Self::new(EARLIEST_OFFSET, hub.first.saturating_sub(1))
    }

    /// Behind the last event.
    pub fn latest(hub: &HubPartition) -> Self {
        if hub.last < 0 { Self::earliest(hub) } else { Self::new(&*hub.last_offset, hub.last) }
    }

    pub fn is_earliest(&self) -> bool {
        self.offset.as_deref() == Some(EARLIEST_OFFSET)
    }
}

impl From<&Checkpoint> for Position {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            offset: checkpoint.offset().map(str::to_owned),
            sequence_number: checkpoint.sequence_number(),
        }
    }
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredCheckpoint {
    pub position: Position,
    pub written: Option<SystemTime>,
    pub etag: Option<ETag>,
}

/// An ownership record as it is stored; without an owner it was relinquished.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredOwner {
    pub id: Option<String>,
    pub renewed: Option<SystemTime>,
    pub etag: Option<ETag>,
}

impl StoredOwner {
    pub fn state(&self, now: SystemTime, expiration: Duration) -> OwnerState {
        match (&self.id, self.renewed) {
            (None, _) => OwnerState::Released,
            // What cannot be shown to be expired counts as live.
            (Some(_), None) => OwnerState::Live,
            (Some(_), Some(renewed)) if age(renewed, now) <= expiration => OwnerState::Live,
            (Some(_), Some(_)) => OwnerState::Expired,
        }
    }
}

/// Whether somebody holds the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerState {
    Live,
    Expired,
    Released,
}

impl OwnerState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Released => "released",
        }
    }
}

/// The numbers of a partition as the hub tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubPartition {
    /// The sequence number of the first event that is kept.
    #[serde(rename = "first_sequence_number")]
    pub first: i64,
    /// The sequence number of the last event; below zero if there never was one.
    #[serde(rename = "last_sequence_number")]
    pub last: i64,
    #[serde(default)]
    pub last_offset: String,
    /// When the last event came.
    #[serde(
        default,
        with = "super::records::moment_form",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_enqueued: Option<SystemTime>,
    /// No event is kept.
    #[serde(default)]
    pub is_empty: bool,
}

impl HubPartition {
    /// How many events are kept.
    pub fn kept(&self) -> u64 {
        if self.is_empty { 0 } else { count(i128::from(self.last) - i128::from(self.first) + 1) }
    }

    /// How many of the kept events stand behind this number.
    pub fn kept_behind(&self, sequence_number: i64) -> u64 {
        count(i128::from(self.last) - i128::from(sequence_number)).min(self.kept())
    }
}

/// A number of events; less than none is none.
pub fn count(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}

/// Everything that is known about a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partition {
    pub id: String,
    pub checkpoint: Option<StoredCheckpoint>,
    /// Why the blob of the checkpoint is not readable.
    pub unreadable: Option<String>,
    pub owner: Option<StoredOwner>,
    pub hub: Option<HubPartition>,
}

/// The hub's numbers by partition.
pub type HubPartitions = BTreeMap<String, HubPartition>;

/// Everything that any side knows, partition by partition: none is left out.
pub fn join(
    checkpoints: &[Checkpoint],
    unreadable: &[(String, String)],
    ownerships: &[PartitionOwnership],
    hub: Option<&HubPartitions>,
) -> Vec<Partition> {
    let mut found: BTreeMap<&str, Partition> = BTreeMap::new();
    for checkpoint in checkpoints {
        found.entry(checkpoint.partition_id()).or_default().checkpoint = Some(StoredCheckpoint {
            position: checkpoint.into(),
            written: checkpoint.last_modified(),
            etag: checkpoint.etag().cloned(),
        });
    }
    for (id, reason) in unreadable {
        found.entry(id).or_default().unreadable = Some(reason.clone());
    }
    for ownership in ownerships {
        found.entry(ownership.partition_id()).or_default().owner = Some(StoredOwner {
            id: ownership.owner_id().map(str::to_owned),
            renewed: ownership.last_modified(),
            etag: ownership.etag().cloned(),
        });
    }
    for (id, partition) in hub.into_iter().flatten() {
        found.entry(id).or_default().hub = Some(partition.clone());
    }
    let mut partitions: Vec<_> = found
        .into_iter()
        .map(|(id, partition)| Partition { id: id.to_owned(), ..partition })
        .collect();
    partitions.sort_by(|one, other| by_id(&one.id, &other.id));
    partitions
}

/// How many consumers hold partitions.
pub fn live_owners(partitions: &[Partition], now: SystemTime, expiration: Duration) -> Vec<String> {
    let owners = partitions.iter().filter_map(|partition| partition.owner.as_ref());
    let live = owners.filter(|owner| owner.state(now, expiration) == OwnerState::Live);
    let mut ids: Vec<_> = live.filter_map(|owner| owner.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

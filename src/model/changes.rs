//! Reports of operations on many checkpoints.

use std::fmt;

use super::{Checkpoint, SkipReason};
use crate::error::{Error, ErrorKind, Result};

/// Decides whether an operation on many checkpoints changes them or only reports what it would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunMode {
    /// Reads and reports. Nothing is written or deleted.
    DryRun,
    /// Reads, changes and reports. Refuses a change that a running consumer would undo.
    Apply,
    /// Like [`Apply`](Self::Apply), but ignores the owners. A running consumer overwrites the change with its next
    /// checkpoint.
    Force,
}

/// The result of a reset, a deletion or a migration for one partition.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckpointChange {
    /// The id of the partition.
    pub partition_id: String,
    /// The checkpoint before the change, if it was readable.
    pub before: Option<Checkpoint>,
    /// The checkpoint after the change, or the one that a dry run would store. `None` if there is none, or if it is
    /// unknown.
    pub after: Option<Checkpoint>,
    /// The defect of a legacy checkpoint that was migrated only in part.
    pub repaired: Option<SkipReason>,
    /// The outcome.
    pub outcome: ChangeOutcome,
}

/// The outcome for one checkpoint.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChangeOutcome {
    /// The checkpoint was changed.
    Applied,
    /// A dry run found that the checkpoint would change.
    Planned,
    /// There was nothing to change.
    Kept(KeepReason),
    /// A consumer owns the partition and would overwrite the change with its next checkpoint, so the change was refused.
    /// Stop the consumer and try again once its ownership is relinquished or expired, or use [`RunMode::Force`].
    Refused {
        /// The id of the owner.
        owner_id: String,
    },
    /// The change failed, or its outcome is unknown.
    ///
    /// [`ErrorKind::ConditionNotMet`](crate::ErrorKind::ConditionNotMet): another writer changed the checkpoint in the
    /// meantime, so a consumer is still running. Its position was left alone.
    Failed(Error),
}

/// Why a checkpoint was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeepReason {
    /// A checkpoint in the current format already exists.
    Exists,
    /// There is no checkpoint.
    Missing,
    /// The stored position is already the requested one.
    SamePosition,
    /// The checkpoint is stored under the other naming, where the store only reads.
    OtherNaming,
    /// The stored checkpoint is not readable.
    Skipped(SkipReason),
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("a checkpoint already exists"),
            Self::Missing => f.write_str("there is no checkpoint"),
            Self::SamePosition => f.write_str("it already has this position"),
            Self::OtherNaming => f.write_str("it is stored under the other naming"),
            Self::Skipped(reason) => reason.fmt(f),
        }
    }
}

impl CheckpointChange {
    /// Creates a report; for implementers of stores. Set [`before`](Self::before) and [`after`](Self::after) as fields.
    ///
    #[doc = shared_example!("model/checkpoint_changes")]
    pub fn new(partition_id: impl Into<String>, outcome: ChangeOutcome) -> Self {
        let partition_id = partition_id.into();
        Self { partition_id, before: None, after: None, repaired: None, outcome }
    }

    pub(crate) fn with_before(mut self, before: Option<Checkpoint>) -> Self {
        self.before = before;
        self
    }

    pub(crate) fn with_after(mut self, after: Option<Checkpoint>) -> Self {
        self.after = after;
        self
    }

    #[cfg(feature = "legacy")]
    pub(crate) fn with_repaired(mut self, repaired: Option<SkipReason>) -> Self {
        self.repaired = repaired;
        self
    }

    fn into_error(self, count: &str) -> Error {
        let line = self.to_string();
        match self.outcome {
            ChangeOutcome::Failed(error) => {
                let partition = format!("partition {}", self.partition_id);
                error.within(&format!("change the checkpoints: {count}: {partition}"))
            }
            _ => Error::new(ErrorKind::ConditionNotMet, format!("{count}: {line}"))
                .with_action("change the checkpoints"),
        }
    }

    /// Returns whether the checkpoint was changed, or would be by a dry run.
    pub fn is_change(&self) -> bool {
        matches!(self.outcome, ChangeOutcome::Applied | ChangeOutcome::Planned)
    }
}

/// One line for a person who checks a dry run.
impl fmt::Display for CheckpointChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}: ", self.partition_id)?;
        let deletes = self.after.is_none();
        match &self.outcome {
            ChangeOutcome::Applied if deletes => f.write_str("deleted ")?,
            ChangeOutcome::Planned if deletes => f.write_str("would delete ")?,
            ChangeOutcome::Applied => f.write_str("changed from ")?,
            ChangeOutcome::Planned => f.write_str("would change from ")?,
            ChangeOutcome::Kept(reason) => return write!(f, "kept: {reason}"),
            ChangeOutcome::Refused { owner_id } => {
                return write!(f, "refused: {}", live_owner(owner_id));
            }
            ChangeOutcome::Failed(error) => return write!(f, "failed: {error}"),
        }
        position(f, self.before.as_ref())?;
        if !deletes {
            f.write_str(" to ")?;
            position(f, self.after.as_ref())?;
        }
        match self.repaired {
            Some(reason) => write!(f, " (read in part: {reason})"),
            None => Ok(()),
        }
    }
}

fn live_owner(owner_id: &str) -> String {
    format!(
        "its owner {owner_id:?} is running and would overwrite it; stop it first, or force the change"
    )
}

fn position(f: &mut fmt::Formatter<'_>, checkpoint: Option<&Checkpoint>) -> fmt::Result {
    let Some(checkpoint) = checkpoint else {
        return f.write_str("no position");
    };
    match checkpoint.sequence_number() {
        Some(number) => write!(f, "sequence number {number}")?,
        None => f.write_str("no sequence number")?,
    }
    match checkpoint.offset() {
        Some(offset) => write!(f, ", offset {offset}"),
        None => f.write_str(", no offset"),
    }
}

/// One report per partition of a reset, a deletion or a migration.
///
/// ```
/// use eventhub_checkpointstore::{ChangeOutcome, CheckpointChange, CheckpointChanges, KeepReason};
///
/// let changes = CheckpointChanges::new(vec![
///     CheckpointChange::new("0", ChangeOutcome::Applied),
///     CheckpointChange::new("1", ChangeOutcome::Kept(KeepReason::Missing)),
/// ]);
/// assert_eq!(changes.iter().filter(|change| change.is_change()).count(), 1);
/// assert_eq!(changes.iter().nth(1).unwrap().to_string(), "partition 1: kept: there is no checkpoint");
/// ```
#[derive(Debug, Default)]
#[must_use = "the change of a checkpoint may have failed"]
pub struct CheckpointChanges {
    changes: Vec<CheckpointChange>,
}

impl CheckpointChanges {
    /// Creates a collection of reports; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_changes"))]
    pub fn new(changes: Vec<CheckpointChange>) -> Self {
        Self { changes }
    }

    /// Iterates over the reports of all partitions.
    pub fn iter(&self) -> std::slice::Iter<'_, CheckpointChange> {
        self.changes.iter()
    }

    /// Iterates over the partitions whose change failed, with their errors.
    pub fn failed(&self) -> impl Iterator<Item = (&CheckpointChange, &Error)> {
        self.changes.iter().filter_map(|change| match &change.outcome {
            ChangeOutcome::Failed(error) => Some((change, error)),
            _ => None,
        })
    }

    /// Iterates over the partitions whose change was refused because a consumer owns them, with the owner's id.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_changes"))]
    pub fn refused(&self) -> impl Iterator<Item = (&CheckpointChange, &str)> {
        self.changes.iter().filter_map(|change| match &change.outcome {
            ChangeOutcome::Refused { owner_id } => Some((change, owner_id.as_str())),
            _ => None,
        })
    }

    /// Returns the reports, or an error if a change failed or was refused.
    ///
    /// Other partitions may still have been changed. If you need to know which, read the reports first.
    ///
    /// ```
    /// use eventhub_checkpointstore::{ChangeOutcome, CheckpointChange, CheckpointChanges};
    ///
    /// let refused = ChangeOutcome::Refused { owner_id: "consumer-a".to_owned() };
    /// let changes = CheckpointChanges::new(vec![
    ///     CheckpointChange::new("0", ChangeOutcome::Applied),
    ///     CheckpointChange::new("1", refused),
    /// ]);
    /// let error = changes.into_result().unwrap_err();
    /// assert!(error.to_string().contains("1 of 2 partitions: partition 1: refused"));
    /// ```
    ///
    /// # Errors
    ///
    /// The first failure, with its [kind](Error::kind) and the number of failures;
    /// [`ErrorKind::ConditionNotMet`](crate::ErrorKind::ConditionNotMet) for a refused change.
    pub fn into_result(self) -> Result<Self> {
        let bad = |change: &CheckpointChange| {
            matches!(change.outcome, ChangeOutcome::Failed(_) | ChangeOutcome::Refused { .. })
        };
        let (all, count) = (self.len(), self.changes.iter().filter(|change| bad(change)).count());
        let Some(index) = self.changes.iter().position(bad) else {
            return Ok(self);
        };
        let first = self.changes.into_iter().nth(index);
        Err(first.map_or_else(
            || Error::new(ErrorKind::Other, ""),
            |first| first.into_error(&format!("{count} of {all} partitions")),
        ))
    }

    /// Returns the number of partitions.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns whether there are no partitions.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl IntoIterator for CheckpointChanges {
    type Item = CheckpointChange;
    type IntoIter = std::vec::IntoIter<CheckpointChange>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

impl<'a> IntoIterator for &'a CheckpointChanges {
    type Item = &'a CheckpointChange;
    type IntoIter = std::slice::Iter<'a, CheckpointChange>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Selects checkpoints of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitions {
    /// Every partition that has a checkpoint.
    All,
    /// Only the partitions with these ids; see [`only`](Self::only).
    Only(Vec<String>),
}

impl Partitions {
    /// Selects the partitions with these ids.
    ///
    /// ```
    /// use eventhub_checkpointstore::Partitions;
    ///
    /// let ids: Vec<String> = (0..2).map(|id| id.to_string()).collect();
    /// assert_eq!(Partitions::only(&ids), Partitions::only(["0", "1"]));
    /// ```
    pub fn only(partition_ids: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::Only(partition_ids.into_iter().map(|id| id.as_ref().to_owned()).collect())
    }
}

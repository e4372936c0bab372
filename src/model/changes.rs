//! The report of an operation on many checkpoints.

use std::fmt;

use super::{Checkpoint, SkipReason};
use crate::error::{Error, ErrorKind, Result};

/// Whether an operation on many checkpoints is carried out, or only says what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunMode {
    /// Reads and reports; nothing is written or deleted.
    DryRun,
    /// Reads, changes and reports. What a running consumer would undo is refused.
    Apply,
    /// As [`Apply`](Self::Apply), but without a look at the owners: a running consumer overwrites the change at its next
    /// checkpoint.
    Force,
}

/// What became of the checkpoint of one partition in a reset, a deletion or a migration.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckpointChange {
    /// The id of the partition.
    pub partition_id: String,
    /// The checkpoint that was found, if it was readable.
    pub before: Option<Checkpoint>,
    /// The checkpoint that is stored from now on, or would be after a dry run; `None` if there is none, or if nobody
    /// can say.
    pub after: Option<Checkpoint>,
    /// What was wrong with a legacy checkpoint that is only taken over in part.
    pub repaired: Option<SkipReason>,
    /// What was done, or why not.
    pub outcome: ChangeOutcome,
}

/// What was done about one checkpoint, or why not.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChangeOutcome {
    /// It was changed.
    Applied,
    /// A dry run found that it would be changed.
    Planned,
    /// There is nothing to change.
    Kept(KeepReason),
    /// A consumer owns the partition and would overwrite the change at its next checkpoint, so nothing was changed, or
    /// would be after a dry run. Stop it and try again once its ownership is relinquished or expired, or use
    /// [`RunMode::Force`].
    Refused {
        /// The id of the owner.
        owner_id: String,
    },
    /// The service refused, or nobody can say.
    ///
    /// [`ErrorKind::ConditionNotMet`](crate::ErrorKind::ConditionNotMet): another writer changed the checkpoint in
    /// between, so a consumer is still running; its position was left alone.
    Failed(Error),
}

/// Why a checkpoint was left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeepReason {
    /// A checkpoint of the current format exists already.
    Exists,
    /// There is no checkpoint.
    Missing,
    /// The position is the stored one already.
    SamePosition,
    /// It is stored under the other naming, where it is only read.
    OtherNaming,
    /// What was found is not readable.
    Skipped(SkipReason),
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("a checkpoint exists already"),
            Self::Missing => f.write_str("there is no checkpoint"),
            Self::SamePosition => f.write_str("it has this position already"),
            Self::OtherNaming => f.write_str("it is stored under the other naming"),
            Self::Skipped(reason) => reason.fmt(f),
        }
    }
}

impl CheckpointChange {
    /// A change; for implementers of stores. Set what is stored before and after as fields.
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
                Error::new(error.kind(), format!("{count}: {line}")).with_source(error)
            }
            _ => Error::new(ErrorKind::ConditionNotMet, format!("{count}: {line}")),
        }
        .with_action("change the checkpoints")
    }

    /// Whether it was changed, or would be.
    pub fn is_change(&self) -> bool {
        matches!(self.outcome, ChangeOutcome::Applied | ChangeOutcome::Planned)
    }
}

/// For a person to read before the real run, one line each.
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
    /// Collects reports; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_changes"))]
    pub fn new(changes: Vec<CheckpointChange>) -> Self {
        Self { changes }
    }

    /// Iterates over the reports of all partitions.
    pub fn iter(&self) -> std::slice::Iter<'_, CheckpointChange> {
        self.changes.iter()
    }

    /// The partitions whose change failed, with the errors.
    pub fn failed(&self) -> impl Iterator<Item = (&CheckpointChange, &Error)> {
        self.changes.iter().filter_map(|change| match &change.outcome {
            ChangeOutcome::Failed(error) => Some((change, error)),
            _ => None,
        })
    }

    /// The partitions whose change was refused because a consumer owns them, with the owner's id.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_changes"))]
    pub fn refused(&self) -> impl Iterator<Item = (&CheckpointChange, &str)> {
        self.changes.iter().filter_map(|change| match &change.outcome {
            ChangeOutcome::Refused { owner_id } => Some((change, owner_id.as_str())),
            _ => None,
        })
    }

    /// The reports, or an error if one of the changes failed or was refused.
    ///
    /// Other partitions may have been changed all the same: to tell, look at the reports before.
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
    /// The first failure, of its [kind](Error::kind), and how many there are;
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

    /// How many partitions were looked at.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether no partition was looked at.
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

/// Which checkpoints of a group are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions<'a> {
    /// Those of every partition that has one.
    All,
    /// Those of these partitions.
    Only(&'a [&'a str]),
}

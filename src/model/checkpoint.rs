//! A checkpoint: how far a partition has been processed.

use std::time::SystemTime;

use super::check::{check_header_text, check_partition_id};
use super::text::Text;
use super::{ConsumerGroup, ETag};
use crate::error::{Error, Result};

/// How far the events of a partition were processed by a consumer group.
///
/// The offset is opaque text and never a number: geo-replicated namespaces write `2:-1:-1`.
///
/// ```
/// use eventhub_checkpointstore::{Checkpoint, ConsumerGroup};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let checkpoint = Checkpoint::new(&group, "0", "8589934592", 960_180)?;
/// assert_eq!(checkpoint.offset(), Some("8589934592"));
/// assert_eq!(checkpoint.sequence_number(), Some(960_180));
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "super::serde_form::CheckpointForm",
        into = "super::serde_form::CheckpointForm"
    )
)]
pub struct Checkpoint {
    group: ConsumerGroup,
    partition_id: Text,
    offset: Option<Text>,
    sequence_number: Option<i64>,
    etag: Option<ETag>,
    last_modified: Option<SystemTime>,
}

impl Checkpoint {
    /// A checkpoint at an event, by its offset and its sequence number.
    ///
    /// Give both: Python and JavaScript resume from the offset only, KEDA reads the sequence number only.
    ///
    #[doc = shared_example!("model/checkpoint_new")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the partition id is not a possible part of a
    /// blob name, if the offset is one of the texts that mean "no offset" (empty, `no offset`, `None`) or not
    /// printable ASCII, or if the sequence number is `i64::MIN`, which .NET writes for "none".
    pub fn new(
        group: &ConsumerGroup,
        partition_id: impl Into<String>,
        offset: impl Into<String>,
        sequence_number: i64,
    ) -> Result<Self> {
        Self::with_position(group, partition_id, Some(offset.into()), Some(sequence_number))
    }

    /// A checkpoint of which only a part of the position may be known.
    ///
    /// What is `None` is stored as an empty text, as .NET does. Prefer [`new`](Self::new) where other languages share
    /// the consumer group: Go and C++ cannot read such a checkpoint; without a sequence number Python and JavaScript
    /// fail to list any of the group, and without an offset they list one that they cannot resume from (`None`,
    /// or an empty text).
    ///
    #[doc = shared_example!("model/checkpoint_with_position")]
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if both parts are `None`.
    pub fn with_position(
        group: &ConsumerGroup,
        partition_id: impl Into<String>,
        offset: Option<String>,
        sequence_number: Option<i64>,
    ) -> Result<Self> {
        let partition_id = partition_id.into();
        check_partition_id(&partition_id)?;
        if let Some(offset) = &offset {
            check_offset(offset)?;
        }
        if sequence_number == Some(i64::MIN) {
            return Err(Error::invalid_input(format!(
                "sequence number {}: it is read as \"none\"; use None",
                i64::MIN
            )));
        }
        if offset.is_none() && sequence_number.is_none() {
            return Err(Error::invalid_input("a checkpoint needs an offset or a sequence number"));
        }
        Ok(Self {
            group: group.clone(),
            partition_id: partition_id.into(),
            offset: offset.map(Text::from),
            sequence_number,
            etag: None,
            last_modified: None,
        })
    }

    /// A checkpoint that was serialized: one that was made, or one that was read, whose offset is a foreign writer's.
    #[cfg(feature = "serde")]
    pub(crate) fn from_serialized(
        group: &ConsumerGroup,
        partition_id: String,
        offset: Option<String>,
        sequence_number: Option<i64>,
    ) -> Result<Self> {
        let is_foreign = |offset: &String| {
            !means_no_offset(offset) && offset.trim() == offset && check_offset(offset).is_err()
        };
        let foreign = offset.as_ref().filter(|offset| is_foreign(offset)).cloned();
        // The rest is checked as ever.
        let stand_in = if foreign.is_some() { Some("0".to_owned()) } else { offset };
        let checkpoint = Self::with_position(group, partition_id, stand_in, sequence_number)?;
        Ok(match foreign {
            Some(offset) => Self { offset: Some(offset.into()), ..checkpoint },
            None => checkpoint,
        })
    }

    /// What was read: an offset is kept verbatim, whatever a foreign writer put there.
    #[inline]
    pub(crate) fn from_storage(
        group: &ConsumerGroup,
        partition_id: &str,
        offset: Option<&str>,
        sequence_number: Option<i64>,
        etag: Option<ETag>,
        last_modified: Option<SystemTime>,
    ) -> Self {
        Self {
            group: group.clone(),
            partition_id: partition_id.into(),
            offset: offset.map(Text::from),
            sequence_number,
            etag,
            last_modified,
        }
    }

    /// Sets the version of the stored record; for implementers of stores.
    ///
    #[doc = shared_example!("model/checkpoint_version")]
    #[must_use]
    pub fn with_etag(mut self, etag: ETag) -> Self {
        self.etag = Some(etag);
        self
    }

    pub(crate) fn without_etag(mut self) -> Self {
        self.etag = None;
        self
    }

    /// Whether both name the same event, in offset and sequence number.
    pub(crate) fn has_position_of(&self, other: &Self) -> bool {
        (&self.offset, self.sequence_number) == (&other.offset, other.sequence_number)
    }

    /// Sets when the record was last written, by the server's clock; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_version"))]
    #[must_use]
    pub fn with_last_modified(mut self, last_modified: SystemTime) -> Self {
        self.last_modified = Some(last_modified);
        self
    }

    /// The stored version, as far as the service told it.
    pub(crate) fn with_version(
        mut self,
        etag: Option<ETag>,
        last_modified: Option<SystemTime>,
    ) -> Self {
        self.etag = etag;
        self.last_modified = last_modified;
        self
    }

    /// The consumer group that processed the events.
    pub fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    /// The id of the partition.
    pub fn partition_id(&self) -> &str {
        &self.partition_id
    }

    /// The offset of the last processed event, verbatim.
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }

    /// The sequence number of the last processed event.
    pub fn sequence_number(&self) -> Option<i64> {
        self.sequence_number
    }

    /// The version of the stored record, if it was read.
    pub fn etag(&self) -> Option<&ETag> {
        self.etag.as_ref()
    }

    /// When the record was last written, by the server's clock, to the second; `None` if it was not read.
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.last_modified
    }
}

fn check_offset(offset: &str) -> Result<()> {
    check_header_text("offset", offset)?;
    if means_no_offset(offset) {
        return Err(Error::invalid_input(format!(
            "offset {offset:?}: every reader takes it for \"no offset\"; use `with_position` and None"
        )));
    }
    Ok(())
}

/// Whether a stored offset, without blanks around it, stands for "none": empty (.NET), `no offset` (.NET 5.11), `None` (Python).
pub(crate) fn means_no_offset(text: &str) -> bool {
    text.is_empty() || text == "None" || text.eq_ignore_ascii_case("no offset")
}

/// Whether a stored sequence number, without blanks around it, stands for "none": empty (.NET), `None` (Python).
pub(crate) fn means_no_number(text: &str) -> bool {
    text.is_empty() || text == "None"
}

/// What became of a checkpoint that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "a stale checkpoint was not stored"]
pub enum UpdateOutcome {
    /// It is stored.
    Written,
    /// A later position was stored already by another writer and was left alone.
    ///
    /// Only a fenced store reports it; a plain `update_checkpoint` always writes. The partition has another owner by
    /// now, or had one in between: stop processing it, and read the checkpoint before you process it again.
    Stale,
    /// A later position is stored already, and no other writer stored it: this store did, or it read it last.
    ///
    /// Only a fenced store reports it. An update came too late, after a later one of the same consumer; go on. If it is
    /// reported again and again, the sequence numbers of the event hub have begun again, as after it was created anew or
    /// failed over: reset or delete the checkpoints.
    OutOfOrder,
    /// What is stored is not what the caller [expected](Expected), and was left alone.
    ///
    /// Only a conditional update reports it.
    Conflict,
}

/// What a conditional write expects to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// No checkpoint: neither a readable nor an unreadable one.
    Absent,
    /// This version of it, by the [ETag](Checkpoint::etag) that a list or a read returned.
    Version(&'a ETag),
}

/// What became of a checkpoint that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "the checkpoint may still be there"]
pub enum DeleteOutcome {
    /// It is deleted.
    Deleted,
    /// There was none.
    Missing,
    /// Another version than the expected one is stored, and was left alone.
    Conflict,
}

/// A checkpoint that was stored, as a plain `update_checkpoint` always does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointWritten {
    /// The version of the record now stored.
    pub etag: ETag,
    /// When the record was written, by the server's clock, to the second. `None` where a container cannot say.
    pub last_modified: Option<SystemTime>,
}

impl CheckpointWritten {
    pub(crate) fn new(etag: ETag, last_modified: Option<SystemTime>) -> Self {
        Self { etag, last_modified }
    }
}

impl From<CheckpointWritten> for CheckpointUpdate {
    fn from(written: CheckpointWritten) -> Self {
        let CheckpointWritten { etag, last_modified } = written;
        Self { outcome: UpdateOutcome::Written, etag: Some(etag), last_modified }
    }
}

/// What became of a checkpoint that was to be stored, where it may not have been.
///
/// Check [`outcome`](Self::outcome): it is the only sign that another consumer has the partition. To drop it is a warning
/// of the compiler, also behind a `?`:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use eventhub_checkpointstore::{CheckpointUpdate, Result};
///
/// fn store(update: Result<CheckpointUpdate>) -> Result<()> {
///     update?;
///     Ok(())
/// }
/// ```
///
/// ```
/// #![deny(unused_must_use)]
/// use eventhub_checkpointstore::{CheckpointUpdate, Result};
///
/// fn store(update: Result<CheckpointUpdate>) -> Result<bool> {
///     Ok(update?.is_written())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a stale checkpoint was not stored: check the `outcome`"]
pub struct CheckpointUpdate {
    /// Whether it was written.
    pub outcome: UpdateOutcome,
    /// The version of the record now stored.
    pub etag: Option<ETag>,
    /// When the record was written, by the server's clock, to the second. `None` where a container cannot say.
    pub last_modified: Option<SystemTime>,
}

impl CheckpointUpdate {
    /// An update with this outcome; for implementers of stores.
    ///
    #[doc = shared_example!("model/checkpoint_update")]
    pub fn new(outcome: UpdateOutcome) -> Self {
        Self { outcome, etag: None, last_modified: None }
    }

    /// Whether the checkpoint is now stored.
    pub fn is_written(&self) -> bool {
        self.outcome == UpdateOutcome::Written
    }
}

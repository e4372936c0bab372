//! A checkpoint: how far a partition has been processed.

use std::time::SystemTime;

use super::check::{check_header_text, check_partition_id};
use super::text::Text;
use super::{ConsumerGroup, ETag, RecordId, Version};
use crate::error::{Error, Result};

/// The position up to which a consumer group has processed a partition.
///
/// The offset is opaque text. Never parse it as a number: geo-replicated namespaces write `2:-1:-1`.
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
    /// Creates a checkpoint from the offset and the sequence number of the last processed event.
    ///
    /// Both are needed: Python and JavaScript resume from the offset, KEDA reads the sequence number.
    ///
    #[doc = shared_example!("model/checkpoint_new")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the partition id cannot be part of a blob name, if
    /// the offset is one of the texts that mean "no offset" (empty, `no offset`, `None`) or is not printable ASCII, or if
    /// the sequence number is `i64::MIN`, which .NET writes for "none".
    pub fn new(
        group: &ConsumerGroup,
        partition_id: impl Into<String>,
        offset: impl Into<String>,
        sequence_number: i64,
    ) -> Result<Self> {
        Self::with_position(group, partition_id, Some(offset.into()), Some(sequence_number))
    }

    /// Creates a checkpoint whose offset or sequence number may be unknown.
    ///
    /// `None` is stored as an empty text, as .NET does. Prefer [`new`](Self::new) if consumers in other languages share the
    /// group. Go and C++ cannot read a partial checkpoint. Without a sequence number, Python and JavaScript fail to list
    /// the whole group; without an offset, they list a checkpoint that they cannot resume from (`None`, or an empty text).
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
                "sequence number {}: readers interpret it as \"none\"; use None",
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

    /// Restores a serialized checkpoint. If it was read from a store, a foreign writer may have chosen its offset.
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
        // All other values are checked as usual.
        let stand_in = if foreign.is_some() { Some("0".to_owned()) } else { offset };
        let checkpoint = Self::with_position(group, partition_id, stand_in, sequence_number)?;
        Ok(match foreign {
            Some(offset) => Self { offset: Some(offset.into()), ..checkpoint },
            None => checkpoint,
        })
    }

    /// Creates a checkpoint that was read. The offset is kept verbatim, whatever a foreign writer stored.
    #[inline]
    pub(crate) fn from_storage(
        id: RecordId<'_>,
        offset: Option<&str>,
        sequence_number: Option<i64>,
        version: Version,
    ) -> Self {
        Self {
            group: id.group.clone(),
            partition_id: id.partition_id.into(),
            offset: offset.map(Text::from),
            sequence_number,
            etag: version.etag,
            last_modified: version.last_modified,
        }
    }

    /// Sets the version of the stored checkpoint; for implementers of stores.
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

    /// Returns whether both have the same offset and sequence number.
    pub(crate) fn has_position_of(&self, other: &Self) -> bool {
        (&self.offset, self.sequence_number) == (&other.offset, other.sequence_number)
    }

    /// Sets the time of the last write, by the server's clock; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/checkpoint_version"))]
    #[must_use]
    pub fn with_last_modified(mut self, last_modified: SystemTime) -> Self {
        self.last_modified = Some(last_modified);
        self
    }

    /// The stored version, as far as the service told it.
    pub(crate) fn with_version(self, version: Version) -> Self {
        let Version { etag, last_modified } = version;
        Self { etag, last_modified, ..self }
    }

    /// Returns the consumer group that processed the events.
    pub fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    /// The id of the partition.
    pub fn partition_id(&self) -> &str {
        &self.partition_id
    }

    /// Returns the offset of the last processed event, verbatim.
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }

    /// Returns the sequence number of the last processed event.
    pub fn sequence_number(&self) -> Option<i64> {
        self.sequence_number
    }

    /// Returns the version of the stored checkpoint, or `None` if it was not read from a store.
    pub fn etag(&self) -> Option<&ETag> {
        self.etag.as_ref()
    }

    /// Returns the time of the last write by the server's clock, to the second; `None` if the checkpoint was not read from
    /// a store.
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.last_modified
    }
}

fn check_offset(offset: &str) -> Result<()> {
    check_header_text("offset", offset)?;
    if means_no_offset(offset) {
        return Err(Error::invalid_input(format!(
            "offset {offset:?}: readers interpret it as \"no offset\"; use `with_position` and None"
        )));
    }
    Ok(())
}

/// Returns whether a trimmed stored offset means "none": empty (.NET), `no offset` (.NET 5.11), `None` (Python).
pub(crate) fn means_no_offset(text: &str) -> bool {
    text.is_empty() || text == "None" || text.eq_ignore_ascii_case("no offset")
}

/// Returns whether a trimmed stored sequence number means "none": empty (.NET), `None` (Python).
pub(crate) fn means_no_number(text: &str) -> bool {
    text.is_empty() || text == "None"
}

/// The outcome of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "a stale checkpoint was not stored"]
pub enum UpdateOutcome {
    /// The checkpoint was stored.
    Written,
    /// Another writer has already stored a later position, which was left alone.
    ///
    /// Only a fenced store reports this; a plain `update_checkpoint` always writes. The partition has another owner now, or
    /// had one in the meantime. Stop processing it, and read the checkpoint before you process it again.
    Stale,
    /// A later position is already stored, and this store itself wrote it or read it last.
    ///
    /// Only a fenced store reports this. The update arrived after a later one of the same consumer; carry on. If it happens
    /// again and again, the sequence numbers of the event hub have restarted, for example because it was recreated or
    /// failed over. Reset or delete the checkpoints in that case.
    OutOfOrder,
    /// The stored checkpoint is not the [expected](Expected) one, and was left alone.
    ///
    /// Only a conditional update reports this.
    Conflict,
}

/// The stored state that a conditional write expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// No checkpoint, not even an unreadable one.
    Absent,
    /// This version, by the [ETag](Checkpoint::etag) that a list or a read returned.
    Version(&'a ETag),
}

/// The outcome of a conditional deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "the checkpoint may still be there"]
pub enum DeleteOutcome {
    /// The record was deleted.
    Deleted,
    /// There was no record.
    Missing,
    /// A version other than the expected one is stored, and was left alone.
    Conflict,
}

/// The result of a plain `update_checkpoint`, which always stores the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointWritten {
    /// The version that is now stored.
    pub etag: ETag,
    /// The time of the write by the server's clock, to the second. `None` if the container does not report it.
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

/// The result of an update that may not store the checkpoint.
///
/// Check [`outcome`](Self::outcome): it is the only sign that another consumer has the partition. The compiler warns if you
/// ignore it, even behind a `?`:
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
    /// The outcome.
    pub outcome: UpdateOutcome,
    /// The version that is now stored.
    pub etag: Option<ETag>,
    /// The time of the write by the server's clock, to the second. `None` if the container does not report it.
    pub last_modified: Option<SystemTime>,
}

impl CheckpointUpdate {
    /// Creates a result with this outcome; for implementers of stores.
    ///
    #[doc = shared_example!("model/checkpoint_update")]
    pub fn new(outcome: UpdateOutcome) -> Self {
        Self { outcome, etag: None, last_modified: None }
    }

    /// Returns whether the checkpoint was stored.
    pub fn is_written(&self) -> bool {
        self.outcome == UpdateOutcome::Written
    }
}

//! A stored checkpoint, readable or not. Conditional writes start from it.

use std::time::SystemTime;

use crate::container::BlobProperties;
use crate::error::Result;
use crate::model::{Checkpoint, ConsumerGroup, ETag, SkipReason};
use crate::records::listing::{Found, Record, stored_position};
use crate::records::metadata::Position;
use crate::records::naming::BlobKind;

pub(crate) struct StoredCheckpoint {
    pub(crate) partition_id: String,
    pub(crate) etag: ETag,
    pub(crate) read: Result<Checkpoint, SkipReason>,
    /// The defect of a checkpoint that was read in part.
    repaired: Option<SkipReason>,
}

impl StoredCheckpoint {
    pub(crate) fn from_properties(
        group: &ConsumerGroup,
        partition_id: &str,
        properties: BlobProperties,
    ) -> Self {
        let BlobProperties { etag, last_modified, metadata, .. } = properties;
        Self::new(group, partition_id, etag, last_modified, &metadata)
    }

    fn new<K: AsRef<str>, V: AsRef<str>>(
        group: &ConsumerGroup,
        partition_id: &str,
        etag: ETag,
        last_modified: Option<SystemTime>,
        metadata: &[(K, V)],
    ) -> Self {
        let position = stored_position(metadata);
        let repaired = position.as_ref().ok().and_then(Position::defect);
        let read = position.map(|position| {
            Checkpoint::from_storage(
                group,
                partition_id,
                position.offset,
                position.sequence_number,
                Some(etag.clone()),
                last_modified,
            )
        });
        Self { partition_id: partition_id.to_owned(), etag, read, repaired }
    }

    /// Returns why it is unreadable or only read in part.
    pub(crate) fn defect(&self) -> Option<SkipReason> {
        self.read.as_ref().err().copied().or(self.repaired)
    }

    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.read.as_ref().ok()
    }
}

/// A blob with any metadata: even one without a position can be overwritten or deleted.
impl Record for StoredCheckpoint {
    const KIND: BlobKind = BlobKind::Checkpoint;

    fn read(found: &Found<'_>, records: &mut Vec<Self>) -> Result<Option<SkipReason>, SkipReason> {
        let etag = found.etag().ok_or(SkipReason::Unreadable)?;
        let Found { group, partition_id, last_modified, metadata, .. } = *found;
        records.push(Self::new(group, partition_id, etag, last_modified, metadata));
        Ok(None)
    }

    fn partition_id(&self) -> &str {
        &self.partition_id
    }
}

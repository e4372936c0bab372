//! A stored checkpoint, readable or not. Conditional writes start from it.

use super::checkpoint;
use super::decoded::Decoded;
use super::listing::{Found, Record};
use super::naming::BlobKind;
use crate::container::BlobProperties;
use crate::model::{Checkpoint, ConsumerGroup, ETag, RecordId, SkipReason, Version};

pub(crate) struct StoredCheckpoint {
    pub(crate) partition_id: String,
    pub(crate) etag: ETag,
    pub(crate) decoded: Decoded<Checkpoint>,
}

impl StoredCheckpoint {
    pub(crate) fn from_properties(
        group: &ConsumerGroup,
        partition_id: &str,
        properties: BlobProperties,
    ) -> Self {
        let BlobProperties { etag, last_modified, metadata, .. } = properties;
        let version = Version { etag: Some(etag.clone()), last_modified };
        let decoded = checkpoint::decode(RecordId { group, partition_id }, version, &metadata);
        Self { partition_id: partition_id.to_owned(), etag, decoded }
    }

    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.decoded.record()
    }

    pub(crate) fn into_checkpoint(self) -> Option<Checkpoint> {
        self.decoded.into_record()
    }
}

/// A blob with any metadata: even one without a position can be overwritten or deleted.
impl Record for StoredCheckpoint {
    const KIND: BlobKind = BlobKind::Checkpoint;

    fn decode(found: Found<'_>) -> Decoded<Self> {
        let Some(etag) = found.etag else { return Decoded::Skipped(SkipReason::Unreadable) };
        let version = Version { etag: Some(etag.clone()), last_modified: found.last_modified };
        let decoded = checkpoint::decode(found.id, version, found.metadata);
        Decoded::Whole(Self { partition_id: found.id.partition_id.to_owned(), etag, decoded })
    }

    fn partition_id(&self) -> &str {
        &self.partition_id
    }
}

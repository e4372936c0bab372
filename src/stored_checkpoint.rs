//! A checkpoint's blob as it was found, readable or not: what a conditional write starts from.

use crate::container::BlobProperties;
use crate::error::Result;
use crate::listing_reader::{Found, Record, checkpoint_of};
use crate::model::{Checkpoint, ConsumerGroup, ETag, SkipReason};
use crate::naming::BlobKind;

pub(crate) struct StoredCheckpoint {
    pub(crate) partition_id: String,
    pub(crate) etag: ETag,
    pub(crate) read: Result<Checkpoint, SkipReason>,
    /// What was wrong with a checkpoint that is read in part.
    repaired: Option<SkipReason>,
}

impl StoredCheckpoint {
    pub(crate) fn from_properties(
        group: &ConsumerGroup,
        partition_id: &str,
        properties: BlobProperties,
    ) -> Self {
        let (read, repaired) = split(checkpoint_of(group, partition_id, &properties.metadata));
        let BlobProperties { etag, last_modified, .. } = properties;
        let read = read.map(|found| found.with_version(Some(etag.clone()), last_modified));
        Self { partition_id: partition_id.to_owned(), etag, read, repaired }
    }

    /// Why it is not readable as it is.
    pub(crate) fn defect(&self) -> Option<SkipReason> {
        self.read.as_ref().err().copied().or(self.repaired)
    }

    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.read.as_ref().ok()
    }
}

/// Whatever its metadata: a blob without a position can be overwritten or deleted like any other.
impl Record for StoredCheckpoint {
    const KIND: BlobKind = BlobKind::Checkpoint;

    fn read(found: Found<'_>) -> Result<(Self, Option<SkipReason>), SkipReason> {
        let etag = found.etag.ok_or(SkipReason::Unreadable)?;
        let (read, repaired) =
            split(checkpoint_of(found.group, found.partition_id, found.metadata));
        let read = read.map(|read| read.with_version(Some(etag.clone()), found.last_modified));
        let partition_id = found.partition_id.to_owned();
        Ok((Self { partition_id, etag, read, repaired }, None))
    }

    fn partition_id(&self) -> &str {
        &self.partition_id
    }

    fn into_foreign(self) -> Self {
        self
    }
}

type Read = (Result<Checkpoint, SkipReason>, Option<SkipReason>);

fn split(read: Result<(Checkpoint, Option<SkipReason>), SkipReason>) -> Read {
    match read {
        Ok((checkpoint, repaired)) => (Ok(checkpoint), repaired),
        Err(reason) => (Err(reason), None),
    }
}

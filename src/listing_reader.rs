//! From listed blobs to ownerships and checkpoints: what is taken, what is left out, and why.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, Once, PoisonError};
use std::time::SystemTime;

use smol_str::SmolStr;

use crate::container::{BlobEntry, BlobEntryKind, PageEnd};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{is_directory, read_owner, read_position};
use crate::model::{
    Checkpoint, ConsumerGroup, ETag, Listing, PartitionOwnership, SkipReason, SkippedBlob,
};
use crate::naming::{BlobKind, partition_id};

/// What kind of record a list reads.
pub(crate) trait Record: Sized {
    const KIND: BlobKind;

    /// A record, and what was wrong with it if it is only read in part.
    fn read(found: Found<'_>) -> Result<(Self, Option<SkipReason>), SkipReason>;

    fn partition_id(&self) -> &str;

    /// The record as one of the other naming: without an ETag it can only be written anew, under the own name.
    fn into_foreign(self) -> Self;
}

/// A blob whose name is one of a partition.
pub(crate) struct Found<'a> {
    pub(crate) group: &'a ConsumerGroup,
    pub(crate) partition_id: &'a str,
    pub(crate) etag: Option<ETag>,
    pub(crate) last_modified: Option<SystemTime>,
    pub(crate) metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

impl Record for PartitionOwnership {
    const KIND: BlobKind = BlobKind::Ownership;

    fn read(found: Found<'_>) -> Result<(Self, Option<SkipReason>), SkipReason> {
        let etag = found.etag.ok_or(SkipReason::Unreadable)?;
        let owner_id = read_owner(found.metadata).map(SmolStr::from);
        let ownership = Self::from_storage(found.group, found.partition_id, owner_id);
        Ok((ownership.with_version(etag, found.last_modified), None))
    }

    fn partition_id(&self) -> &str {
        self.partition_id()
    }

    fn into_foreign(self) -> Self {
        self.without_etag()
    }
}

impl Record for Checkpoint {
    const KIND: BlobKind = BlobKind::Checkpoint;

    fn read(found: Found<'_>) -> Result<(Self, Option<SkipReason>), SkipReason> {
        let (checkpoint, repaired) =
            checkpoint_of(found.group, found.partition_id, found.metadata)?;
        Ok((checkpoint.with_version(found.etag, found.last_modified), repaired))
    }

    fn partition_id(&self) -> &str {
        self.partition_id()
    }

    fn into_foreign(self) -> Self {
        self.without_etag()
    }
}

/// A checkpoint from metadata.
pub(crate) fn checkpoint_of<K: AsRef<str>, V: AsRef<str>>(
    group: &ConsumerGroup,
    partition_id: &str,
    metadata: &[(K, V)],
) -> Result<(Checkpoint, Option<SkipReason>), SkipReason> {
    if is_directory(metadata) {
        return Err(SkipReason::Directory);
    }
    let position = read_position(metadata);
    let repaired = position.invalid_sequence_number.then_some(SkipReason::InvalidSequenceNumber);
    if position.is_empty() {
        return Err(repaired.unwrap_or(SkipReason::NoPosition));
    }
    let checkpoint = Checkpoint::from_storage(
        group,
        partition_id,
        position.offset.map(SmolStr::from),
        position.sequence_number,
    );
    Ok((checkpoint, repaired))
}

/// Collects the records of a list, page by page.
pub(crate) struct ListingReader<'a, T> {
    group: &'a ConsumerGroup,
    prefix: Option<&'a str>,
    /// The partitions that the own prefix has, while the other naming's prefix is read.
    own: Option<HashSet<String>>,
    items: Vec<T>,
    skipped: Vec<SkippedBlob>,
    server_time: Option<SystemTime>,
    from_secondary: bool,
    markers: HashSet<String>,
}

impl<'a, T: Record> ListingReader<'a, T> {
    pub(crate) fn new(group: &'a ConsumerGroup) -> Self {
        Self {
            group,
            prefix: None,
            own: None,
            items: Vec::new(),
            skipped: Vec::new(),
            server_time: None,
            from_secondary: false,
            markers: HashSet::new(),
        }
    }

    /// What follows is listed under this prefix. Under a second one, that of the other naming, only the partitions
    /// count that the first one did not have.
    pub(crate) fn begin(&mut self, prefix: &'a str) {
        if self.prefix.replace(prefix).is_some() {
            let own = self.items.iter().map(|item| item.partition_id().to_owned());
            self.own = Some(own.collect());
        }
        self.markers.clear();
    }

    pub(crate) fn visit(&mut self, entry: &BlobEntry<'_>) {
        if self.is_shadowed(entry) {
            return;
        }
        match self.read(entry) {
            Ok((item, repaired)) => {
                self.items.push(if self.own.is_some() { item.into_foreign() } else { item });
                if let Some(reason) = repaired {
                    self.skip(entry, reason);
                }
            }
            Err(reason) => self.skip(entry, reason),
        }
    }

    /// Whether the own prefix has the partition, so that this blob does not count, whatever is in it.
    fn is_shadowed(&self, entry: &BlobEntry<'_>) -> bool {
        self.own.as_ref().is_some_and(|own| {
            partition_id(&entry.name, self.prefix.unwrap_or_default())
                .is_ok_and(|partition_id| own.contains(partition_id))
        })
    }

    fn skip(&mut self, entry: &BlobEntry<'_>, reason: SkipReason) {
        self.skipped.push(SkippedBlob::new(entry.name.as_ref(), reason));
    }

    fn read(&self, entry: &BlobEntry<'_>) -> Result<(T, Option<SkipReason>), SkipReason> {
        match entry.kind {
            BlobEntryKind::Directory => return Err(SkipReason::Directory),
            BlobEntryKind::NotCurrent => return Err(SkipReason::NotCurrent),
            BlobEntryKind::Blob => {}
        }
        let partition_id = partition_id(&entry.name, self.prefix.unwrap_or_default())?;
        if is_directory(entry.metadata) {
            return Err(SkipReason::Directory);
        }
        T::read(Found {
            group: self.group,
            partition_id,
            etag: entry.etag.as_deref().and_then(|etag| ETag::new(etag).ok()),
            last_modified: entry.last_modified,
            metadata: entry.metadata,
        })
    }

    /// Takes in the end of a page.
    ///
    /// # Errors
    ///
    /// The marker was there before: the list would never end.
    pub(crate) fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        // The first page's clock makes no record look older than it is.
        self.server_time = self.server_time.or(end.server_time);
        self.from_secondary |= end.from_secondary;
        match &end.next_marker {
            Some(marker) if !self.markers.insert(marker.as_str().to_owned()) => {
                Err(Error::new(ErrorKind::InvalidResponse, "the list repeats a page marker"))
            }
            Some(_) => {
                // Now, between two bodies, the copy takes less memory than while the next one is read.
                self.items.reserve_exact(self.items.len());
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn finish(self, warned: &Warned) -> Listing<T> {
        let server_time = self.server_time.unwrap_or_else(|| {
            warned.warn_of_local_clock();
            SystemTime::now()
        });
        Listing::new(self.items, self.skipped, server_time).from_secondary(self.from_secondary)
    }
}

const LOG: &str = "eventhub_checkpointstore";

/// What was warned of, each thing once, as long as the store lives.
#[derive(Debug)]
pub(crate) struct Warned {
    /// The names of unreadable blobs.
    blobs: Mutex<HashSet<String>>,
    local_clock: Once,
}

/// Beyond this many the others are only in the listings: the memory must not grow with foreign blobs.
const MAX_WARNED: usize = 1000;

impl Default for Warned {
    fn default() -> Self {
        Self { blobs: Mutex::default(), local_clock: Once::new() }
    }
}

impl Warned {
    pub(crate) fn warn(&self, blob: &SkippedBlob) {
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        if blobs.len() > MAX_WARNED || !blobs.insert(blob.name.clone()) {
            return;
        }
        if blobs.len() > MAX_WARNED {
            log::warn!(target: LOG, "more than {MAX_WARNED} blobs are not read as they are; no more warnings of others");
        } else {
            log::warn!(target: LOG, "blob {:?} is not read as it is: {}", blob.name, blob.reason);
        }
    }

    fn warn_of_local_clock(&self) {
        self.local_clock.call_once(|| {
            log::warn!(target: LOG, "the list has no Date; ages are judged by the local clock");
        });
    }
}

/// What is normal beside the records is no warning.
pub(crate) fn log_left_out(blob: &SkippedBlob) {
    log::debug!(target: LOG, "blob {:?} is left out: {}", blob.name, blob.reason);
}

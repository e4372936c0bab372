//! Reads ownerships and checkpoints from listed blobs, and decides which blobs are skipped.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, Once, PoisonError};
use std::time::SystemTime;

use super::decoded::Decoded;
use super::metadata::is_directory;
use super::naming::{BlobKind, partition_id};
use super::{checkpoint, ownership};
use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor, PageEnd};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Checkpoint, ConsumerGroup, ETag, Listing, PartitionOwnership, RecordId, SkipReason,
    SkippedBlob, Version,
};

/// The kind of record that a list reads.
pub(crate) trait Record: Sized {
    const KIND: BlobKind;

    fn decode(found: Found<'_>) -> Decoded<Self>;

    fn partition_id(&self) -> &str;
}

/// A blob whose name belongs to a partition.
pub(crate) struct Found<'a> {
    pub(crate) id: RecordId<'a>,
    pub(crate) etag: Option<ETag>,
    pub(crate) last_modified: Option<SystemTime>,
    pub(crate) metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// Whether the name is of the other naming. Its record can only be written again, under the store's own name.
    pub(crate) is_foreign: bool,
}

impl Found<'_> {
    fn version(&self) -> Version {
        let etag = if self.is_foreign { None } else { self.etag.clone() };
        Version { etag, last_modified: self.last_modified }
    }
}

impl Record for PartitionOwnership {
    const KIND: BlobKind = BlobKind::Ownership;

    #[inline]
    fn decode(found: Found<'_>) -> Decoded<Self> {
        if found.etag.is_none() {
            return Decoded::Skipped(SkipReason::Unreadable);
        }
        Decoded::Whole(ownership::decode(found.id, found.version(), found.metadata))
    }

    fn partition_id(&self) -> &str {
        self.partition_id()
    }
}

impl Record for Checkpoint {
    const KIND: BlobKind = BlobKind::Checkpoint;

    #[inline]
    fn decode(found: Found<'_>) -> Decoded<Self> {
        checkpoint::decode(found.id, found.version(), found.metadata)
    }

    fn partition_id(&self) -> &str {
        self.partition_id()
    }
}

/// A reader of the pages of a list.
pub(crate) trait PageReader: BlobVisitor {
    /// Applies the end of a page.
    ///
    /// # Errors
    ///
    /// The marker was seen before, so the list would never end.
    fn end_page(&mut self, end: &PageEnd) -> Result<()>;
}

/// The properties of a whole list, collected from its pages.
#[derive(Default)]
pub(crate) struct Pages {
    server_time: Option<SystemTime>,
    from_secondary: bool,
    markers: HashSet<String>,
}

impl Pages {
    /// Begins another list, with its own markers.
    pub(crate) fn begin(&mut self) {
        self.markers.clear();
    }

    pub(crate) fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        // The clock of the first page makes no record look older than it is.
        self.server_time = self.server_time.or(end.server_time);
        self.from_secondary |= end.from_secondary;
        match &end.next_marker {
            Some(marker) if !self.markers.insert(marker.as_str().to_owned()) => {
                Err(Error::new(ErrorKind::InvalidResponse, "the list repeats a page marker"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the properties of the list, which has ended.
    pub(crate) fn end(self, warned: &Warned) -> ListEnd {
        let server_time = self.server_time.unwrap_or_else(|| {
            warned.warn_of_local_clock();
            SystemTime::now()
        });
        ListEnd { server_time, from_secondary: self.from_secondary }
    }
}

/// The properties of a list that has ended.
pub(crate) struct ListEnd {
    server_time: SystemTime,
    from_secondary: bool,
}

impl ListEnd {
    pub(crate) fn listing<T>(&self, items: Vec<T>, skipped: Vec<SkippedBlob>) -> Listing<T> {
        Listing::new(items, skipped, self.server_time).with_from_secondary(self.from_secondary)
    }
}

/// Collects the records of one kind, page by page.
pub(crate) struct Collector<T> {
    group: ConsumerGroup,
    prefix: Option<String>,
    /// The partitions under the store's own prefix, while the prefix of the other naming is read.
    own: Option<HashSet<String>>,
    /// Whether the store writes the records of the group under other names than these.
    is_foreign: bool,
    items: Vec<T>,
    skipped: Vec<SkippedBlob>,
    /// The number of items and skipped blobs on the previous pages.
    before_page: (usize, usize),
}

impl<T: Record> Collector<T> {
    pub(crate) fn new(group: &ConsumerGroup) -> Self {
        Self {
            group: group.clone(),
            prefix: None,
            own: None,
            is_foreign: false,
            items: Vec::new(),
            skipped: Vec::new(),
            before_page: (0, 0),
        }
    }

    /// Collects the records under one prefix. Those of a foreign naming can only be written again, under the store's own
    /// names.
    pub(crate) fn under(group: &ConsumerGroup, prefix: String, is_foreign: bool) -> Self {
        Self { prefix: Some(prefix), is_foreign, ..Self::new(group) }
    }

    /// Begins the list of a prefix. Under a second prefix, that of the other naming, only partitions that are not under the
    /// first one count.
    pub(crate) fn begin(&mut self, prefix: String) {
        if self.prefix.replace(prefix).is_some() {
            let own = self.items.iter().map(|item| item.partition_id().to_owned());
            self.own = Some(own.collect());
            self.is_foreign = true;
        }
    }

    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    /// Returns whether a blob is under the prefix.
    pub(crate) fn holds(&self, name: &str) -> bool {
        name.starts_with(self.prefix())
    }

    #[inline]
    pub(crate) fn visit(&mut self, entry: BlobEntry<'_>) {
        if self.is_shadowed(&entry) {
            return;
        }
        let defect = self.read(&entry).unwrap_or_else(Some);
        if let Some(reason) = defect {
            self.skipped.push(SkippedBlob::new(entry.name, reason));
        }
    }

    /// Returns whether the store's own prefix has the partition, so that this blob is ignored whatever it contains.
    fn is_shadowed(&self, entry: &BlobEntry<'_>) -> bool {
        self.own.as_ref().is_some_and(|own| {
            partition_id(&entry.name, self.prefix())
                .is_ok_and(|partition_id| own.contains(partition_id))
        })
    }

    fn read(&mut self, entry: &BlobEntry<'_>) -> Result<Option<SkipReason>, SkipReason> {
        match entry.kind {
            BlobEntryKind::Directory => return Err(SkipReason::Directory),
            BlobEntryKind::NotCurrent => return Err(SkipReason::NotCurrent),
            BlobEntryKind::Blob => {}
        }
        let partition_id = partition_id(&entry.name, self.prefix())?;
        if is_directory(entry.metadata) {
            return Err(SkipReason::Directory);
        }
        let found = Found {
            id: RecordId { group: &self.group, partition_id },
            etag: entry.etag.as_deref().and_then(ETag::listed),
            last_modified: entry.last_modified,
            metadata: entry.metadata,
            is_foreign: self.is_foreign,
        };
        let (record, defect) = match T::decode(found) {
            Decoded::Whole(record) => (record, None),
            Decoded::Repaired(record, reason) => (record, Some(reason)),
            Decoded::Skipped(reason) => return Err(reason),
        };
        self.items.push(record);
        Ok(defect)
    }

    /// Forgets what the current page has shown.
    pub(crate) fn start_over(&mut self) {
        let (items, skipped) = self.before_page;
        self.items.truncate(items);
        self.skipped.truncate(skipped);
    }

    /// Keeps what the page has shown.
    pub(crate) fn end_page(&mut self) {
        self.before_page = (self.items.len(), self.skipped.len());
    }

    pub(crate) fn finish(self, list: &ListEnd) -> Listing<T> {
        list.listing(self.items, self.skipped)
    }
}

/// Collects the records of a list page by page.
pub(crate) struct ListingReader<T> {
    records: Collector<T>,
    pages: Pages,
}

impl<T: Record> ListingReader<T> {
    pub(crate) fn new(group: &ConsumerGroup) -> Self {
        Self { records: Collector::new(group), pages: Pages::default() }
    }

    /// Begins the list of a prefix, as [`Collector::begin`].
    pub(crate) fn begin(&mut self, prefix: String) {
        self.records.begin(prefix);
        self.pages.begin();
    }

    pub(crate) fn finish(self, warned: &Warned) -> Listing<T> {
        self.records.finish(&self.pages.end(warned))
    }
}

impl<T: Record + Send> PageReader for ListingReader<T> {
    fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        self.records.end_page();
        self.pages.end_page(end)?;
        if end.next_marker.is_some() {
            // A page is usually as long as the previous one. Doubling the allocation as it fills would need more memory at
            // its peak.
            self.records.items.reserve_exact(self.records.items.len());
        }
        Ok(())
    }
}

impl<T: Record + Send> BlobVisitor for ListingReader<T> {
    fn visit(&mut self, entry: BlobEntry<'_>) {
        self.records.visit(entry);
    }

    fn start_over(&mut self) {
        self.records.start_over();
    }
}

const LOG: &str = "eventhub_checkpointstore";

/// The warnings that were logged, each once in the lifetime of a store.
#[derive(Debug)]
pub(crate) struct Warned {
    /// The names of unreadable blobs.
    blobs: Mutex<HashSet<String>>,
    local_clock: Once,
}

/// Further blobs appear only in the listings, so that the memory does not grow with foreign blobs.
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
            log::warn!(target: LOG, "more than {MAX_WARNED} blobs are unreadable or read in part; no more warnings are logged");
        } else {
            log::warn!(target: LOG, "blob {:?} is unreadable or read in part: {}", blob.name, blob.reason);
        }
    }

    fn warn_of_local_clock(&self) {
        self.local_clock.call_once(|| {
            log::warn!(target: LOG, "the response to the list has no Date; ages are judged by the local clock");
        });
    }
}

/// Logs normal neighbors of the records without a warning.
pub(crate) fn log_left_out(blob: &SkippedBlob) {
    log::debug!(target: LOG, "blob {:?} is skipped: {}", blob.name, blob.reason);
}

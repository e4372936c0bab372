//! Counts the records of each consumer group in a container as the pages stream in.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor, PageEnd};
use crate::error::Result;
use crate::model::{ConsumerGroupSummary, ETag, Listing, OwnerSummary, SkipReason, SkippedBlob};
use crate::records::listing::{PageReader, Pages, Warned};
use crate::records::metadata::is_directory;
use crate::records::naming::{BlobKind, RecordName};
use crate::records::{checkpoint, ownership};

/// Counts the records of each group. Its memory grows with groups and owners, not with blobs.
#[derive(Default)]
pub(crate) struct GroupReader {
    /// The counts, by `{namespace}/{event hub}/{consumer group}`.
    groups: BTreeMap<String, Tally>,
    skipped: Vec<SkippedBlob>,
    /// The counts of the current page, which may have to start over.
    page: BTreeMap<String, Tally>,
    page_skipped: Vec<SkippedBlob>,
    pages: Pages,
}

#[derive(Default)]
struct Tally {
    checkpoints: usize,
    ownerships: usize,
    unreadable: usize,
    owners: BTreeMap<String, Owner>,
    last_checkpoint: Option<SystemTime>,
    last_renewal: Option<SystemTime>,
}

#[derive(Default)]
struct Owner {
    partitions: usize,
    last_renewal: Option<SystemTime>,
}

impl GroupReader {
    /// Returns the groups, sorted by name.
    pub(crate) fn finish(self, warned: &Warned) -> Listing<ConsumerGroupSummary> {
        let summaries = self.groups.into_iter().filter_map(|(group, tally)| {
            let name = RecordName { group: &group, kind: BlobKind::Checkpoint };
            Some(tally.summarize(ConsumerGroupSummary::new(name.consumer_group()?)))
        });
        self.pages.end(warned).listing(summaries.collect(), self.skipped)
    }
}

impl BlobVisitor for GroupReader {
    fn visit(&mut self, entry: BlobEntry<'_>) {
        let is_blob = entry.kind == BlobEntryKind::Blob && !is_directory(entry.metadata);
        let Some(name) = RecordName::parse(&entry.name).filter(|_| is_blob) else {
            return;
        };
        let tally = match self.page.get_mut(name.group) {
            Some(tally) => tally,
            None => self.page.entry(name.group.to_owned()).or_default(),
        };
        let defect = match name.kind {
            BlobKind::Checkpoint => tally.count_checkpoint(&entry),
            BlobKind::Ownership => tally.count_ownership(&entry),
        };
        if let Some(reason) = defect {
            self.page_skipped.push(SkippedBlob::new(entry.name, reason));
        }
    }

    fn start_over(&mut self) {
        self.page.clear();
        self.page_skipped.clear();
    }
}

impl PageReader for GroupReader {
    fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        for (group, tally) in std::mem::take(&mut self.page) {
            self.groups.entry(group).or_default().add(tally);
        }
        self.skipped.append(&mut self.page_skipped);
        self.pages.end_page(end)
    }
}

impl Tally {
    fn count_checkpoint(&mut self, entry: &BlobEntry<'_>) -> Option<SkipReason> {
        self.last_checkpoint = self.last_checkpoint.max(entry.last_modified);
        let position = checkpoint::position(entry.metadata);
        match position.record() {
            Some(_) => self.checkpoints += 1,
            None => self.unreadable += 1,
        }
        position.defect()
    }

    fn count_ownership(&mut self, entry: &BlobEntry<'_>) -> Option<SkipReason> {
        if entry.etag.as_deref().and_then(ETag::listed).is_none() {
            self.unreadable += 1;
            return Some(SkipReason::Unreadable);
        }
        self.ownerships += 1;
        self.last_renewal = self.last_renewal.max(entry.last_modified);
        if let Some(owner_id) = ownership::owner(entry.metadata) {
            let owner = match self.owners.get_mut(owner_id) {
                Some(owner) => owner,
                None => self.owners.entry(owner_id.to_owned()).or_default(),
            };
            owner.partitions += 1;
            owner.last_renewal = owner.last_renewal.max(entry.last_modified);
        }
        None
    }

    fn add(&mut self, page: Self) {
        self.checkpoints += page.checkpoints;
        self.ownerships += page.ownerships;
        self.unreadable += page.unreadable;
        self.last_checkpoint = self.last_checkpoint.max(page.last_checkpoint);
        self.last_renewal = self.last_renewal.max(page.last_renewal);
        for (owner_id, found) in page.owners {
            let owner = self.owners.entry(owner_id).or_default();
            owner.partitions += found.partitions;
            owner.last_renewal = owner.last_renewal.max(found.last_renewal);
        }
    }

    fn summarize(self, mut summary: ConsumerGroupSummary) -> ConsumerGroupSummary {
        summary.checkpoints = self.checkpoints;
        summary.ownerships = self.ownerships;
        summary.unreadable = self.unreadable;
        summary.last_checkpoint = self.last_checkpoint;
        summary.last_renewal = self.last_renewal;
        let owners = self.owners.into_iter();
        summary.owners = owners
            .map(|(owner_id, owner)| {
                OwnerSummary::new(owner_id, owner.partitions, owner.last_renewal)
            })
            .collect();
        summary
    }
}

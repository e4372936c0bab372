//! Collects the checkpoints and the ownerships of one group, or of all groups of a container, from one list.

use std::collections::BTreeMap;

use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor, PageEnd};
use crate::error::Result;
use crate::model::{Checkpoint, ConsumerGroup, ConsumerGroupRecords, PartitionOwnership};
use crate::records::listing::{Collector, ListEnd, PageReader, Pages, Warned};
use crate::records::metadata::is_directory;
use crate::records::naming::{BlobKind, NameCase, RecordName, group_prefix, prefix};

/// Both kinds of records of a group.
struct Both {
    group: ConsumerGroup,
    checkpoints: Collector<Checkpoint>,
    ownerships: Collector<PartitionOwnership>,
}

impl Both {
    fn new(group: &ConsumerGroup) -> Self {
        Self {
            group: group.clone(),
            checkpoints: Collector::new(group),
            ownerships: Collector::new(group),
        }
    }

    /// Both kinds of records of a group whose names were read from a blob.
    fn found(group: &ConsumerGroup, case: NameCase) -> Self {
        let own = group_prefix(group, case);
        let found = group_prefix(group, NameCase::AsGiven);
        let is_foreign = own != found;
        let names = |kind| prefix(group, kind, NameCase::AsGiven);
        Self {
            group: group.clone(),
            checkpoints: Collector::under(group, names(BlobKind::Checkpoint), is_foreign),
            ownerships: Collector::under(group, names(BlobKind::Ownership), is_foreign),
        }
    }

    fn start_over(&mut self) {
        self.checkpoints.start_over();
        self.ownerships.start_over();
    }

    fn end_page(&mut self) {
        self.checkpoints.end_page();
        self.ownerships.end_page();
    }

    fn finish(self, list: &ListEnd) -> ConsumerGroupRecords {
        let (checkpoints, ownerships) =
            (self.checkpoints.finish(list), self.ownerships.finish(list));
        ConsumerGroupRecords::new(self.group, checkpoints, ownerships)
    }
}

/// Collects the records of a group. Other blobs under its names are ignored.
pub(crate) struct RecordsReader {
    both: Both,
    pages: Pages,
}

impl RecordsReader {
    pub(crate) fn new(group: &ConsumerGroup) -> Self {
        Self { both: Both::new(group), pages: Pages::default() }
    }

    /// Begins the list of the group's names in one naming. Under a second naming, partitions that already have such
    /// a record under the first one are ignored.
    pub(crate) fn begin(&mut self, case: NameCase) {
        let both = &mut self.both;
        both.checkpoints.begin(prefix(&both.group, BlobKind::Checkpoint, case));
        both.ownerships.begin(prefix(&both.group, BlobKind::Ownership, case));
        self.pages.begin();
    }

    pub(crate) fn finish(self, warned: &Warned) -> ConsumerGroupRecords {
        self.both.finish(&self.pages.end(warned))
    }
}

impl BlobVisitor for RecordsReader {
    fn visit(&mut self, entry: BlobEntry<'_>) {
        if self.both.checkpoints.holds(&entry.name) {
            self.both.checkpoints.visit(entry);
        } else if self.both.ownerships.holds(&entry.name) {
            self.both.ownerships.visit(entry);
        }
    }

    fn start_over(&mut self) {
        self.both.start_over();
    }
}

impl PageReader for RecordsReader {
    fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        self.both.end_page();
        self.pages.end_page(end)
    }
}

/// Collects the records of every group. Its memory grows with the records.
pub(crate) struct AllRecordsReader {
    /// The naming of the store, which cannot update the records of the other one.
    case: NameCase,
    /// The records, by `{namespace}/{event hub}/{consumer group}`.
    groups: BTreeMap<String, Both>,
    pages: Pages,
}

impl AllRecordsReader {
    pub(crate) fn new(case: NameCase) -> Self {
        Self { case, groups: BTreeMap::new(), pages: Pages::default() }
    }

    /// Returns the groups, sorted by name.
    pub(crate) fn finish(self, warned: &Warned) -> Vec<ConsumerGroupRecords> {
        let list = self.pages.end(warned);
        self.groups.into_values().map(|both| both.finish(&list)).collect()
    }
}

impl BlobVisitor for AllRecordsReader {
    fn visit(&mut self, entry: BlobEntry<'_>) {
        if entry.kind != BlobEntryKind::Blob || is_directory(entry.metadata) {
            return;
        }
        let Some(name) = RecordName::parse(&entry.name) else { return };
        let both = if let Some(both) = self.groups.get_mut(name.group) {
            both
        } else {
            let Some(group) = name.consumer_group() else { return };
            let both = Both::found(&group, self.case);
            self.groups.entry(name.group.to_owned()).or_insert(both)
        };
        match name.kind {
            BlobKind::Checkpoint => both.checkpoints.visit(entry),
            BlobKind::Ownership => both.ownerships.visit(entry),
        }
    }

    fn start_over(&mut self) {
        self.groups.values_mut().for_each(Both::start_over);
    }
}

impl PageReader for AllRecordsReader {
    fn end_page(&mut self, end: &PageEnd) -> Result<()> {
        self.groups.values_mut().for_each(Both::end_page);
        self.pages.end_page(end)
    }
}

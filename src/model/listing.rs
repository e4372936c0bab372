//! The records that a list found, and the blobs that it left out.

use std::fmt;
use std::time::SystemTime;

/// Why a blob under the prefix is not among the items of a [`Listing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// A directory of an account with a hierarchical namespace.
    Directory,
    /// A deleted blob or a snapshot.
    NotCurrent,
    /// The rest of the name after the prefix cannot be the id of a partition: it is empty, `.`, `..` or too long, or has
    /// another `/`.
    ForeignName,
    /// The blob has no readable ETag, so it could never be claimed or replaced.
    Unreadable,
    /// A checkpoint with neither an offset nor a sequence number.
    NoPosition,
    /// A sequence number that is not a 64-bit integer. The item is listed without it if it has an offset.
    InvalidSequenceNumber,
    /// The content is not the checkpoint of a legacy processor, or is one of another partition.
    InvalidContent,
    /// The service does not give the content, as of an archived blob.
    ContentRefused,
}

impl SkipReason {
    /// Whether the blob was meant to be a record of a partition but is not readable as one.
    ///
    /// Directories, old versions and names of other shapes are normal beside the records.
    pub fn is_defect(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::NoPosition
                | Self::InvalidSequenceNumber
                | Self::InvalidContent
                | Self::ContentRefused
        )
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "it is a directory",
            Self::NotCurrent => "it is deleted or a snapshot",
            Self::ForeignName => "its name is not one of a partition",
            Self::Unreadable => "it has no ETag",
            Self::NoPosition => "it has neither an offset nor a sequence number",
            Self::InvalidSequenceNumber => "its sequence number is not a 64-bit integer",
            Self::InvalidContent => "its content is not a legacy checkpoint of the partition",
            Self::ContentRefused => "the service does not give its content",
        })
    }
}

/// A blob under the prefix that was left out, or repaired, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SkippedBlob {
    /// The whole name of the blob.
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

impl SkippedBlob {
    /// Names a blob that was left out; for implementers of stores.
    pub fn new(name: impl Into<String>, reason: SkipReason) -> Self {
        Self { name: name.into(), reason }
    }
}

/// What a list found. Iterate over it, or use [`items`](Self::items).
#[derive(Debug, Clone)]
pub struct Listing<T> {
    items: Vec<T>,
    skipped: Vec<SkippedBlob>,
    server_time: SystemTime,
    from_secondary: bool,
}

impl<T> Listing<T> {
    /// A listing; for implementers of stores.
    pub fn new(items: Vec<T>, skipped: Vec<SkippedBlob>, server_time: SystemTime) -> Self {
        Self { items, skipped, server_time, from_secondary: false }
    }

    /// Says whether a secondary answered; for implementers of stores.
    #[must_use]
    pub fn with_from_secondary(mut self, from_secondary: bool) -> Self {
        self.from_secondary = from_secondary;
        self
    }

    /// Whether a secondary answered, which may lag behind the primary by minutes.
    pub fn is_from_secondary(&self) -> bool {
        self.from_secondary
    }

    /// What was found.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// What was found, by value.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// The blobs that were left out or repaired.
    pub fn skipped(&self) -> &[SkippedBlob] {
        &self.skipped
    }

    /// The server's clock when it answered the first page, to the second.
    ///
    /// [`PartitionOwnership::age`](crate::PartitionOwnership::age) is judged by it, so that a wrong local clock
    /// does not make a live ownership look expired. It is the local clock only if the answer had no `Date`.
    pub fn server_time(&self) -> SystemTime {
        self.server_time
    }

    /// How many items were found.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no item was found.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Iterates over the items.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
}

impl<T> IntoIterator for Listing<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Listing<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

//! The result of a list: records, and the blobs that were skipped.

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
    /// The name after the prefix cannot be a partition id: it is empty, `.`, `..` or too long, or contains another `/`.
    ForeignName,
    /// The blob has no readable ETag, so it could never be claimed or replaced.
    Unreadable,
    /// A checkpoint with neither an offset nor a sequence number.
    NoPosition,
    /// A sequence number that is not a 64-bit integer. The item is listed without it if it has an offset.
    InvalidSequenceNumber,
    /// The content is not the checkpoint of a legacy processor, or is one of another partition.
    InvalidContent,
    /// The service refuses to return the content, for example because the blob is archived.
    ContentRefused,
}

impl SkipReason {
    /// Returns whether the blob was meant to be the record of a partition but cannot be read as one.
    ///
    /// Directories, old versions and unrelated names are normal neighbors of the records.
    ///
    /// ```
    /// use eventhub_checkpointstore::SkipReason;
    ///
    /// assert!(SkipReason::NoPosition.is_defect());
    /// assert!(!SkipReason::Directory.is_defect());
    /// ```
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
            Self::ForeignName => "its name is not that of a partition",
            Self::Unreadable => "it has no ETag",
            Self::NoPosition => "it has neither an offset nor a sequence number",
            Self::InvalidSequenceNumber => "its sequence number is not a 64-bit integer",
            Self::InvalidContent => "its content is not a legacy checkpoint of the partition",
            Self::ContentRefused => "the service refuses to return its content",
        })
    }
}

/// A blob under the prefix that was skipped, or read in part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SkippedBlob {
    /// The full name of the blob.
    pub name: String,
    /// The reason.
    pub reason: SkipReason,
}

impl SkippedBlob {
    /// Creates an entry for a skipped blob; for implementers of stores.
    ///
    #[doc = shared_example!("model/skipped_blob")]
    pub fn new(name: impl Into<String>, reason: SkipReason) -> Self {
        Self { name: name.into(), reason }
    }
}

/// The result of a list. Iterate over it, or use [`items`](Self::items).
#[derive(Debug, Clone)]
pub struct Listing<T> {
    items: Vec<T>,
    skipped: Vec<SkippedBlob>,
    server_time: SystemTime,
    from_secondary: bool,
}

impl<T> Listing<T> {
    /// Creates a listing; for implementers of stores.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::{Listing, SkipReason, SkippedBlob};
    ///
    /// let skipped = vec![SkippedBlob::new("ns/hub/$default/checkpoint/x", SkipReason::NoPosition)];
    /// let listing = Listing::new(vec![1, 2], skipped, SystemTime::now());
    /// assert_eq!((listing.len(), listing.skipped().len()), (2, 1));
    /// ```
    pub fn new(items: Vec<T>, skipped: Vec<SkippedBlob>, server_time: SystemTime) -> Self {
        Self { items, skipped, server_time, from_secondary: false }
    }

    /// Sets whether the secondary responded; for implementers of stores.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// let listing = Listing::new(vec![1], vec![], SystemTime::now()).with_from_secondary(true);
    /// assert!(listing.is_from_secondary());
    /// ```
    #[must_use]
    pub fn with_from_secondary(mut self, from_secondary: bool) -> Self {
        self.from_secondary = from_secondary;
        self
    }

    /// Returns whether the secondary responded, which may lag behind the primary by minutes.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// assert!(!Listing::new(vec![1], vec![], SystemTime::now()).is_from_secondary());
    /// ```
    pub fn is_from_secondary(&self) -> bool {
        self.from_secondary
    }

    /// Returns the items.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// assert_eq!(Listing::new(vec![1, 2], vec![], SystemTime::now()).items(), [1, 2]);
    /// ```
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Returns the items, by value.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// assert_eq!(Listing::new(vec![1, 2], vec![], SystemTime::now()).into_items(), vec![1, 2]);
    /// ```
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    /// Returns the blobs that were skipped, or read in part.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::{Listing, SkipReason, SkippedBlob};
    ///
    /// let skipped = vec![SkippedBlob::new("ns/hub/$default/checkpoint/x", SkipReason::NoPosition)];
    /// let listing = Listing::new(vec![1], skipped, SystemTime::now());
    /// for blob in listing.skipped() {
    ///     println!("{}: {}", blob.name, blob.reason);
    /// }
    /// # assert_eq!(listing.skipped().len(), 1);
    /// ```
    pub fn skipped(&self) -> &[SkippedBlob] {
        &self.skipped
    }

    /// Returns the server's clock at the first page of the list, to the second.
    ///
    /// Pass it to [`PartitionOwnership::age`](crate::PartitionOwnership::age), so that a wrong local clock does not make a
    /// live ownership look expired. It is the local clock only if the response had no `Date`.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// let now = SystemTime::now();
    /// assert_eq!(Listing::new(vec![1], vec![], now).server_time(), now);
    /// ```
    pub fn server_time(&self) -> SystemTime {
        self.server_time
    }

    /// Returns the number of items.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// assert_eq!(Listing::new(vec![1, 2], vec![], SystemTime::now()).len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether there are no items.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// assert!(!Listing::new(vec![1, 2], vec![], SystemTime::now()).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Iterates over the items.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use eventhub_checkpointstore::Listing;
    ///
    /// let listing = Listing::new(vec![1, 2], vec![], SystemTime::now());
    /// assert_eq!(listing.iter().sum::<i32>(), 3);
    /// ```
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

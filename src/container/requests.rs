//! The requests to a container, and their results.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::SystemTime;

use bytes::Bytes;

use super::CallContext;
use crate::model::ETag;

/// The condition of a write on the existing blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Condition<'a> {
    /// No condition.
    #[default]
    None,
    /// There must be no blob (`If-None-Match: *`).
    NotExists,
    /// The blob must be this version (`If-Match`).
    Matches(&'a ETag),
}

/// Put Blob: writes an empty block blob with metadata.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PutBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// All metadata of the blob.
    pub metadata: &'a [(&'a str, &'a str)],
    /// The condition.
    pub condition: Condition<'a>,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Set Blob Metadata: replaces all metadata of an existing blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SetBlobMetadata<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// The new metadata, which replaces all existing metadata.
    pub metadata: &'a [(&'a str, &'a str)],
    /// The condition.
    pub condition: Condition<'a>,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Get Blob Properties: reads metadata, ETag and time of a blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetBlobProperties<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// Whether a lagging secondary may respond.
    pub allow_secondary: bool,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Get Blob: reads content and properties of a blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// The maximum number of bytes to read from the start; `None` reads the whole blob.
    pub max_length: Option<NonZeroU64>,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Delete Blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DeleteBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// The condition.
    pub condition: Condition<'a>,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// List Blobs: one page of the blobs whose names begin with a prefix, with their metadata.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ListBlobs<'a> {
    /// The prefix of the names, not encoded.
    pub prefix: &'a str,
    /// The marker of the page; `None` for the first one.
    pub marker: Option<&'a PageMarker>,
    /// Whether a lagging secondary may respond.
    pub allow_secondary: bool,
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Create Container.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CreateContainer<'a> {
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Get Container Properties: reads the lease, public access, immutability and metadata of the container.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetContainerProperties<'a> {
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Get Account Information: reads the kind and the redundancy of the account.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetAccountInformation<'a> {
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

/// Get Blob Service Properties: reads the settings that apply to all containers of the account.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetServiceProperties<'a> {
    /// The deadline and the options.
    pub context: CallContext<'a>,
}

macro_rules! constructors {
    ($($name:ident($($field:ident: $type:ty),*; $($default:ident = $value:expr),*);)*) => {$(
        impl<'a> $name<'a> {
            /// Creates a request with its required parts. Set the others as fields.
            pub fn new($($field: $type,)* context: CallContext<'a>) -> Self {
                Self { $($field,)* $($default: $value,)* context }
            }
        }
    )*};
}

constructors! {
    PutBlob(name: &'a str, metadata: &'a [(&'a str, &'a str)], condition: Condition<'a>;);
    SetBlobMetadata(name: &'a str, metadata: &'a [(&'a str, &'a str)], condition: Condition<'a>;);
    GetBlobProperties(name: &'a str; allow_secondary = false);
    GetBlob(name: &'a str; max_length = None);
    DeleteBlob(name: &'a str, condition: Condition<'a>;);
    ListBlobs(prefix: &'a str, marker: Option<&'a PageMarker>; allow_secondary = false);
    CreateContainer(;);
    GetContainerProperties(;);
    GetAccountInformation(;);
    GetServiceProperties(;);
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobWritten {
    /// The new version.
    pub etag: ETag,
    /// When it was written, by the server's clock; `None` where a container cannot say.
    pub last_modified: Option<SystemTime>,
    /// The server's clock at the time of the response.
    pub server_time: Option<SystemTime>,
}

impl BlobWritten {
    /// Creates a result without times.
    ///
    #[doc = shared_example!("container/results")]
    pub fn new(etag: ETag) -> Self {
        Self { etag, last_modified: None, server_time: None }
    }
}

/// The result of [`GetBlobProperties`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobProperties {
    /// The version.
    pub etag: ETag,
    /// When it was written, by the server's clock.
    pub last_modified: Option<SystemTime>,
    /// The server's clock at the time of the response.
    pub server_time: Option<SystemTime>,
    /// All metadata.
    pub metadata: Vec<(String, String)>,
}

impl BlobProperties {
    /// Creates a result without times.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/results"))]
    pub fn new(etag: ETag, metadata: Vec<(String, String)>) -> Self {
        Self { etag, last_modified: None, server_time: None, metadata }
    }
}

/// The result of [`GetBlob`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobContent {
    /// Metadata, version and times.
    pub properties: BlobProperties,
    /// The requested part of the content.
    pub content: Bytes,
}

impl BlobContent {
    /// Creates a result from properties and content.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/results"))]
    pub fn new(properties: BlobProperties, content: Bytes) -> Self {
        Self { properties, content }
    }
}

/// The result of [`GetContainerProperties`]. Values that the service does not report are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ContainerProperties {
    /// When the container was last changed, by the server's clock. Writing its blobs does not change this time.
    pub last_modified: Option<SystemTime>,
    /// The server's clock at the time of the response.
    pub server_time: Option<SystemTime>,
    /// The state of the lease on the container: `available`, `leased`, `expired`, `breaking` or `broken`. A lease only
    /// protects the container from deletion; it does not protect its blobs.
    pub lease_state: Option<String>,
    /// The access of anonymous clients: `container` (blobs and lists) or `blob`; `None` for no access.
    pub public_access: Option<String>,
    /// Whether a retention policy prevents changes and deletions of blobs. Consumers cannot work in such a container.
    pub has_immutability_policy: Option<bool>,
    /// Whether a legal hold prevents changes and deletions of blobs. Consumers cannot work in such a container.
    pub has_legal_hold: Option<bool>,
    /// Whether versions of blobs may be made immutable, which keeps a version of every write. The service reports it since
    /// the API version 2020-06-12.
    pub has_version_level_immutability: Option<bool>,
    /// All metadata of the container.
    pub metadata: Vec<(String, String)>,
}

/// The result of [`GetAccountInformation`]. Values that the service does not report are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AccountInformation {
    /// The redundancy, as in `Standard_LRS`.
    pub sku_name: Option<String>,
    /// The kind, as in `StorageV2`.
    pub account_kind: Option<String>,
    /// Whether it has a hierarchical namespace (Data Lake Storage).
    pub is_hierarchical_namespace_enabled: Option<bool>,
}

/// The part of the result of [`GetServiceProperties`] that matters to checkpoints. Values that the service does not report
/// are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceProperties {
    /// The number of days that deleted and overwritten blobs are kept (soft delete); `None` if they are not.
    pub delete_retention_days: Option<u32>,
}

/// The kind of a listed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BlobEntryKind {
    /// A blob.
    #[default]
    Blob,
    /// A directory of an account with a hierarchical namespace.
    Directory,
    /// A deleted blob, or a snapshot or an earlier version of one.
    NotCurrent,
}

/// A blob of a listed page, borrowed from the page.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct BlobEntry<'a> {
    /// The full name, not encoded.
    pub name: Cow<'a, str>,
    /// The version, with or without quotes.
    pub etag: Option<Cow<'a, str>>,
    /// When it was written, by the server's clock.
    pub last_modified: Option<SystemTime>,
    /// The kind of the entry.
    pub kind: BlobEntryKind,
    /// All metadata.
    pub metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

impl<'a> BlobEntry<'a> {
    /// Creates an entry with a name and metadata. Set the others as fields.
    ///
    #[doc = shared_example!("container/entry")]
    pub fn new(
        name: impl Into<Cow<'a, str>>,
        metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
    ) -> Self {
        Self { name: name.into(), metadata, ..Self::default() }
    }
}

/// A visitor that is shown the blobs of a page one by one.
///
/// ```
/// use eventhub_checkpointstore::container::{BlobEntry, BlobVisitor};
///
/// /// The names on one page.
/// struct Names(Vec<String>);
///
/// impl BlobVisitor for Names {
///     fn visit(&mut self, blob: BlobEntry<'_>) {
///         self.0.push(blob.name.into_owned());
///     }
///
///     fn start_over(&mut self) {
///         self.0.clear();
///     }
/// }
/// ```
pub trait BlobVisitor: Send {
    /// Visits a blob.
    fn visit(&mut self, blob: BlobEntry<'_>);

    /// Forgets the blobs of this page, but not those of earlier pages, because this page is shown again from its beginning.
    ///
    /// A container that shows blobs as they arrive calls this when it requests the page again after the connection broke.
    fn start_over(&mut self);
}

/// An opaque marker of the next page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMarker {
    text: String,
    secondary: bool,
}

impl PageMarker {
    /// Creates a marker from the text of the service.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/entry"))]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), secondary: false }
    }

    /// Returns the text of the marker.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// All pages of a list come from the same host, because the lists of the two hosts may differ.
    pub(crate) fn is_from_secondary(&self) -> bool {
        self.secondary
    }
}

/// The end of a listed page.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PageEnd {
    /// The marker of the next page; `None` after the last one.
    pub next_marker: Option<PageMarker>,
    /// The server's clock at the time of the response.
    pub server_time: Option<SystemTime>,
    /// Whether a secondary responded.
    pub from_secondary: bool,
}

impl PageEnd {
    pub(crate) fn new(
        next_marker: Option<String>,
        server_time: Option<SystemTime>,
        from_secondary: bool,
    ) -> Self {
        let next_marker = next_marker.map(|text| PageMarker { text, secondary: from_secondary });
        Self { next_marker, server_time, from_secondary }
    }
}

//! The requests and answers of a blob container, shared by the `BlobContainer` traits of both surfaces.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};
use crate::model::ETag;

/// What a write asks of the blob that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Condition<'a> {
    /// Nothing.
    #[default]
    None,
    /// There must be no blob (`If-None-Match: *`).
    NotExists,
    /// The blob must be this version (`If-Match`).
    Matches(&'a ETag),
}

/// Options of a single call, given with `with_options` of a store.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::RequestOptions;
///
/// let options = RequestOptions::new()
///     .timeout(Duration::from_secs(5))
///     .max_retries(1)
///     .header("x-correlation", "abc")?;
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    timeout: Option<Duration>,
    max_retries: Option<u32>,
    headers: HeaderMap,
    client_request_id: Option<HeaderValue>,
}

/// Headers that the protocol sets itself; a second value would break the request or its signature.
const RESERVED: [&str; 15] = [
    "authorization",
    "proxy-authorization",
    "user-agent",
    "accept-encoding",
    "expect",
    "host",
    "date",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];
const RESERVED_PREFIX: &str = "x-ms-";

impl RequestOptions {
    /// No option set: the store's own options count.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the whole call: all attempts, all pages of a list, all claims of a batch.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits how often a request is repeated; 0 makes one attempt.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// Adds a header to every request of the call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name or the value cannot stand in a
    /// header, or if the store or its client sets the header itself (`Authorization`, `User-Agent`, conditions, lengths,
    /// `x-ms-…`).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let name = HeaderName::try_from(name).map_err(|_| {
            Error::invalid_input(format!("header name {name:?}: it is no HTTP token"))
        })?;
        if RESERVED.contains(&name.as_str()) || name.as_str().starts_with(RESERVED_PREFIX) {
            return Err(Error::invalid_input(format!(
                "header {:?}: the store sets it itself",
                name.as_str()
            )));
        }
        // The value may be a secret, so it is not named.
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid_input(format!(
                "header {:?}: only printable ASCII is allowed",
                name.as_str()
            ))
        })?;
        // `Debug` does not show it then.
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sends this as `x-ms-client-request-id` instead of a new id for each attempt.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty, longer than
    /// [1,024 characters](https://learn.microsoft.com/rest/api/storageservices/common-request-and-response-headers),
    /// or not printable ASCII.
    pub fn client_request_id(mut self, id: &str) -> Result<Self> {
        crate::model::check_header_text("client request id", id)?;
        if id.is_empty() || id.len() > 1024 {
            return Err(Error::invalid_input(format!(
                "client request id {id:?}: 1 to 1,024 characters are allowed"
            )));
        }
        let value = HeaderValue::from_str(id)
            .map_err(|error| Error::invalid_input("client request id").with_source(error))?;
        self.client_request_id = Some(value);
        Ok(self)
    }

    /// The limit of the whole call, if one was set.
    pub fn get_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The limit of repetitions, if one was set.
    pub fn get_max_retries(&self) -> Option<u32> {
        self.max_retries
    }

    /// The additional headers.
    pub fn get_headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The client request id, if one was set.
    pub fn get_client_request_id(&self) -> Option<&HeaderValue> {
        self.client_request_id.as_ref()
    }
}

/// What a request carries beside its own content.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CallContext<'a> {
    /// When the whole call must have ended, if it is limited.
    pub deadline: Option<Instant>,
    /// The options that the caller gave.
    pub options: &'a RequestOptions,
}

impl<'a> CallContext<'a> {
    /// A context without a limit.
    pub fn new(options: &'a RequestOptions) -> Self {
        Self { deadline: None, options }
    }

    /// Sets when the call must have ended.
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }
}

/// Put Blob: writes an empty block blob with metadata.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PutBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// All metadata of the blob.
    pub metadata: &'a [(&'a str, &'a str)],
    /// What must be there.
    pub condition: Condition<'a>,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// Set Blob Metadata: replaces all metadata of an existing blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SetBlobMetadata<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// All metadata that the blob shall have.
    pub metadata: &'a [(&'a str, &'a str)],
    /// What must be there.
    pub condition: Condition<'a>,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// Get Blob Properties: reads metadata, ETag and time of a blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetBlobProperties<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// Whether a lagging secondary may answer.
    pub allow_secondary: bool,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// Get Blob: reads content and properties of a blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct GetBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// So many bytes of the content at most, from its beginning; `None` for all of it.
    pub max_length: Option<NonZeroU64>,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// Delete Blob.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DeleteBlob<'a> {
    /// The name of the blob, not encoded.
    pub name: &'a str,
    /// What must be there.
    pub condition: Condition<'a>,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// List Blobs: one page of the blobs whose names begin with a prefix, with their metadata.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ListBlobs<'a> {
    /// What the names begin with, not encoded.
    pub prefix: &'a str,
    /// Where the page before ended; `None` for the first one.
    pub marker: Option<&'a PageMarker>,
    /// Whether a lagging secondary may answer.
    pub allow_secondary: bool,
    /// Deadline and options.
    pub context: CallContext<'a>,
}

/// Create Container.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CreateContainer<'a> {
    /// Deadline and options.
    pub context: CallContext<'a>,
}

macro_rules! constructors {
    ($($name:ident($($field:ident: $type:ty),*; $($default:ident = $value:expr),*);)*) => {$(
        impl<'a> $name<'a> {
            /// A request with its mandatory parts; set the others as fields.
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
}

/// The answer to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobWritten {
    /// The new version.
    pub etag: ETag,
    /// When it was written, by the server's clock; `None` where a container cannot say.
    pub last_modified: Option<SystemTime>,
    /// The server's clock when it answered.
    pub server_time: Option<SystemTime>,
}

impl BlobWritten {
    /// An answer without times.
    pub fn new(etag: ETag) -> Self {
        Self { etag, last_modified: None, server_time: None }
    }
}

/// The answer to [`GetBlobProperties`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobProperties {
    /// The version.
    pub etag: ETag,
    /// When it was written, by the server's clock.
    pub last_modified: Option<SystemTime>,
    /// The server's clock when it answered.
    pub server_time: Option<SystemTime>,
    /// All metadata.
    pub metadata: Vec<(String, String)>,
}

impl BlobProperties {
    /// An answer without times.
    pub fn new(etag: ETag, metadata: Vec<(String, String)>) -> Self {
        Self { etag, last_modified: None, server_time: None, metadata }
    }
}

/// The answer to [`GetBlob`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobContent {
    /// Metadata, version and times.
    pub properties: BlobProperties,
    /// The content, as much of it as was asked for.
    pub content: Bytes,
}

impl BlobContent {
    /// Properties and content.
    pub fn new(properties: BlobProperties, content: Bytes) -> Self {
        Self { properties, content }
    }
}

/// What a listed name stands for.
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
    /// The whole name, not encoded.
    pub name: Cow<'a, str>,
    /// The version, with or without quotes.
    pub etag: Option<Cow<'a, str>>,
    /// When it was written, by the server's clock.
    pub last_modified: Option<SystemTime>,
    /// What it is.
    pub kind: BlobEntryKind,
    /// All metadata.
    pub metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
}

impl<'a> BlobEntry<'a> {
    /// An entry with a name and metadata; set the others as fields.
    pub fn new(
        name: impl Into<Cow<'a, str>>,
        metadata: &'a [(Cow<'a, str>, Cow<'a, str>)],
    ) -> Self {
        Self { name: name.into(), metadata, ..Self::default() }
    }
}

/// What a list is shown to, blob by blob.
pub type BlobVisitor<'v> = dyn for<'a> FnMut(BlobEntry<'a>) + Send + 'v;

/// Where a page of a list ended, opaque.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMarker {
    text: String,
    secondary: bool,
}

impl PageMarker {
    /// The marker that the service gave.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), secondary: false }
    }

    /// The text of the marker.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Pages of one list come from one host: the two hosts' lists may differ.
    pub(crate) fn is_from_secondary(&self) -> bool {
        self.secondary
    }
}

/// The end of a listed page.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PageEnd {
    /// Where the next page begins; `None` after the last one.
    pub next_marker: Option<PageMarker>,
    /// The server's clock when it answered.
    pub server_time: Option<SystemTime>,
    /// Whether a secondary answered.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_protocol_cannot_be_given() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "User-Agent",
            "Accept-Encoding",
            "Expect",
            "x-ms-date",
            "If-Match",
            "content-length",
            "bad name",
            "",
        ] {
            let error = RequestOptions::new().header(name, "v").unwrap_err();
            assert!(error.to_string().contains(&name.to_lowercase()), "{error}");
        }
        let error = RequestOptions::new().header("x-a", "secret\r\n").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_client_request_id_is_checked() {
        assert!(RequestOptions::new().client_request_id("").is_err());
        assert!(RequestOptions::new().client_request_id(&"x".repeat(1025)).is_err());
        assert!(RequestOptions::new().client_request_id("abc").is_ok());
    }
}

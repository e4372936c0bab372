//! The response to a request, and its headers.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::container::BlobWritten;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ETag;
use crate::protocol::date::parse_date;

const REQUEST_ID: &str = "x-ms-request-id";
const METADATA_PREFIX: &str = "x-ms-meta-";

/// A response, with readers for its headers.
#[derive(Debug)]
pub(crate) struct Response {
    response: http::Response<Bytes>,
    from_secondary: bool,
}

impl Response {
    pub(crate) fn new(response: http::Response<Bytes>, from_secondary: bool) -> Self {
        Self { response, from_secondary }
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn is_success(&self) -> bool {
        self.response.status().is_success()
    }

    pub(super) fn is_from_secondary(&self) -> bool {
        self.from_secondary
    }

    pub(super) fn body(&self) -> &Bytes {
        self.response.body()
    }

    pub(super) fn into_body(self) -> Bytes {
        self.response.into_body()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn date_in(&self, name: HeaderName) -> Option<SystemTime> {
        parse_date(self.headers().get(name)?.to_str().ok()?)
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        self.header(REQUEST_ID)
    }

    /// Returns the server's clock.
    pub(crate) fn server_time(&self) -> Option<SystemTime> {
        self.date_in(http::header::DATE)
    }

    pub(super) fn last_modified(&self) -> Option<SystemTime> {
        self.date_in(http::header::LAST_MODIFIED)
    }

    /// Refuses the response of a proxy or a captive portal. Without this check, its success without a body would count as
    /// "written" or as "no records".
    pub(super) fn check_sender(&self) -> Result<()> {
        let is_service = |name: &HeaderName| name.as_str().starts_with("x-ms-");
        if self.headers().keys().any(is_service) {
            return Ok(());
        }
        Err(self.unexpected("the response has none of the Blob service's headers"))
    }

    pub(super) fn etag(&self) -> Result<ETag> {
        self.check_sender()?;
        let text = self
            .header("etag")
            .ok_or_else(|| self.unexpected("the response has no readable ETag"))?;
        ETag::new(text).map_err(|error| self.unexpected("the ETag is not valid").with_source(error))
    }

    pub(super) fn written(&self) -> Result<BlobWritten> {
        let mut written = BlobWritten::new(self.etag()?);
        written.last_modified = self.last_modified();
        written.server_time = self.server_time();
        Ok(written)
    }

    /// Returns the value of a header that is `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.header(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the metadata in the headers. A value that is not UTF-8 is neither a position nor an owner id of this crate.
    /// It is kept with replacement characters, so that the key is still visible.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        self.headers()
            .iter()
            .filter_map(|(name, value)| {
                let key = name.as_str().strip_prefix(METADATA_PREFIX)?;
                Some((key.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            })
            .collect()
    }

    pub(super) fn unexpected(&self, message: &'static str) -> Error {
        let error = Error::new(ErrorKind::InvalidResponse, message).with_status(self.status());
        match self.request_id() {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

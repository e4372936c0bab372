//! The body of a list response on its way from the transport to the visitor, across all attempts.

use bytes::Bytes;
use http::StatusCode;

use super::PageReader;
use crate::container::BlobVisitor;
use crate::protocol::xml::XmlFault;
use crate::transport::BodySink;

/// The maximum of an error body that is kept. The service never sends more.
const MAX_FAILURE: usize = 64 * 1024;

/// A page that is requested until it is complete.
pub(crate) struct PageBody<'v> {
    visitor: &'v mut dyn BlobVisitor,
    reader: PageReader,
    /// The body of an error response.
    failure: Vec<u8>,
    /// A part of the body has arrived.
    is_begun: bool,
    next_marker: Option<String>,
}

impl<'v> PageBody<'v> {
    pub(crate) fn new(visitor: &'v mut dyn BlobVisitor) -> Self {
        Self {
            visitor,
            reader: PageReader::default(),
            failure: Vec::new(),
            is_begun: false,
            next_marker: None,
        }
    }

    /// Discards the data of an earlier attempt.
    pub(crate) fn start_over(&mut self) {
        self.failure.clear();
        if std::mem::take(&mut self.is_begun) {
            self.reader = PageReader::default();
            self.visitor.start_over();
        }
    }

    pub(crate) fn take_failure(&mut self) -> Bytes {
        std::mem::take(&mut self.failure).into()
    }

    /// Checks the body at the end of the response.
    ///
    /// # Errors
    ///
    /// The body was not a complete list.
    pub(crate) fn end(&mut self) -> Result<(), XmlFault> {
        if !self.is_begun {
            return Err(XmlFault::Empty);
        }
        self.next_marker = std::mem::take(&mut self.reader).finish(self.visitor)?;
        Ok(())
    }

    /// Returns the marker of the next page of a complete page.
    pub(crate) fn into_next_marker(self) -> Option<String> {
        self.next_marker
    }
}

impl BodySink for PageBody<'_> {
    fn write(&mut self, status: StatusCode, chunk: &[u8]) {
        if status.is_success() {
            self.is_begun = true;
            self.reader.push(chunk, self.visitor);
        } else {
            let room = MAX_FAILURE.saturating_sub(self.failure.len());
            self.failure.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
    }
}

//! The body of a list's answer, on its way from the transport to the visitor, whatever becomes of the attempts.

use bytes::Bytes;
use http::StatusCode;

use super::PageReader;
use crate::container::BlobVisitor;
use crate::error::Result;
use crate::transport::BodySink;

/// A page that is asked for until it comes whole.
pub(crate) struct PageBody<'v> {
    visitor: &'v mut dyn BlobVisitor,
    reader: PageReader,
    /// The body of an answer that is no success.
    failure: Vec<u8>,
    /// Something of it came.
    is_begun: bool,
}

impl<'v> PageBody<'v> {
    pub(crate) fn new(visitor: &'v mut dyn BlobVisitor) -> Self {
        Self { visitor, reader: PageReader::default(), failure: Vec::new(), is_begun: false }
    }

    /// Forgets what came in an earlier attempt.
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

    /// The marker of the next page.
    ///
    /// # Errors
    ///
    /// What came was not a whole list.
    pub(crate) fn finish(self) -> Result<Option<String>> {
        self.reader.finish(self.visitor)
    }
}

impl BodySink for PageBody<'_> {
    fn write(&mut self, status: StatusCode, piece: &[u8]) {
        if status.is_success() {
            self.is_begun = true;
            self.reader.take_in(piece, self.visitor);
        } else {
            self.failure.extend_from_slice(piece);
        }
    }
}

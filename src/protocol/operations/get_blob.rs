//! Get Blob.

use http::header::HeaderName;
use http::{HeaderMap, Method};

use super::get_blob_properties::properties;
use crate::container::{BlobContent, CallContext, GetBlob};
use crate::error::{ErrorKind, Result};
use crate::protocol::headers::header_value;
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

const RANGE: HeaderName = HeaderName::from_static("x-ms-range");

/// Whether it says something of this one blob, such as that it is archived, and would say it again.
pub(crate) fn is_refusal_of_content(failure: ErrorKind) -> bool {
    matches!(failure, ErrorKind::Rejected | ErrorKind::InvalidResponse)
}

/// [Get Blob](https://learn.microsoft.com/rest/api/storageservices/get-blob)
impl Operation for GetBlob<'_> {
    type Output = BlobContent;

    fn name(&self) -> &'static str {
        "get blob"
    }

    fn method(&self) -> Method {
        Method::GET
    }

    fn blob(&self) -> Option<&str> {
        Some(self.name)
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn is_write(&self) -> bool {
        false
    }

    /// Whoever reads the content of blobs says for each what became of it.
    fn is_expected(&self, failure: ErrorKind) -> bool {
        failure == ErrorKind::BlobNotFound || is_refusal_of_content(failure)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        if let Some(max_length) = self.max_length {
            let range = format!("bytes=0-{}", max_length.get() - 1);
            headers.insert(RANGE, header_value("range", &range)?);
        }
        Ok(())
    }

    fn read(&self, response: Response) -> Result<BlobContent> {
        let properties = properties(&response)?;
        Ok(BlobContent::new(properties, response.into_body()))
    }
}

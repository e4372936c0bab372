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

/// Returns whether the refusal is about this one blob, for example because it is archived, and would be repeated.
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

    /// The caller reports the result of each blob, so a failure is not logged as a warning.
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

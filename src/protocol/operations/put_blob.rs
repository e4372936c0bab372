//! Put Blob.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

use crate::container::{BlobWritten, CallContext, Condition, PutBlob};
use crate::error::Result;
use crate::protocol::headers::{insert_condition, insert_empty_body, insert_metadata};
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

const BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");

/// [Put Blob](https://learn.microsoft.com/rest/api/storageservices/put-blob)
impl Operation for PutBlob<'_> {
    type Output = BlobWritten;

    fn name(&self) -> &'static str {
        "put blob"
    }

    fn method(&self) -> Method {
        Method::PUT
    }

    fn blob(&self) -> Option<&str> {
        Some(self.name)
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn sas_permissions(&self) -> &'static str {
        match self.condition {
            Condition::NotExists => "cw",
            _ => "w",
        }
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        headers.insert(BLOB_TYPE, HeaderValue::from_static("BlockBlob"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        insert_empty_body(headers);
        insert_metadata(headers, self.metadata)?;
        insert_condition(headers, self.condition)
    }

    fn read(&self, response: Response) -> Result<BlobWritten> {
        response.written()
    }
}

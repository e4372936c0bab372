//! Set Blob Metadata.

use http::{HeaderMap, Method};

use crate::container::{BlobWritten, CallContext, SetBlobMetadata};
use crate::error::Result;
use crate::protocol::headers::{insert_condition, insert_empty_body, insert_metadata};
use crate::protocol::operation::Operation;
use crate::protocol::operation::Query;
use crate::protocol::response::Response;

/// [Set Blob Metadata](https://learn.microsoft.com/rest/api/storageservices/set-blob-metadata)
impl Operation for SetBlobMetadata<'_> {
    type Output = BlobWritten;

    fn name(&self) -> &'static str {
        "set blob metadata"
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

    fn query<'a>(&'a self, query: &mut Query<'a>) {
        query.push(("comp", "metadata"));
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        insert_empty_body(headers);
        insert_metadata(headers, self.metadata)?;
        insert_condition(headers, self.condition)
    }

    fn read(&self, response: Response) -> Result<BlobWritten> {
        response.written()
    }
}

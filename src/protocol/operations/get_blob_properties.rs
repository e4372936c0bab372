//! Get Blob Properties.

use http::Method;

use crate::container::{BlobProperties, CallContext, GetBlobProperties};
use crate::error::Result;
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

/// [Get Blob Properties](https://learn.microsoft.com/rest/api/storageservices/get-blob-properties)
impl Operation for GetBlobProperties<'_> {
    type Output = BlobProperties;

    fn name(&self) -> &'static str {
        "get blob properties"
    }

    fn method(&self) -> Method {
        Method::HEAD
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

    fn allow_secondary(&self) -> bool {
        self.allow_secondary
    }

    fn read(&self, response: Response) -> Result<BlobProperties> {
        properties(&response)
    }
}

pub(in crate::protocol) fn properties(response: &Response) -> Result<BlobProperties> {
    let mut properties = BlobProperties::new(response.etag()?, response.metadata());
    properties.last_modified = response.last_modified();
    properties.server_time = response.server_time();
    Ok(properties)
}

use http::Method;

use super::get_blob_properties::properties;
use super::{Answer, Operation};
use crate::container::{BlobContent, CallContext, GetBlob};
use crate::error::Result;

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

    fn read(&self, answer: Answer) -> Result<BlobContent> {
        let properties = properties(&answer)?;
        Ok(BlobContent::new(properties, answer.into_body()))
    }
}

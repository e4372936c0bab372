//! Delete Blob.

use http::{HeaderMap, Method};

use crate::container::{CallContext, DeleteBlob};
use crate::error::Result;
use crate::protocol::headers::insert_condition;
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

/// [Delete Blob](https://learn.microsoft.com/rest/api/storageservices/delete-blob)
impl Operation for DeleteBlob<'_> {
    type Output = ();

    fn name(&self) -> &'static str {
        "delete blob"
    }

    fn method(&self) -> Method {
        Method::DELETE
    }

    fn blob(&self) -> Option<&str> {
        Some(self.name)
    }

    fn sas_permissions(&self) -> &'static str {
        "d"
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        insert_condition(headers, self.condition)
    }

    fn read(&self, response: Response) -> Result<()> {
        response.check_sender()
    }
}

use http::{HeaderMap, Method};

use super::operation::insert_condition;
use super::{Answer, Operation};
use crate::container::{CallContext, DeleteBlob};
use crate::error::Result;

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

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        insert_condition(headers, self.condition)
    }

    fn read(&self, answer: Answer) -> Result<()> {
        answer.check_sender()
    }
}

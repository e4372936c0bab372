//! Create Container.

use http::{HeaderMap, Method};

use crate::container::{CallContext, CreateContainer};
use crate::error::Result;
use crate::protocol::headers::insert_empty_body;
use crate::protocol::operation::Operation;
use crate::protocol::operation::Query;
use crate::protocol::response::Response;

/// [Create Container](https://learn.microsoft.com/rest/api/storageservices/create-container)
impl Operation for CreateContainer<'_> {
    type Output = ();

    fn name(&self) -> &'static str {
        "create container"
    }

    fn method(&self) -> Method {
        Method::PUT
    }

    fn blob(&self) -> Option<&str> {
        None
    }

    fn sas_permissions(&self) -> &'static str {
        ""
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn query<'a>(&'a self, query: &mut Query<'a>) {
        query.push(("restype", "container"));
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<()> {
        insert_empty_body(headers);
        Ok(())
    }

    fn read(&self, response: Response) -> Result<()> {
        response.check_sender()
    }
}

//! List Blobs: the request, and the head of the response.

use std::time::SystemTime;

use http::Method;

use crate::container::{CallContext, ListBlobs, PageMarker};
use crate::error::Result;
use crate::protocol::operation::Operation;
use crate::protocol::operation::Query;
use crate::protocol::response::Response;

/// The head of a page's response. [`PageReader`](super::PageReader) reads the body.
#[derive(Debug)]
pub(crate) struct PageHead {
    pub(crate) server_time: Option<SystemTime>,
    pub(crate) from_secondary: bool,
}

/// [List Blobs](https://learn.microsoft.com/rest/api/storageservices/list-blobs)
impl Operation for ListBlobs<'_> {
    type Output = PageHead;

    fn name(&self) -> &'static str {
        "list blobs"
    }

    fn method(&self) -> Method {
        Method::GET
    }

    fn blob(&self) -> Option<&str> {
        None
    }

    fn subject(&self) -> &str {
        self.prefix
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn sas_permissions(&self) -> &'static str {
        "l"
    }

    fn is_write(&self) -> bool {
        false
    }

    fn allow_secondary(&self) -> bool {
        self.allow_secondary && self.marker.is_none()
    }

    fn only_secondary(&self) -> bool {
        self.marker.is_some_and(PageMarker::is_from_secondary)
    }

    fn query<'a>(&'a self, query: &mut Query<'a>) {
        query.push(("restype", "container"));
        query.push(("comp", "list"));
        query.push(("prefix", self.prefix));
        query.push(("include", "metadata"));
        if let Some(marker) = self.marker {
            query.push(("marker", marker.as_str()));
        }
    }

    fn read(&self, response: Response) -> Result<PageHead> {
        Ok(PageHead {
            server_time: response.server_time(),
            from_secondary: response.is_from_secondary(),
        })
    }
}

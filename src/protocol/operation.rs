//! The trait of all operations: what they send, and how their responses are read.

use http::{HeaderMap, Method};

use crate::container::CallContext;
use crate::error::{ErrorKind, Result};
use crate::protocol::response::Response;

/// The query of a request: unique lower-case names, and values that are not yet encoded.
pub(crate) type Query<'a> = Vec<(&'static str, &'a str)>;

/// An operation of the Blob service: its request, and how its response is read.
pub(crate) trait Operation {
    /// The result.
    type Output;

    /// Returns the name in the REST reference, for logs and errors.
    fn name(&self) -> &'static str;

    fn method(&self) -> Method;

    /// Returns the name of the blob, or `None` for an operation on the container.
    fn blob(&self) -> Option<&str>;

    /// Returns the blob or the other subject of the operation in the container.
    fn subject(&self) -> &str {
        self.blob().unwrap_or_default()
    }

    fn context(&self) -> CallContext<'_>;

    /// Returns whether the operation asks the blob service of the account, not a container.
    fn is_about_account(&self) -> bool {
        false
    }

    /// Returns whether the operation writes, so that its outcome is unknown if the response is lost.
    fn is_write(&self) -> bool {
        true
    }

    /// Returns the SAS permissions of which the operation needs one; empty if only an account SAS allows it.
    fn sas_permissions(&self) -> &'static str {
        if self.is_write() { "w" } else { "r" }
    }

    /// Returns whether a lagging secondary may respond.
    fn allow_secondary(&self) -> bool {
        false
    }

    /// Returns whether only the secondary can respond, because it began the list.
    fn only_secondary(&self) -> bool {
        false
    }

    /// Returns whether the caller expects this failure, so that it is not logged as a warning.
    fn is_expected(&self, failure: ErrorKind) -> bool {
        matches!(
            failure,
            ErrorKind::ConditionNotMet
                | ErrorKind::BlobNotFound
                | ErrorKind::ContainerAlreadyExists
        )
    }

    fn query<'a>(&'a self, _query: &mut Query<'a>) {}

    /// Adds the headers of this operation.
    ///
    /// # Errors
    ///
    /// A value cannot be sent in a header.
    fn headers(&self, _headers: &mut HeaderMap) -> Result<()> {
        Ok(())
    }

    /// Reads a successful response.
    ///
    /// # Errors
    ///
    /// The response lacks what the REST reference promises.
    fn read(&self, response: Response) -> Result<Self::Output>;
}

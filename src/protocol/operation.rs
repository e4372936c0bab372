//! What every operation has in common: what it sends, and how its response is read.

use http::{HeaderMap, Method};

use crate::container::CallContext;
use crate::error::{ErrorKind, Result};
use crate::protocol::response::Response;

/// Names, lower case and unique, and values, not encoded.
pub(crate) type Query<'a> = Vec<(&'static str, &'a str)>;

/// One operation of the Blob service: what is sent, and how the response is read.
pub(crate) trait Operation {
    /// What the response says.
    type Output;

    /// The name in the REST reference, for logs and errors.
    fn name(&self) -> &'static str;

    fn method(&self) -> Method;

    /// The blob; `None` if it is about the container.
    fn blob(&self) -> Option<&str>;

    /// The blob, or what else it is about in the container.
    fn subject(&self) -> &str {
        self.blob().unwrap_or_default()
    }

    fn context(&self) -> CallContext<'_>;

    /// Whether it is about the blob service of the account and no container.
    fn is_about_account(&self) -> bool {
        false
    }

    /// Whether it changes what is stored, so that a lost response leaves its outcome unknown.
    fn is_write(&self) -> bool {
        true
    }

    /// The permissions of a SAS of which it needs one; none for what only a SAS of the account allows.
    fn sas_permissions(&self) -> &'static str {
        if self.is_write() { "w" } else { "r" }
    }

    /// Whether a lagging secondary may response.
    fn allow_secondary(&self) -> bool {
        false
    }

    /// Whether only the secondary can response, because it began the list.
    fn only_secondary(&self) -> bool {
        false
    }

    /// Whether a failure is a response that the caller asked for, so that it deserves no warning.
    fn is_expected(&self, failure: ErrorKind) -> bool {
        matches!(
            failure,
            ErrorKind::ConditionNotMet
                | ErrorKind::BlobNotFound
                | ErrorKind::ContainerAlreadyExists
        )
    }

    fn query<'a>(&'a self, _query: &mut Query<'a>) {}

    /// The headers of this operation alone.
    ///
    /// # Errors
    ///
    /// A value that no header can carry.
    fn headers(&self, _headers: &mut HeaderMap) -> Result<()> {
        Ok(())
    }

    /// Reads the response to a success.
    ///
    /// # Errors
    ///
    /// The response lacks what the REST reference promises.
    fn read(&self, response: Response) -> Result<Self::Output>;
}

//! The one error type of the crate.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// A specialised result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong, for a program to decide on.
///
/// New kinds may be added; treat an unknown one like [`ErrorKind::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument was refused before anything was sent. The text names the value and what is allowed.
    InvalidInput,
    /// The options cannot work together, or a Cargo feature that they need is not switched on.
    Configuration,
    /// 401 or 403: the credential is missing, wrong, expired or lacks a permission.
    AccessDenied,
    /// The container does not exist (`ContainerNotFound`), or is being deleted.
    ContainerNotFound,
    /// The blob does not exist (`BlobNotFound`).
    BlobNotFound,
    /// The condition of a write was not met (412 `ConditionNotMet`, or 409 `BlobAlreadyExists`): another writer was
    /// first.
    ConditionNotMet,
    /// The container exists already (409 `ContainerAlreadyExists`).
    ContainerAlreadyExists,
    /// 429, or 503 `ServerBusy`: the service asks for a slower pace.
    Throttled,
    /// The service failed (5xx) or asked for a repetition (408).
    Service,
    /// The service refused the request for another reason (4xx).
    Rejected,
    /// No connection, or one that broke.
    Network,
    /// A time limit ended the call.
    Timeout,
    /// The answer is not what the REST reference promises: truncated, not XML, a header missing.
    InvalidResponse,
    /// The token credential did not deliver a token.
    Credential,
    /// A stored blob is not readable and the store was told not to be lenient.
    InvalidData,
    /// None of the others; what implementers use when nothing fits.
    Other,
}

impl ErrorKind {
    fn phrase(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid input",
            Self::Configuration => "invalid configuration",
            Self::AccessDenied => "access denied",
            Self::ContainerNotFound => "the container does not exist",
            Self::BlobNotFound => "the blob does not exist",
            Self::ConditionNotMet => "another writer was first",
            Self::ContainerAlreadyExists => "the container exists already",
            Self::Throttled => "the service is throttling",
            Self::Service => "the service failed",
            Self::Rejected => "the service refused the request",
            Self::Network => "the connection failed",
            Self::Timeout => "out of time",
            Self::InvalidResponse => "unexpected answer",
            Self::Credential => "no token",
            Self::InvalidData => "unreadable data",
            Self::Other => "failed",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

/// Why an operation of the store failed.
///
/// `Display` says what was being done and what the service answered; [`source`](StdError::source) has
/// the cause, if a lower layer gave one. Neither ever holds a key, a token or a SAS.
///
/// ```
/// use eventhub_checkpointstore::{ConsumerGroup, ErrorKind};
///
/// let error = ConsumerGroup::new("ns.servicebus.windows.net", "a/b", "$Default").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert!(error.to_string().contains("a/b"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    action: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    source: Option<Source>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    blob: Option<String>,
    outcome_unknown: bool,
}

impl Error {
    /// Makes an error; for implementers of the traits of this crate.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Network, "the tunnel is down").with_outcome_unknown(true);
    /// assert!(error.is_outcome_unknown());
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            action: None,
            message: message.into(),
            source: None,
            status: None,
            code: None,
            request_id: None,
            blob: None,
            outcome_unknown: false,
        }))
    }

    /// Adds the cause.
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what was being done, as in "update the checkpoint".
    pub fn with_action(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.0.action = Some(action.into());
        self
    }

    /// Adds the HTTP status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the storage error code, as in `ContainerNotFound`.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds the service's request id (`x-ms-request-id`).
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.0.request_id = Some(request_id.into());
        self
    }

    /// Adds the name of the blob.
    pub fn with_blob(mut self, blob: impl Into<String>) -> Self {
        self.0.blob = Some(blob.into());
        self
    }

    /// Says whether the write, or an earlier attempt at it, may have been applied all the same.
    pub fn with_outcome_unknown(mut self, outcome_unknown: bool) -> Self {
        self.0.outcome_unknown = outcome_unknown;
        self
    }

    /// Adds a doubt; never takes one away.
    pub(crate) fn with_outcome_unknown_if(mut self, unknown: bool) -> Self {
        self.0.outcome_unknown |= unknown;
        self
    }

    pub(crate) fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The storage error code of the last answer, as in `ContainerNotFound`
    /// ([the list](https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes)).
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The service's id of the last request, which its support asks for.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The name of the blob that the failed request was about.
    pub fn blob(&self) -> Option<&str> {
        self.0.blob.as_deref()
    }

    /// Whether the write may have been applied although the call failed.
    ///
    /// True when a request was sent and its answer was lost. On a [`ErrorKind::ConditionNotMet`] it
    /// means that an earlier attempt of the same call may have been the "other" writer.
    pub fn is_outcome_unknown(&self) -> bool {
        self.0.outcome_unknown
    }

    /// Whether the same call may succeed later without any change: network, time limit, throttling,
    /// a failing service, or a token credential that failed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Network
                | ErrorKind::Timeout
                | ErrorKind::Throttled
                | ErrorKind::Service
                | ErrorKind::Credential
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(action) = &inner.action {
            write!(f, "could not {action}: ")?;
        }
        inner.kind.fmt(f)?;
        if !inner.message.is_empty() {
            write!(f, ": {}", inner.message)?;
        }
        let details = [
            ("status", inner.status.map(|status| status.to_string())),
            ("code", inner.code.clone()),
            ("request id", inner.request_id.clone()),
            ("blob", inner.blob.clone()),
        ];
        let mut separator = " (";
        for (name, value) in details {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        if inner.outcome_unknown {
            f.write_str("; it is unknown whether the write was applied")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("action", &inner.action)
            .field("message", &inner.message)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("request_id", &inner.request_id)
            .field("blob", &inner.blob)
            .field("outcome_unknown", &inner.outcome_unknown)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_action_answer_and_where() {
        let error = Error::new(ErrorKind::Rejected, "")
            .with_action("update the checkpoint")
            .with_status(400)
            .with_code("InvalidHeaderValue")
            .with_request_id("r-1")
            .with_blob("ns/hub/g/checkpoint/0");
        assert_eq!(
            error.to_string(),
            "could not update the checkpoint: the service refused the request (status 400, code \
             InvalidHeaderValue, request id r-1, blob ns/hub/g/checkpoint/0)"
        );
    }

    #[test]
    fn the_cause_is_the_source_and_not_in_the_text() {
        let error = Error::new(ErrorKind::Network, "").with_source(std::io::Error::other("reset"));
        assert_eq!(error.to_string(), "the connection failed");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("reset"));
    }
}

//! The kinds of errors, for a program to decide on.

use std::fmt;

/// The kind of an error, for programs to decide on.
///
/// New kinds may be added; treat an unknown one like [`ErrorKind::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument was refused before anything was sent. The text names the value and what is allowed.
    InvalidInput,
    /// The options contradict each other, or need a Cargo feature that is not enabled.
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
    /// The container already exists (409 `ContainerAlreadyExists`).
    ContainerAlreadyExists,
    /// 429, or 503 `ServerBusy`: the service asks for a slower pace.
    Throttled,
    /// The service failed (5xx) or asked for a retry (408).
    Service,
    /// The service refused the request for another reason (4xx).
    Rejected,
    /// The connection could not be established, or it broke.
    Network,
    /// A time limit ended the call.
    Timeout,
    /// The response is not what the REST reference promises: it is truncated, not XML, or lacks a header.
    InvalidResponse,
    /// The token credential did not return a token.
    Credential,
    /// A stored blob is not readable, and the store is configured to fail then; or the body of an event does not have the
    /// requested type.
    InvalidData,
    /// Any other failure. Implementers of the traits use it when no other kind fits.
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
            Self::ContainerAlreadyExists => "the container already exists",
            Self::Throttled => "the service is throttling",
            Self::Service => "the service failed",
            Self::Rejected => "the service refused the request",
            Self::Network => "the connection failed",
            Self::Timeout => "timed out",
            Self::InvalidResponse => "unexpected response",
            Self::Credential => "no token could be obtained",
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

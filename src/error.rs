//! The one error type of the crate.

mod applied;
mod kind;
mod text;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;

pub use applied::Applied;
pub use kind::ErrorKind;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;
/// Several errors may have it: one list failed for many partitions.
type SharedSource = Arc<dyn StdError + Send + Sync + 'static>;

/// Why an operation of the store failed.
///
/// `Display` names the action and the response of the service; [`source`](StdError::source) has the cause, if a lower
/// layer gave one. Keys, tokens and signatures never appear in either.
///
/// ```
/// use eventhub_checkpointstore::{ConsumerGroup, ErrorKind};
///
/// let error = ConsumerGroup::new("ns.servicebus.windows.net", "telemetry", "a/b").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// assert!(error.to_string().contains("a/b"));
/// ```
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    action: Option<Cow<'static, str>>,
    message: Cow<'static, str>,
    source: Option<SharedSource>,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    container: Option<String>,
    blob: Option<String>,
    applied: Applied,
    /// Whether it would fail again in the same way, regardless of the kind.
    permanent: bool,
}

impl Error {
    /// Creates an error; for implementers of the traits of this crate.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Applied, Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Network, "the tunnel is down").with_applied(Applied::Unknown);
    /// assert!(error.is_outcome_unknown() && error.is_transient());
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
            container: None,
            blob: None,
            applied: Applied::No,
            permanent: false,
        }))
    }

    /// Adds the cause.
    ///
    /// ```
    /// use std::error::Error as _;
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Network, "").with_source(std::io::Error::other("reset by peer"));
    /// assert_eq!(error.source().unwrap().to_string(), "reset by peer");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// Adds the action that failed, such as "update the checkpoint".
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Timeout, "").with_action("update the checkpoint");
    /// assert_eq!(error.to_string(), "could not update the checkpoint: timed out");
    /// ```
    #[must_use]
    pub fn with_action(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.0.action = Some(action.into());
        self
    }

    /// Adds the HTTP status.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Rejected, "").with_status(400);
    /// assert_eq!(error.status(), Some(400));
    /// ```
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the storage error code, such as `ContainerNotFound`.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::BlobNotFound, "").with_code("BlobNotFound");
    /// assert_eq!(error.code(), Some("BlobNotFound"));
    /// ```
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds the service's request id (`x-ms-request-id`).
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Service, "").with_request_id("4a5c…");
    /// assert_eq!(error.request_id(), Some("4a5c…"));
    /// ```
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.0.request_id = Some(request_id.into());
        self
    }

    /// Adds the name of the blob.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Service, "").with_blob("ns/hub/$default/checkpoint/0");
    /// assert_eq!(error.blob(), Some("ns/hub/$default/checkpoint/0"));
    /// ```
    #[must_use]
    pub fn with_blob(mut self, blob: impl Into<String>) -> Self {
        self.0.blob = Some(blob.into());
        self
    }

    /// Adds the name of the container.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::ContainerNotFound, "").with_container("checkpoints");
    /// assert_eq!(error.container(), Some("checkpoints"));
    /// ```
    #[must_use]
    pub fn with_container(mut self, container: impl Into<String>) -> Self {
        self.0.container = Some(container.into());
        self
    }

    /// Adds whether the write, or an earlier attempt at it, was applied. The default is [`Applied::No`].
    ///
    /// ```
    /// use eventhub_checkpointstore::{Applied, Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Timeout, "").with_applied(Applied::Unknown);
    /// assert!(error.is_outcome_unknown());
    /// ```
    #[must_use]
    pub fn with_applied(mut self, applied: Applied) -> Self {
        self.0.applied = applied;
        self
    }

    /// Adds what is known of earlier attempts at the same write: an unknown outcome stays unknown.
    pub(crate) fn with_earlier(mut self, applied: Applied) -> Self {
        self.0.applied = self.0.applied.or(applied);
        self
    }

    /// Adds a sentence to the message: the cause of the failure, if it is known, or what to do next.
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        let hint = hint.into();
        self.0.message = match &*self.0.message {
            "" => hint,
            message => format!("{message}; {hint}").into(),
        };
        self
    }

    pub(crate) fn permanent_if(mut self, permanent: bool) -> Self {
        self.0.permanent |= permanent;
        self
    }

    /// Puts the action that failed into the one of which it is a part.
    pub(crate) fn within(mut self, whole: &str) -> Self {
        self.0.action = Some(match self.0.action.take() {
            Some(part) => format!("{whole}: could not {part}").into(),
            None => whole.to_owned().into(),
        });
        self
    }

    /// Returns the same error once more, for another record that it affects.
    pub(crate) fn once_more(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn invalid_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::new(ErrorKind::Throttled, "").kind(), ErrorKind::Throttled);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the HTTP status of the last response, if there was one.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::AccessDenied, "").with_status(403);
    /// assert_eq!(error.status(), Some(403));
    /// ```
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns the storage error code of the last response, such as `ContainerNotFound` ([the
    /// list](https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes)).
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::AccessDenied, "").with_code("AuthenticationFailed");
    /// assert_eq!(error.code(), Some("AuthenticationFailed"));
    /// ```
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the service's id of the last request, for a support case.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::AccessDenied, "").with_request_id("4a5c…");
    /// assert_eq!(error.request_id(), Some("4a5c…"));
    /// ```
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns the name of the blob of the failed request.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::AccessDenied, "").with_blob("ns/hub/$default/checkpoint/0");
    /// assert_eq!(error.blob(), Some("ns/hub/$default/checkpoint/0"));
    /// ```
    pub fn blob(&self) -> Option<&str> {
        self.0.blob.as_deref()
    }

    /// Returns the name of the container of the failed request.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::AccessDenied, "").with_container("checkpoints");
    /// assert_eq!(error.container(), Some("checkpoints"));
    /// ```
    pub fn container(&self) -> Option<&str> {
        self.0.container.as_deref()
    }

    /// Returns whether the write was applied although the call failed.
    ///
    /// [`Applied::Unknown`] when a request was sent and its response was lost. On a [`ErrorKind::ConditionNotMet`] it
    /// means that an earlier attempt of the same call may have been the "other" writer.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Applied, Error, ErrorKind};
    ///
    /// assert_eq!(Error::new(ErrorKind::AccessDenied, "").applied(), Applied::No);
    /// ```
    pub fn applied(&self) -> Applied {
        self.0.applied
    }

    /// Returns whether [`applied`](Self::applied) is [`Applied::Unknown`]: the write may have been applied.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Applied, Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Network, "").with_applied(Applied::Unknown);
    /// assert!(error.is_outcome_unknown());
    /// ```
    pub fn is_outcome_unknown(&self) -> bool {
        self.applied().is_unknown()
    }

    /// Returns whether the same call may succeed later without any change: after a network failure, a timeout, throttling,
    /// a failing service, or a failed token credential. An untrusted certificate is not transient.
    ///
    /// ```
    /// use eventhub_checkpointstore::{Error, ErrorKind};
    ///
    /// assert!(Error::new(ErrorKind::Throttled, "").is_transient());
    /// assert!(!Error::new(ErrorKind::AccessDenied, "").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        !self.0.permanent
            && matches!(
                self.kind(),
                ErrorKind::Network
                    | ErrorKind::Timeout
                    | ErrorKind::Throttled
                    | ErrorKind::Service
                    | ErrorKind::Credential
            )
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

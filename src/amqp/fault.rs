//! The failures of operations at the service, and the remedy for each: a new token, a new link, a pause, or none.

use std::time::Duration;

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    DetachError, IllegalLinkStateError, LinkStateError, ReceiverAttachError, RecvError, SendError,
    SenderAttachError, SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::types::definitions::{self, AmqpError, ErrorCondition, LinkError};
use fe2o3_amqp_management::error::{AttachError, Error as RequestError};

use crate::error::{Error, ErrorKind};

/// The pause that the service asks for with `server-busy`.
const BUSY: Duration = Duration::from_secs(4);
/// The maximum length of a peer's description that is passed on.
const MAX_DESCRIPTION: usize = 400;

/// The failure of an operation at the service.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another receiver has taken the partition through its owner level.
    Stolen(String),
    /// The service does not know the position.
    PositionLost(Error),
    /// The same request is unlikely to succeed, for example because a permission or the event hub is missing.
    Refused(Error),
    /// The same request may succeed soon, but not before the pause is over.
    Transient(Error, Duration),
}

impl Fault {
    pub(super) fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Transient(Error::new(kind, message.into()), Duration::ZERO)
    }

    pub(super) fn timeout(what: &str, limit: Duration) -> Self {
        Self::transient(ErrorKind::Timeout, format!("{what} took longer than {limit:?}"))
    }

    /// Returns the error that a caller sees.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Stolen(reason) => {
                Error::new(ErrorKind::Rejected, reason).with_code("amqp:link:stolen")
            }
            Self::PositionLost(error) | Self::Refused(error) | Self::Transient(error, _) => error,
        }
    }

    /// Classifies a condition that the peer reported for a link, a session or a connection.
    pub(super) fn reported(error: &definitions::Error) -> Self {
        let code = code_of(&error.condition);
        let description = one_line(error.description.as_deref().unwrap_or_default());
        let made = |kind| Error::new(kind, description.clone()).with_code(code.clone());
        match &error.condition {
            ErrorCondition::LinkError(LinkError::Stolen) => Self::Stolen(description),
            ErrorCondition::AmqpError(AmqpError::UnauthorizedAccess) => {
                Self::Refused(made(ErrorKind::AccessDenied))
            }
            ErrorCondition::AmqpError(
                AmqpError::NotFound
                | AmqpError::NotAllowed
                | AmqpError::NotImplemented
                | AmqpError::InvalidField,
            ) => Self::Refused(made(ErrorKind::Rejected)),
            // For example, five readers of the partition are the most. One of them may leave.
            ErrorCondition::AmqpError(AmqpError::ResourceLimitExceeded) => {
                Self::Refused(made(ErrorKind::Throttled))
            }
            ErrorCondition::Custom(condition) => Self::of_event_hubs(condition.as_str(), made),
            // For example, a forced detach, a redirect or a closed connection: a new link helps.
            _ => Self::Transient(made(ErrorKind::Network), Duration::ZERO),
        }
    }

    /// Classifies the [conditions](https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide) that only Event
    /// Hubs has.
    fn of_event_hubs(condition: &str, made: impl Fn(ErrorKind) -> Error) -> Self {
        match condition.strip_prefix("com.microsoft:").unwrap_or(condition) {
            "server-busy" => Self::Transient(made(ErrorKind::Throttled), BUSY),
            "timeout" => Self::Transient(made(ErrorKind::Timeout), Duration::ZERO),
            "auth-failed" => Self::Refused(made(ErrorKind::AccessDenied)),
            "georeplication:invalid-offset" => Self::PositionLost(made(ErrorKind::Rejected)),
            "argument-error" | "argument-out-of-range" => {
                let error = made(ErrorKind::Rejected);
                let text = error.to_string().to_ascii_lowercase();
                if text.contains("offset") || text.contains("sequence number") {
                    Self::PositionLost(error)
                } else {
                    Self::Refused(error)
                }
            }
            "entity-disabled" | "publisher-revoked" | "operation-cancelled" => {
                Self::Refused(made(ErrorKind::Rejected))
            }
            _ => Self::Transient(made(ErrorKind::Service), Duration::ZERO),
        }
    }

    /// Classifies the status of a response from `$management` or `$cbs`.
    pub(super) fn status(status: u16, description: Option<&str>) -> Self {
        let made = |kind| {
            let description = one_line(description.unwrap_or("no description"));
            Error::new(kind, description).with_status(status)
        };
        match status {
            401 | 403 => Self::Refused(made(ErrorKind::AccessDenied)),
            408 => Self::Transient(made(ErrorKind::Timeout), Duration::ZERO),
            429 | 503 => Self::Transient(made(ErrorKind::Throttled), Duration::ZERO),
            400..500 => Self::Refused(made(ErrorKind::Rejected)),
            _ => Self::Transient(made(ErrorKind::Service), Duration::ZERO),
        }
    }
}

/// Returns the fault for an error that only shows that something broke. The reason is in its text.
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::Transient(
        Error::new(ErrorKind::Network, "the AMQP connection broke").with_source(error),
        Duration::ZERO,
    )
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::RemoteClosedWithError(error) => Self::reported(&error),
            error => broken(error),
        }
    }
}

impl From<&ConnectionStopReason> for Fault {
    fn from(reason: &ConnectionStopReason) -> Self {
        match reason {
            ConnectionStopReason::RemoteClosedWithError(error) => Self::reported(error),
            _ => Self::transient(ErrorKind::Network, "the connection was closed"),
        }
    }
}

impl From<&SessionStopReason> for Fault {
    fn from(reason: &SessionStopReason) -> Self {
        match reason {
            SessionStopReason::RemoteEndedWithError(error) => Self::reported(error),
            SessionStopReason::ConnectionStopped(reason) => reason.into(),
            _ => Self::transient(ErrorKind::Network, "the session was ended"),
        }
    }
}

impl From<BeginError> for Fault {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::RemoteEndedWithError(error) => Self::reported(&error),
            BeginError::ConnectionStopped(reason) => (&reason).into(),
            error => broken(error),
        }
    }
}

impl From<LinkStateError> for Fault {
    fn from(error: LinkStateError) -> Self {
        match error {
            LinkStateError::RemoteDetachedWithError(error)
            | LinkStateError::RemoteClosedWithError(error) => Self::reported(&error),
            LinkStateError::SessionStopped(reason) => (&reason).into(),
            error => broken(error),
        }
    }
}

impl From<IllegalLinkStateError> for Fault {
    fn from(error: IllegalLinkStateError) -> Self {
        LinkStateError::from(error).into()
    }
}

impl From<ReceiverAttachError> for Fault {
    fn from(error: ReceiverAttachError) -> Self {
        match error {
            ReceiverAttachError::RemoteClosedWithError(error) => Self::reported(&error),
            ReceiverAttachError::SessionStopped(reason) => (&reason).into(),
            error => broken(error),
        }
    }
}

impl From<SenderAttachError> for Fault {
    fn from(error: SenderAttachError) -> Self {
        match error {
            SenderAttachError::RemoteClosedWithError(error) => Self::reported(&error),
            SenderAttachError::SessionStopped(reason) => (&reason).into(),
            error => broken(error),
        }
    }
}

impl From<AttachError> for Fault {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Sender(error) => error.into(),
            AttachError::Receiver(error) => error.into(),
        }
    }
}

impl From<RecvError> for Fault {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::LinkStateError(error) => error.into(),
            RecvError::MessageDecode(error) => Self::Transient(
                Error::new(ErrorKind::InvalidData, "an event is not valid AMQP")
                    .with_source(error.source),
                Duration::ZERO,
            ),
            error => broken(error),
        }
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Status(status) => {
                Self::status(status.code.0.get(), status.description.as_deref())
            }
            RequestError::Send(SendError::LinkStateError(error)) => error.into(),
            RequestError::Send(SendError::Detached(
                DetachError::RemoteClosedWithError(error)
                | DetachError::RemoteDetachedWithError(error),
            )) => Self::reported(&error),
            RequestError::Recv(error) => error.into(),
            RequestError::Disposition(error) => error.into(),
            error @ (RequestError::StatusCodeNotFound
            | RequestError::DecodeError(_)
            | RequestError::CorrelationIdAndMessageIdAreNone) => Self::Transient(
                Error::new(
                    ErrorKind::InvalidResponse,
                    "the response is not one of AMQP management",
                )
                .with_source(error),
                Duration::ZERO,
            ),
            error => broken(error),
        }
    }
}

/// Returns the symbol of a condition, such as `amqp:link:detach-forced`.
fn code_of(condition: &ErrorCondition) -> String {
    match condition {
        ErrorCondition::Custom(symbol) => one_line(symbol.as_str()),
        known => serde_amqp::to_value(known)
            .ok()
            .and_then(|value| match value {
                serde_amqp::Value::Symbol(symbol) => Some(symbol.into_inner()),
                _ => None,
            })
            .unwrap_or_else(|| "amqp".to_owned()),
    }
}

/// Returns a peer's text on one line, cut to a maximum length.
fn one_line(text: &str) -> String {
    text.chars()
        .take(MAX_DESCRIPTION)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

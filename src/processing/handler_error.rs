//! The errors of handlers.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why a handler did not process events, and what to do with them.
///
/// `?` turns any error into [`Retry`](Self::Retry).
///
/// ```
/// use eventhub_checkpointstore::processing::HandlerError;
///
/// fn on_body(body: &str) -> Result<(), HandlerError> {
///     let degrees: f64 = body.parse().map_err(HandlerError::dead_letter)?; // it will never parse
///     std::fs::write("/no/such/folder/degrees", degrees.to_string())?; // try again
///     Ok(())
/// }
/// assert!(matches!(on_body("warm"), Err(HandlerError::DeadLetter(_))));
/// assert!(matches!(on_body("21.5"), Err(HandlerError::Retry(_))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum HandlerError {
    /// The handler gets the same events again after a pause.
    Retry(Cause),
    /// The events go to the dead letter sink, and the next ones follow. Without a sink the consumer stops.
    DeadLetter(Cause),
    /// Stops the consumer. The events are delivered again when it is restarted.
    Stop(Cause),
}

impl HandlerError {
    /// Delivers the same events to the handler again.
    ///
    #[doc = shared_example!("processing/handler_error")]
    pub fn retry(cause: impl Into<Cause>) -> Self {
        Self::Retry(cause.into())
    }

    /// Sends the events to the dead letter sink.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/handler_error"))]
    pub fn dead_letter(cause: impl Into<Cause>) -> Self {
        Self::DeadLetter(cause.into())
    }

    /// Stops the consumer.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/handler_error"))]
    pub fn stop(cause: impl Into<Cause>) -> Self {
        Self::Stop(cause.into())
    }

    pub(crate) fn panicked(text: &str) -> Self {
        Self::Retry(format!("the handler panicked: {text}").into())
    }

    /// Returns the cause.
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        match self {
            Self::Retry(cause) | Self::DeadLetter(cause) | Self::Stop(cause) => &**cause,
        }
    }

    /// Returns the name of the variant, for metrics and spans.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Retry(_) => "retry",
            Self::DeadLetter(_) => "dead_letter",
            Self::Stop(_) => "stop",
        }
    }

    pub(crate) fn into_cause(self) -> Cause {
        match self {
            Self::Retry(cause) | Self::DeadLetter(cause) | Self::Stop(cause) => cause,
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.cause(), f)
    }
}

/// `HandlerError` does not implement `Error`, because this conversion would then conflict.
impl<E: Into<Cause>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

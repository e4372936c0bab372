//! How requests reach the service; an HTTP client of your own is plugged in here.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::maybe_async;
use crate::transport::{SendOptions, TransportError};

/// An HTTP client: sends one request and waits for its whole answer.
///
/// It must not follow redirects and not repeat requests, and it must send the headers as they are: they are
/// signed. Retrying, signing and reading statuses is the store's business.
#[maybe_async]
pub trait Transport: Send + Sync {
    /// Sends a request and reads the answer with its body, whatever its status.
    ///
    /// # Errors
    ///
    /// There is no answer, or not a whole one, within [`SendOptions::timeout`]. An error that is not marked
    /// [`not_sent`](TransportError::not_sent) counts as a request that may have been carried out.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendOptions,
    ) -> Result<http::Response<Bytes>, TransportError>;

    /// Waits before a repetition.
    async fn sleep(&self, duration: Duration);

    /// The monotonic clock that deadlines are judged by; a test may have its own.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall clock that requests are dated by; the service refuses dates that are 15 minutes off.
    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }
}

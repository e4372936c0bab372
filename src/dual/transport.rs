//! How requests reach the service; an HTTP client of your own is plugged in here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::maybe_async;
use crate::clock::{Clock, SystemClock};
use crate::transport::{BodySink, SendLimits, TransportError};

/// An HTTP client: sends one request and waits for its whole answer.
///
/// It must not follow redirects and must not retry. It must send the headers as they are, because they are signed:
/// `Content-Length` is among them wherever it is needed, so the client must not add one; `Host` is not, and is the
/// client's to add from the URL. It must send no cookies, and must not ask for compression. Retrying, signing and reading
/// statuses are the store's business.
///
/// # Example
///
/// The crates `http` and `bytes` must be dependencies of yours, too.
///
#[cfg_attr(not(doctest), doc = example!("transport/transport"))]
#[maybe_async]
pub trait Transport: Send + Sync {
    /// Sends a request and reads the answer with its body, whatever its status.
    ///
    /// # Errors
    ///
    /// There is no whole response within [`SendLimits::timeout`]. An error that is not marked
    /// [`not_sent`](TransportError::not_sent) counts as a request that may have been carried out. One that is marked
    /// [`permanent`](TransportError::permanent) is not retried.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError>;

    /// Sends a request and hands the body of the answer over piece by piece, as it comes, whatever the status.
    ///
    /// The pages of a list, of megabytes each, are asked for in this way, so that they need not be held. By default the
    /// whole body of [`send`](Self::send) is one piece.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); what was handed over before is discarded.
    async fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let (head, body) = self.send(request, options).await?.into_parts();
        sink.write(head.status, &body);
        Ok(http::Response::from_parts(head, ()))
    }

    /// Waits before a repetition.
    async fn sleep(&self, duration: Duration);

    /// The clock that deadlines are judged by, and requests are dated by. By default the system's.
    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

pointers!(Transport {
    async fn send(&self, request: http::Request<Bytes>, options: &SendLimits) -> Result<http::Response<Bytes>, TransportError>;
    async fn send_streamed(&self, request: http::Request<Bytes>, options: &SendLimits, sink: &mut dyn BodySink) -> Result<http::Response<()>, TransportError>;
    async fn sleep(&self, duration: Duration);
    fn clock(&self) -> &dyn Clock;
});

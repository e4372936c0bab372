//! The trait of HTTP clients. Custom clients implement it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::maybe_async;
use crate::clock::{Clock, SystemClock};
use crate::transport::{BodySink, SendLimits, TransportError};

/// An HTTP client that sends one request and waits for the whole response.
///
/// It must not follow redirects, and must not retry. It must send the headers unchanged, because they are signed.
/// `Content-Length` is included where it is needed, so the client must not add one. `Host` is not included; the client adds
/// it from the URL. It must not send cookies or request compression. The store does the retries, the signatures and the
/// interpretation of statuses.
///
/// # Example
///
/// Your crate must also depend on `http` and `bytes`.
///
#[cfg_attr(not(doctest), doc = example!("transport/transport"))]
#[maybe_async]
pub trait Transport: Send + Sync {
    /// Sends a request and reads the response with its body, whatever the status.
    ///
    /// # Errors
    ///
    /// No complete response arrived within [`SendLimits::timeout`]. Unless the error is marked
    /// [`not_sent`](TransportError::not_sent), the request may have been applied. A
    /// [`permanent`](TransportError::permanent) error is not retried.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError>;

    /// Sends a request and passes the body of the response to `sink` in chunks as it arrives, whatever the status.
    ///
    /// The pages of a list, which may be several megabytes long, are requested in this way, so that they are never held in
    /// memory. By default, the whole body of [`send`](Self::send) is one chunk.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). The chunks before the error are discarded.
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

    /// Returns an error if a request cannot be sent from here at all, for example because this transport needs a runtime
    /// and is called outside it. Default: it can.
    ///
    /// The store asks before each attempt, so that it gets no token for a request that is never sent: outside its runtime,
    /// a credential may panic or wait forever.
    ///
    /// # Errors
    ///
    /// The error becomes that of the attempt. [`TransportError::unsupported`] is not retried.
    fn ready(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Waits before a retry.
    async fn sleep(&self, duration: Duration);

    /// Returns the clock for deadlines and for the dates of requests. Default: the system's.
    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

pointers!(Transport {
    async fn send(&self, request: http::Request<Bytes>, options: &SendLimits) -> Result<http::Response<Bytes>, TransportError>;
    async fn send_streamed(&self, request: http::Request<Bytes>, options: &SendLimits, sink: &mut dyn BodySink) -> Result<http::Response<()>, TransportError>;
    fn ready(&self) -> Result<(), TransportError>;
    async fn sleep(&self, duration: Duration);
    fn clock(&self) -> &dyn Clock;
});

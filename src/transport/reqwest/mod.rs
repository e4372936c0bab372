//! The async client: reqwest, set to behave as the blocking one does.

mod returning;
#[cfg(feature = "_rustls")]
mod rustls_tls;
mod tls;

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy};

use self::returning::Returning;
use super::options::unusable_proxy;
use super::{BodySink, SendLimits, TransportError, TransportOptions};
use crate::error::{Error, ErrorKind, Result};

/// Sends requests with [reqwest](https://docs.rs/reqwest), inside a tokio runtime.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: Client,
    /// The client's own limit for a request; unknown for a client of the user's.
    timeout: Option<Duration>,
    returning: Returning,
}

impl ReqwestTransport {
    /// Uses a client of your own, with its pool, proxy and TLS.
    ///
    /// With the feature `rustls-ring` and without `rustls`, reqwest has no crypto provider of its own: unless another crate
    /// of the build switches one on, install one, or a plain `Client::builder().build()` panics.
    ///
    /// Such a client may open more connections than it has requests at once: its next request does not wait until the
    /// connection of the last one is back. The client that the store makes of its own does.
    ///
    /// Build it with `redirect(Policy::none())` and `retry(retry::never())`: an answer from another URL than the
    /// one that was asked is taken for an error.
    pub fn new(client: Client) -> Self {
        Self { client, timeout: None, returning: Returning::default() }
    }

    pub(crate) fn from_options(
        options: &TransportOptions,
        secure: bool,
        host: &str,
    ) -> Result<Self> {
        let returning = Returning::default();
        let mut builder = Client::builder()
            .connector_layer(returning.clone())
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout)
            .timeout(options.attempt_timeout)
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(options.max_idle_connections)
            .no_proxy();
        let proxy = options.choose_proxy(secure, host)?;
        let secure = secure || proxy.as_ref().is_some_and(|proxy| proxy.secure);
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy.url).map_err(|_| unusable_proxy())?);
        }
        let client = tls::configure(builder, options, secure)?.build().map_err(|error| {
            Error::new(ErrorKind::Configuration, "the HTTP client cannot be built")
                .with_source(error)
        })?;
        Ok(Self { client, timeout: Some(options.attempt_timeout), returning })
    }

    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let mut content = BytesMut::new();
        let take = |_, piece: &[u8]| content.extend_from_slice(piece);
        let head = self.send_in_pieces(request, options, take).await?;
        Ok(head.map(|()| content.freeze()))
    }

    pub(crate) async fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let take = |status, piece: &[u8]| sink.write(status, piece);
        self.send_in_pieces(request, options, take).await
    }

    async fn send_in_pieces(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        mut take: impl FnMut(StatusCode, &[u8]),
    ) -> Result<http::Response<()>, TransportError> {
        let mut answer = self.execute(request, options).await?;
        let (status, limit) = (answer.status(), options.max_response_body);
        let (mut pieces, mut length) = (0, 0);
        while let Some(piece) = answer.chunk().await.map_err(classify)? {
            pieces += 1;
            length += piece.len() as u64;
            if length > limit {
                let message = format!("the body is longer than {limit} bytes");
                return Err(TransportError::invalid_response(message));
            }
            take(status, &piece);
        }
        if pieces > 1 {
            // The task that returns the connection has its turn now, not behind whatever the caller computes next.
            tokio::task::yield_now().await;
        }
        self.returning.expect_back(answer.headers());
        Ok(head(answer))
    }

    async fn execute(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<reqwest::Response, TransportError> {
        let mut request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::refused(error.without_url()))?;
        if self.timeout != Some(options.timeout) {
            *request.timeout_mut() = Some(options.timeout);
        }
        let asked = request.url().clone();
        let answer = self.returning.send(self.client.execute(request)).await.map_err(classify)?;
        if *answer.url() != asked {
            return Err(TransportError::invalid_response("the client followed a redirect"));
        }
        Ok(answer)
    }

    pub(crate) async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}

/// What stands before the body.
fn head(mut answer: reqwest::Response) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = answer.status();
    *head.version_mut() = answer.version();
    std::mem::swap(head.headers_mut(), answer.headers_mut());
    head
}

/// Whether the request may have been sent decides whether a write's outcome is known; what is not certain counts
/// as sent. The URL is taken out of the error: it may hold a SAS.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let not_sent = error.is_connect();
    let error = if error.is_timeout() {
        TransportError::timeout(error)
    } else if error.is_builder() {
        TransportError::refused(error)
    } else if error.is_decode() || is_unreadable(&error) {
        TransportError::invalid_response(error)
    } else {
        TransportError::network(error)
    };
    if not_sent { error.not_sent() } else { error }
}

/// hyper calls an answer that is not HTTP a parse error, and says so only in its text.
fn is_unreadable(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("invalid HTTP") {
            return true;
        }
        cause = error.source();
    }
    false
}

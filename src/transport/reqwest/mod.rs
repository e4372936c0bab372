//! The async client: reqwest, configured to behave like the blocking one.

mod returning;
#[cfg(feature = "_rustls")]
mod rustls_tls;
mod tls;
mod watch;

use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Client, Proxy};

use self::returning::{Returning, Stage};
use self::watch::Watch;
use super::causes;
use super::generations::Generations;
use super::hosts::{Hosts, Route};
use super::proxy::unusable;
use super::tokio_here::{lacks, lacks_timers};
use super::{BodySink, SendLimits, Target, TransportError, TransportOptions};
use crate::error::{Error, ErrorKind, Result};

/// Sends requests with [reqwest](https://docs.rs/reqwest), inside a tokio runtime with timers and I/O, as `#[tokio::main]` and
/// `enable_all()` of a runtime's builder make it. Elsewhere each request fails with
/// [`ErrorKind::Configuration`], and nothing is sent.
#[derive(Clone)]
pub struct ReqwestTransport {
    clients: Hosts<Pooled>,
    /// The time limit of the clients for a request; unknown for a custom client.
    timeout: Option<Duration>,
}

/// A client, and its connections that are on their way back to the pool.
#[derive(Clone)]
struct Pooled {
    client: Client,
    returning: Returning,
}

impl ReqwestTransport {
    /// Uses a custom client, with its own pool, proxy and TLS.
    ///
    /// With the feature `rustls-ring` and without `rustls`, reqwest has no crypto provider. Install one, unless another
    /// crate of the build enables one; otherwise a plain `Client::builder().build()` panics.
    ///
    /// The connections of a custom client cannot be discarded when one of them turns out to be dead, so set
    /// `pool_idle_timeout` below the limit of any firewall on the way. The store's own client is replaced in that case, and
    /// every 5 minutes.
    ///
    /// A custom client may open more connections than it has concurrent requests, because a request does not wait until the
    /// connection of the previous one is back in the pool. The store's own client does.
    ///
    /// Build the client with `redirect(Policy::none())` and `retry(retry::never())`. A response from a URL other than the
    /// requested one is an error.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use eventhub_checkpointstore::checkpointstoreblob_aio::{
    ///     BlobCheckpointStore, Credential, ReqwestTransport,
    /// };
    ///
    /// let client = reqwest::Client::builder()
    ///     .redirect(reqwest::redirect::Policy::none())
    ///     .retry(reqwest::retry::never())
    ///     .pool_idle_timeout(Duration::from_secs(60))
    ///     .build()?;
    /// let store = BlobCheckpointStore::builder("https://contoso.blob.core.windows.net", "checkpoints")
    ///     .credential(Credential::sas("sv=2019-07-07&sp=rwcl&sig=abc%3D")?)
    ///     .transport(ReqwestTransport::new(client))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(client: Client) -> Self {
        let only = Pooled { client, returning: Returning::default() };
        Self { clients: Hosts::all(Generations::only(only)), timeout: None }
    }

    pub(crate) fn from_options(
        options: &TransportOptions,
        primary: Target<'_>,
        secondary: Option<Target<'_>>,
    ) -> Result<Self> {
        let clients = Hosts::connect(options, primary, secondary, |route| {
            let (options, route) = (options.clone(), route.clone());
            let tls = tls::prepare(&options, route.has_tls())?;
            let lifetime = options.connection_lifetime;
            Generations::made_by(move || pooled(&options, &route, tls.clone()), lifetime)
        })?;
        Ok(Self { clients, timeout: Some(options.attempt_timeout) })
    }

    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let mut content = BytesMut::new();
        let take = |_, chunk: &[u8]| content.extend_from_slice(chunk);
        let head = self.send_in_chunks(request, options, take).await?;
        Ok(head.map(|()| content.freeze()))
    }

    pub(crate) async fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let take = |status, chunk: &[u8]| sink.write(status, chunk);
        self.send_in_chunks(request, options, take).await
    }

    async fn send_in_chunks(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        take: impl FnMut(StatusCode, &[u8]),
    ) -> Result<http::Response<()>, TransportError> {
        Self::ready()?;
        let reached = self.clients.reach(request.uri());
        let mut watch = Watch::new(&reached.client);
        let exchange = AssertUnwindSafe(self.exchange(request, options, &mut watch, take));
        let outcome = exchange.catch_unwind().await.unwrap_or_else(|panic| match lacks(&*panic) {
            Some(needed) => Err(needs(needed)),
            None => resume_unwind(panic),
        });
        watch.end(outcome.as_ref().err());
        outcome.map_err(|error| reached.explain(error))
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        watch: &mut Watch<'_>,
        mut take: impl FnMut(StatusCode, &[u8]),
    ) -> Result<http::Response<()>, TransportError> {
        let mut response = self.execute(request, options, watch).await?;
        let (status, limit) = (response.status(), options.max_response_body);
        let (mut chunks, mut length) = (0, 0);
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            chunks += 1;
            length += chunk.len() as u64;
            if length > limit {
                let message = format!("the body is larger than {limit} bytes");
                return Err(TransportError::invalid_response(message));
            }
            take(status, &chunk);
        }
        if chunks > 1 {
            // Let the task that returns the connection run now, before the caller's next computation.
            tokio::task::yield_now().await;
        }
        watch.client().returning.expect_back(response.headers());
        Ok(head(response))
    }

    async fn execute(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        watch: &mut Watch<'_>,
    ) -> Result<reqwest::Response, TransportError> {
        let mut request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::unsupported(error.without_url()))?;
        if self.timeout != Some(options.timeout) {
            *request.timeout_mut() = Some(options.timeout);
        }
        let asked = request.url().clone();
        let (Pooled { client, returning }, stage) = watch.parts();
        let response = returning.send(client.execute(request), stage).await.map_err(|error| {
            // The time limit ends the request between two steps, so the last step tells how far it came.
            let is_waiting = error.is_timeout() && *stage == Stage::Connecting;
            let error = classify(error);
            if is_waiting { error.not_sent() } else { error }
        })?;
        if *response.url() != asked {
            return Err(TransportError::invalid_response("the client followed a redirect"));
        }
        Ok(response)
    }

    /// reqwest panics without a runtime and its timers. Whether the runtime has I/O shows when a connection is made.
    pub(crate) fn ready() -> Result<(), TransportError> {
        lacks_timers().map_or(Ok(()), |needed| Err(needs(needed)))
    }

    /// Outside a runtime there is no timer, so this never returns. A caller that also waits for something else continues
    /// with that, and its next request fails with the error about the missing runtime.
    pub(crate) async fn sleep(duration: Duration) {
        match lacks_timers() {
            None => tokio::time::sleep(duration).await,
            Some(_) => std::future::pending().await,
        }
    }
}

/// The error of a runtime that reqwest cannot use. Nothing was sent.
fn needs(needed: &str) -> TransportError {
    TransportError::unsupported(format!(
        "the async store sends its requests with reqwest, which needs {needed}"
    ))
}

fn pooled(options: &TransportOptions, route: &Route, tls: tls::Prepared) -> Result<Pooled> {
    let returning = Returning::default();
    let mut builder = Client::builder()
        .connector_layer(returning.clone())
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        // Another crate of the build may have enabled these.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .no_hickory_dns()
        .tcp_nodelay(true)
        .connect_timeout(options.connect_timeout)
        .timeout(options.attempt_timeout)
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.max_idle_connections)
        .no_proxy();
    if let Some(proxy) = &route.proxy {
        builder = builder.proxy(Proxy::all(&proxy.url).map_err(|_| unusable())?);
    }
    let client = tls::configure(builder, tls).build().map_err(|error| {
        Error::new(ErrorKind::Configuration, "the HTTP client could not be built")
            .with_source(error)
    })?;
    Ok(Pooled { client, returning })
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}

/// Returns the head of the response.
fn head(mut response: reqwest::Response) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    std::mem::swap(head.headers_mut(), response.headers_mut());
    head
}

/// Converts an error. The outcome of a write is known only if its request was certainly not sent; otherwise the
/// request counts as sent, and the outcome as unknown. The URL is removed from the error, because it may contain a SAS.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    let not_sent = error.is_connect();
    let error = if error.is_timeout() {
        TransportError::timeout(error)
    } else if error.is_builder() {
        TransportError::unsupported(error)
    } else if error.is_decode() || causes::is_unreadable(&error) {
        TransportError::invalid_response(error)
    } else if causes::is_permanent(&error) {
        TransportError::network(error).permanent()
    } else {
        TransportError::network(error)
    };
    if not_sent { error.not_sent() } else { error }
}

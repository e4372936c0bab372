//! The blocking client: ureq, set to behave as the async one does.

mod connector;
mod resolver;
#[cfg(any(feature = "_rustls", feature = "native-tls"))]
mod tls;

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use ureq::config::Config;
use ureq::{Agent, Proxy, Timeout};

use self::connector::{LazyConnector, NotConnected};
use self::resolver::{NoLookup, SystemLookup};
use super::options::unusable_proxy;
use super::{BodySink, SendLimits, TransportError, TransportOptions};
use crate::error::Result;

/// Sends requests with [ureq](https://docs.rs/ureq).
///
/// At trace level ureq itself logs whole URLs, a SAS in them included, on its target `ureq`, and the bytes of every
/// request with its `Authorization` header on `ureq_proto`: keep these two targets at debug or above.
#[derive(Clone)]
pub struct UreqTransport {
    agent: Agent,
}

impl UreqTransport {
    /// Uses an agent of your own, with its pool, proxy and TLS.
    ///
    /// Statuses, redirects and time limits are set for each request, so how the agent treats them does not matter. But
    /// ureq sets TLS up anew for each connection of such a request, unless the agent has the same settings:
    /// `http_status_as_error(false)`, `max_redirects(0)` and a `timeout_global` of the store's `attempt_timeout`.
    ///
    /// Keep as many idle connections per host as there are concurrent claims.
    ///
    /// For https give the agent a `TlsConfig` with a crypto provider (`unversioned_rustls_crypto_provider`) and roots, such
    /// as `RootCerts::PlatformVerifier`. Without them it panics at the first connection, because this crate switches on
    /// neither of ureq's own; ureq's default features would bring ring beside aws-lc-rs into the build, with what
    /// [features.md](crate::_documentation::features) says about two providers.
    pub fn new(agent: Agent) -> Self {
        Self { agent }
    }

    pub(crate) fn from_options(
        options: &TransportOptions,
        secure: bool,
        host: &str,
    ) -> Result<Self> {
        let proxy = options.choose_proxy(secure, host)?;
        let secure = secure || proxy.as_ref().is_some_and(|proxy| proxy.secure);
        let proxy = proxy.map(|proxy| Proxy::new(&proxy.url).map_err(|_| unusable_proxy()));
        let builder = Config::builder();
        #[cfg(any(feature = "_rustls", feature = "native-tls"))]
        let builder = builder.tls_config(tls::config(options, secure)?);
        #[cfg(not(any(feature = "_rustls", feature = "native-tls")))]
        options.choose_tls(secure)?;
        let config = builder
            .proxy(proxy.transpose()?)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(options.connect_timeout))
            .timeout_global(Some(options.attempt_timeout))
            .max_idle_age(options.idle_timeout)
            .max_idle_connections(options.max_idle_connections)
            .max_idle_connections_per_host(options.max_idle_connections)
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .build();
        Ok(Self::new(Agent::with_parts(config, LazyConnector::new(SystemLookup), NoLookup)))
    }

    pub(crate) fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, body) = self.answer(request, options)?.into_parts();
        let content = read_body(body, options.max_response_body).map_err(classify)?;
        Ok(http::Response::from_parts(parts, content.into()))
    }

    pub(crate) fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let (parts, body) = self.answer(request, options)?.into_parts();
        let take = |piece: &[u8]| sink.write(parts.status, piece);
        read_pieces(body, options.max_response_body, take).map_err(classify)?;
        Ok(http::Response::from_parts(parts, ()))
    }

    fn answer(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<ureq::Body>, TransportError> {
        let (parts, body) = request.into_parts();
        let answer = if body.is_empty() {
            self.run(http::Request::from_parts(parts, ()), options)
        } else {
            self.run(http::Request::from_parts(parts, body.to_vec()), options)
        };
        answer.map_err(classify)
    }

    fn run(
        &self,
        request: http::Request<impl ureq::AsSendBody>,
        options: &SendLimits,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        if self.is_prepared_for(options) {
            return self.agent.run(request);
        }
        let request = self
            .agent
            .configure_request(request)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(options.timeout))
            .build();
        self.agent.run(request)
    }

    /// Settings of a request are a copy of all the agent's.
    fn is_prepared_for(&self, options: &SendLimits) -> bool {
        let config = self.agent.config();
        !config.http_status_as_error()
            && config.max_redirects() == 0
            && config.timeouts().global == Some(options.timeout)
    }
}

/// Room is made at once for a declared length, which is only believed up to the limit.
fn read_body(mut body: ureq::Body, limit: u64) -> Result<Vec<u8>, ureq::Error> {
    let declared = body.content_length().unwrap_or_default().min(limit);
    let mut content = Vec::with_capacity(usize::try_from(declared).unwrap_or_default());
    body.with_config().limit(limit).reader().read_to_end(&mut content)?;
    Ok(content)
}

/// Half of what ureq itself holds of a body: more at once is not faster.
const PIECE: u64 = 64 * 1024;

fn read_pieces(
    mut body: ureq::Body,
    limit: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<(), ureq::Error> {
    let length = body.content_length().unwrap_or(PIECE).clamp(1, PIECE);
    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut reader = body.with_config().limit(limit).reader();
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UreqTransport")
    }
}

/// Whether the request may have been sent decides whether a write's outcome is known; what is not certain counts
/// as sent.
fn classify(error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<NotConnected>() {
            Ok(error) => classify(error.0).not_sent(),
            Err(cause) => TransportError::network(cause),
        },
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            TransportError::timeout(error).not_sent()
        }
        ureq::Error::Timeout(_) => TransportError::timeout(error),
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_) => TransportError::network(error).not_sent(),
        ureq::Error::Io(ref cause) if is_before_request(cause) => {
            TransportError::network(error).not_sent()
        }
        ureq::Error::Io(ref cause) if cause.kind() == io::ErrorKind::TimedOut => {
            TransportError::timeout(error)
        }
        ureq::Error::Protocol(_)
        | ureq::Error::LargeResponseHeader(..)
        | ureq::Error::BodyExceedsLimit(_) => TransportError::invalid_response(error),
        // The text of these is the URL, which may hold a SAS.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            TransportError::refused("the URL is not valid")
        }
        ureq::Error::Tls(_) | ureq::Error::TlsRequired => TransportError::refused(error),
        other => TransportError::network(other),
    }
}

/// No connection, or a certificate that is not trusted, which ends the handshake.
fn is_before_request(cause: &io::Error) -> bool {
    #[cfg(feature = "_rustls")]
    if let Some(rustls::Error::InvalidCertificate(_)) =
        cause.get_ref().and_then(|inner| inner.downcast_ref())
    {
        return true;
    }
    cause.kind() == io::ErrorKind::ConnectionRefused
}

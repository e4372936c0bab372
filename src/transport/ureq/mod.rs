//! The blocking client: ureq, configured to behave like the async one.

mod connector;
mod resolver;
#[cfg(any(feature = "_rustls", feature = "native-tls"))]
mod tls;
mod wire;

use std::fmt;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ureq::config::Config;
use ureq::{Agent, Proxy, Timeout};

use self::connector::{LazyConnector, NotConnected, connects_in};
use self::resolver::{NoLookup, SystemLookup};
use super::causes;
use super::generations::Generations;
use super::hosts::{Hosts, Route};
use super::proxy::unusable;
use super::{BodySink, SendLimits, Target, TransportError, TransportOptions};
use crate::error::Result;

/// Sends requests with [ureq](https://docs.rs/ureq).
///
/// At trace level, ureq logs full URLs, which may contain a SAS, under the target `ureq`, and the bytes of every request,
/// including its `Authorization` header, under `ureq_proto`. Keep these two targets at debug or above.
#[derive(Clone)]
pub struct UreqTransport {
    agents: Hosts<Agent>,
}

impl UreqTransport {
    /// Uses a custom agent, with its own pool, proxy and TLS.
    ///
    /// The handling of statuses, redirects and time limits is set for each request, so the agent's own settings do not
    /// matter. However, ureq sets up TLS again for each connection of such a request, unless the agent has the same
    /// settings: `http_status_as_error(false)`, `max_redirects(0)` and a `timeout_global` of the store's `attempt_timeout`.
    ///
    /// The store's own agent sends no cookies and reads every body as it comes, even if another crate of the build enables the
    /// features `cookies`, `gzip`, `brotli` or `charset` of ureq. A custom agent does what these features do: then it adds
    /// cookies to signed requests, and decodes the bodies of responses. It also opens a tunnel through its proxy for plain
    /// http, where the store's own agent sends full URLs.
    ///
    /// Keep as many idle connections per host as there are concurrent claims. A retry after a dead connection ignores all
    /// of them, but they have no maximum lifetime, unlike those of the store's own agent.
    ///
    /// For https, give the agent a `TlsConfig` with a crypto provider (`unversioned_rustls_crypto_provider`) and roots,
    /// such as `RootCerts::PlatformVerifier`. Without them the agent panics at the first connection, because this crate
    /// enables neither of ureq's own. ureq's default features would add ring to the build, next to aws-lc-rs;
    /// [features.md](crate::_documentation::features) explains the problem with two providers.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use eventhub_checkpointstore::checkpointstoreblob::{
    ///     BlobCheckpointStore, Credential, UreqTransport,
    /// };
    ///
    /// // Plain HTTP to an emulator, for which the agent needs no TLS.
    /// let agent = ureq::Agent::config_builder()
    ///     .http_status_as_error(false)
    ///     .max_redirects(0)
    ///     .timeout_global(Some(Duration::from_secs(8)))
    ///     .max_idle_connections_per_host(16)
    ///     .build()
    ///     .new_agent();
    /// let emulator = "http://127.0.0.1:10000/devstoreaccount1";
    /// let store = BlobCheckpointStore::builder(emulator, "checkpoints")
    ///     .credential(Credential::account_key("devstoreaccount1", "c2VjcmV0")?)
    ///     .transport(UreqTransport::new(agent))
    ///     .build()?;
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn new(agent: Agent) -> Self {
        Self { agents: Hosts::all(Generations::only(agent)) }
    }

    pub(crate) fn from_options(
        options: &TransportOptions,
        primary: Target<'_>,
        secondary: Option<Target<'_>>,
    ) -> Result<Self> {
        let agents = Hosts::connect(options, primary, secondary, |route| agents(options, route))?;
        Ok(Self { agents })
    }

    pub(crate) fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (parts, content) = self.exchange(request, options, |parts, body| {
            let content = read_body(body, options.max_response_body)?;
            Ok((parts, content))
        })?;
        Ok(http::Response::from_parts(parts, content.into()))
    }

    pub(crate) fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let parts = self.exchange(request, options, |parts, body| {
            let take = |chunk: &[u8]| sink.write(parts.status, chunk);
            read_chunks(body, options.max_response_body, take)?;
            Ok(parts)
        })?;
        Ok(http::Response::from_parts(parts, ()))
    }

    /// Sends a request and reads the response. A failure on a connection discards the others of its client.
    fn exchange<T>(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        read: impl FnOnce(http::response::Parts, ureq::Body) -> Result<T, ureq::Error>,
    ) -> Result<T, TransportError> {
        let reached = self.agents.reach(request.uri());
        let agents = &reached.client;
        let agent = agents.current(Instant::now());
        let is_own_pool = !agents.is_renewed();
        let (outcome, is_new) = connects_in(|| {
            let response = run(&agent.client, request, options, is_own_pool)?;
            let (parts, body) = response.into_parts();
            read(parts, body)
        });
        outcome.map_err(|error| {
            let error = classify(error);
            agents.note_failure(&agent, &error, !is_new);
            reached.explain(error)
        })
    }
}

/// Makes the sequence of agents for a route.
fn agents(options: &TransportOptions, route: &Route) -> Result<Generations<Agent>> {
    let proxy = route.proxy.as_ref().map(|proxy| Proxy::new(&proxy.url).map_err(|_| unusable()));
    let proxy = proxy.transpose()?;
    // ureq opens a tunnel for every scheme, which many proxies only allow to port 443.
    let (tunnel, forward) = if route.secure { (proxy, None) } else { (None, proxy) };
    let builder = Config::builder();
    #[cfg(any(feature = "_rustls", feature = "native-tls"))]
    let builder = builder.tls_config(tls::config(options, route.has_tls())?);
    #[cfg(not(any(feature = "_rustls", feature = "native-tls")))]
    options.choose_tls(route.has_tls())?;
    let config = builder
        .proxy(tunnel)
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
    // All agents share this connector, with its resumable TLS sessions.
    let connector = LazyConnector::new(SystemLookup, forward);
    let agent = move || Ok(Agent::with_parts(config.clone(), connector.clone(), NoLookup));
    Generations::made_by(agent, options.connection_lifetime)
}

fn run(
    agent: &Agent,
    request: http::Request<Bytes>,
    options: &SendLimits,
    is_own_pool: bool,
) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let (parts, body) = request.into_parts();
    if body.is_empty() {
        run_with(agent, http::Request::from_parts(parts, ()), options, is_own_pool)
    } else {
        run_with(agent, http::Request::from_parts(parts, body.to_vec()), options, is_own_pool)
    }
}

fn run_with(
    agent: &Agent,
    request: http::Request<impl ureq::AsSendBody>,
    options: &SendLimits,
    is_own_pool: bool,
) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let gives_up_idle = options.new_connection && is_own_pool;
    if is_prepared_for(agent, options) && !gives_up_idle {
        return agent.run(request);
    }
    let request = agent
        .configure_request(request)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(options.timeout));
    let request = if gives_up_idle { request.max_idle_age(Duration::ZERO) } else { request };
    agent.run(request.build())
}

/// The settings of a request are a full copy of the agent's.
fn is_prepared_for(agent: &Agent, options: &SendLimits) -> bool {
    let config = agent.config();
    !config.http_status_as_error()
        && config.max_redirects() == 0
        && config.timeouts().global == Some(options.timeout)
}

/// A declared length is allocated at once, but only trusted up to the limit.
fn read_body(body: ureq::Body, limit: u64) -> Result<Vec<u8>, ureq::Error> {
    let declared = body.content_length().unwrap_or_default().min(limit);
    let mut content = Vec::with_capacity(usize::try_from(declared).unwrap_or_default());
    read_chunks(body, limit, |chunk| content.extend_from_slice(chunk))?;
    Ok(content)
}

/// Half of ureq's own body buffer; a larger chunk is not faster.
const CHUNK: usize = 64 * 1024;

/// The first chunk of a body of unknown length. ureq also reports empty bodies in this way, and most responses have one, so
/// a full-size buffer would cost more than the rest of the request.
const FIRST_CHUNK: usize = 1024;

fn read_chunks(
    mut body: ureq::Body,
    limit: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<(), ureq::Error> {
    let declared = body.content_length().map(|length| usize::try_from(length).unwrap_or(CHUNK));
    let mut chunk = vec![0; declared.unwrap_or(FIRST_CHUNK).clamp(1, CHUNK)];
    let mut reader = body.with_config().limit(limit).reader();
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                take(&chunk[..length]);
                if declared.is_none() && length == chunk.len() && length < CHUNK {
                    chunk.resize(length * 2, 0);
                }
            }
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

/// Converts an error. The outcome of a write is known only if its request was certainly not sent; otherwise the
/// request counts as sent, and the outcome as unknown.
fn classify(error: ureq::Error) -> TransportError {
    let is_permanent = is_permanent(&error);
    let error = classify_kind(error);
    if is_permanent { error.permanent() } else { error }
}

/// ureq does not expose the causes of its own errors.
fn is_permanent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(cause) => causes::is_permanent(cause),
        ureq::Error::Other(cause) => match cause.downcast_ref::<NotConnected>() {
            Some(error) => is_permanent(&error.0),
            None => false,
        },
        _ => causes::is_permanent(error),
    }
}

fn classify_kind(error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<NotConnected>() {
            Ok(error) => classify_kind(error.0).not_sent(),
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
        // The message of these errors is the URL, which may contain a SAS.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            TransportError::unsupported("the URL is not valid")
        }
        ureq::Error::Tls(_) | ureq::Error::TlsRequired => TransportError::unsupported(error),
        other => TransportError::network(other),
    }
}

/// Returns whether no connection was made, or the handshake failed because a certificate is not trusted.
fn is_before_request(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::ConnectionRefused || causes::is_untrusted(cause)
}

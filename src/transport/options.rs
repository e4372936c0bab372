//! The options of both HTTP clients, and the limits of one request.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The limits of a single request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SendLimits {
    /// The time limit from connecting to the last byte of the response.
    pub timeout: Duration,
    /// The maximum size of a response body, in bytes.
    pub max_response_body: u64,
    /// Whether to send the request on a new connection. Set after an attempt failed on its connection or got no response in
    /// time, because the idle connections of the pool may be just as dead.
    pub new_connection: bool,
}

impl SendLimits {
    /// Creates limits with this time limit and 64 MiB for the body, enough for a page of 5,000 blobs with 8 KiB of metadata
    /// each.
    ///
    #[doc = shared_example!("transport/send_limits")]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, max_response_body: 64 * 1024 * 1024, new_connection: false }
    }
}

/// The proxy that requests go through.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyOptions {
    /// The proxy in the environment: `HTTPS_PROXY` for https, `HTTP_PROXY` for http, otherwise `ALL_PROXY`, in upper or
    /// lower case, except for the hosts in `NO_PROXY`. The rule is the same on both surfaces, and applies separately to the
    /// primary and the secondary host.
    ///
    /// `NO_PROXY` is a list of domains (`example.com` and `.example.com` both cover subdomains), IP addresses and subnets
    /// (`10.0.0.0/8`, `fd00::/8`), or `*`. A domain or an address may be followed by a port. Names are not resolved, so a
    /// subnet only matches a host that is given as an address. In a CGI program, where `REQUEST_METHOD` is set,
    /// `HTTP_PROXY` is ignored, because any client could set it with a `Proxy` header.
    #[default]
    FromEnvironment,
    /// No proxy.
    Disabled,
    /// This proxy, such as `http://proxy.example:3128`, with `user:password@` if needed.
    ///
    /// Only the schemes `http` and `https` are supported. With any other scheme, here or in the environment, building the
    /// store fails. For a SOCKS proxy, use a custom transport.
    Url(String),
}

impl fmt::Debug for ProxyOptions {
    /// A proxy URL may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromEnvironment => "FromEnvironment",
            Self::Disabled => "Disabled",
            Self::Url(_) => "Url(..)",
        })
    }
}

/// The TLS implementation of a client. Cargo features compile them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TlsBackend {
    /// rustls if it is compiled in (aws-lc-rs before ring), otherwise the platform's.
    #[default]
    Automatic,
    /// rustls (features `rustls`, `rustls-ring`).
    Rustls,
    /// The platform's own (feature `native-tls`).
    NativeTls,
}

/// How the client of a surface connects. Both clients are configured to behave alike.
#[derive(Debug, Clone)]
pub(crate) struct TransportOptions {
    /// The limit of connecting, from the name lookup to the end of the TLS handshake. Default: 5 s.
    pub(crate) connect_timeout: Duration,
    /// The default limit of a request, from connecting to the end of the response. Default: 8 s.
    pub(crate) attempt_timeout: Duration,
    /// How long an unused connection is kept. Default: 60 s, longer than the rounds of a load balancer.
    pub(crate) idle_timeout: Duration,
    /// The maximum lifetime of a connection, so that a DNS failover is followed. Default: 5 min.
    pub(crate) connection_lifetime: Duration,
    /// The maximum number of idle connections. Default: the number of concurrent claims, 16.
    pub(crate) max_idle_connections: usize,
    /// The proxy.
    pub(crate) proxy: ProxyOptions,
    /// The only trusted roots, in PEM. If empty, the platform's roots are trusted.
    pub(crate) root_certificates: Vec<Vec<u8>>,
    /// The TLS implementation.
    pub(crate) tls_backend: TlsBackend,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(8),
            idle_timeout: Duration::from_secs(60),
            connection_lifetime: Duration::from_secs(5 * 60),
            max_idle_connections: 16,
            proxy: ProxyOptions::default(),
            root_certificates: Vec::new(),
            tls_backend: TlsBackend::default(),
        }
    }
}

/// A host that requests go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Whether the host uses https.
    pub(crate) secure: bool,
    /// The host. An IPv6 address is in brackets, as in a URL.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

/// The TLS implementation for an endpoint, chosen by the options and the compiled features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "which of them is made depends on the features")]
pub(super) enum ChosenTls {
    None,
    Rustls,
    NativeTls,
}

impl TransportOptions {
    #[allow(dead_code, reason = "without a client there is nothing to choose for")]
    pub(super) fn choose_tls(&self, secure: bool) -> Result<ChosenTls> {
        if !secure {
            return Ok(ChosenTls::None);
        }
        let missing = |features: &str| {
            Error::new(
                ErrorKind::Configuration,
                format!("https needs the Cargo feature {features} of eventhub-checkpointstore"),
            )
        };
        let (rustls, native) = (cfg!(feature = "_rustls"), cfg!(feature = "native-tls"));
        match self.tls_backend {
            TlsBackend::Automatic | TlsBackend::Rustls if rustls => Ok(ChosenTls::Rustls),
            TlsBackend::Automatic | TlsBackend::NativeTls if native => Ok(ChosenTls::NativeTls),
            TlsBackend::Automatic => Err(missing("`rustls`, `rustls-ring` or `native-tls`")),
            TlsBackend::Rustls => Err(missing("`rustls` or `rustls-ring`")),
            TlsBackend::NativeTls => Err(missing("`native-tls`")),
        }
    }
}

#[allow(dead_code, reason = "without a client or TLS nothing reads certificates")]
pub(super) fn no_certificate() -> Error {
    Error::new(ErrorKind::Configuration, "a root certificate is not valid PEM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_url_is_not_shown() {
        let proxy = ProxyOptions::Url("http://u:secret@p".into());
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}

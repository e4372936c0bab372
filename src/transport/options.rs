//! The options of both HTTP clients, and the limits of one request.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// What a single request may cost.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SendLimits {
    /// The limit from the first byte of the request to the last byte of the answer, the connection included.
    pub timeout: Duration,
    /// The longest body of an answer, in bytes.
    pub max_response_body: u64,
    /// The attempt before this one failed on its connection, or got no response in time. Send this one on a connection
    /// that was not open before: those that wait in a pool may be just as dead.
    pub new_connection: bool,
}

impl SendLimits {
    /// A time limit, and 64 MiB for the body: a page of 5,000 blobs with 8 KiB of metadata each fits.
    ///
    #[doc = shared_example!("transport/send_limits")]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, max_response_body: 64 * 1024 * 1024, new_connection: false }
    }
}

/// Which proxy requests go through.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyOptions {
    /// `HTTPS_PROXY` for https and `HTTP_PROXY` for http, else `ALL_PROXY`, in upper or lower case, except for the
    /// hosts in `NO_PROXY`. The rule is the same in both surfaces, and is applied to the primary and the secondary host
    /// separately.
    ///
    /// `NO_PROXY` is a list of domains (`example.com` and `.example.com` both cover subdomains), IP addresses and subnets
    /// (`10.0.0.0/8`, `fd00::/8`), or `*`. A domain or an address may be followed by a port. Names are not looked up, so
    /// a subnet only matches a host that is given as an address. In a CGI program, where `REQUEST_METHOD` is set,
    /// `HTTP_PROXY` is ignored: any client could set it with a `Proxy` header.
    #[default]
    FromEnvironment,
    /// None.
    Disabled,
    /// This one, as in `http://proxy.example:3128`, with `user:password@` if it asks for it.
    ///
    /// Of any other scheme than `http` and `https`, here or in the environment, the store is not built: behind a SOCKS
    /// proxy use a transport of your own.
    Url(String),
}

impl fmt::Debug for ProxyOptions {
    /// A proxy URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromEnvironment => "FromEnvironment",
            Self::Disabled => "Disabled",
            Self::Url(_) => "Url(..)",
        })
    }
}

/// Which implementation of TLS a client uses; the Cargo features bring them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TlsBackend {
    /// rustls if there is one (aws-lc-rs before ring), else the platform's.
    #[default]
    Automatic,
    /// rustls (features `rustls`, `rustls-ring`).
    Rustls,
    /// The platform's own (feature `native-tls`).
    NativeTls,
}

/// How the client of a surface connects. Both clients are set to behave alike.
#[derive(Debug, Clone)]
pub(crate) struct TransportOptions {
    /// The limit of connecting, from looking up the name to the end of the TLS handshake. Default: 5 s.
    pub(crate) connect_timeout: Duration,
    /// The limit of a request for which no other is set, from connecting to the end of the answer. Default: 8 s.
    pub(crate) attempt_timeout: Duration,
    /// How long an unused connection is kept. Default: 60 s, longer than the rounds of a load balancer.
    pub(crate) idle_timeout: Duration,
    /// How long a connection is used at all, so that a failover in DNS is followed. Default: 5 min.
    pub(crate) connection_lifetime: Duration,
    /// How many unused connections are kept. Default: as many as there are concurrent claims, 16.
    pub(crate) max_idle_connections: usize,
    /// Which proxy is used.
    pub(crate) proxy: ProxyOptions,
    /// The only trusted roots, in PEM; empty means those of the platform.
    pub(crate) root_certificates: Vec<Vec<u8>>,
    /// Which TLS is used.
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
    /// Whether it speaks https.
    pub(crate) secure: bool,
    /// An IPv6 address is in brackets, as in a URL.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

/// Which TLS is used for an endpoint, decided from the options and from what was compiled in.
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
    Error::new(ErrorKind::Configuration, "a root certificate is not readable as PEM")
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

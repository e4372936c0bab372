//! The options of both HTTP clients, and the limits of one request.

use std::fmt;
use std::time::Duration;

use http::Uri;

use crate::error::{Error, ErrorKind, Result};

/// What a single request may cost.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SendLimits {
    /// The limit from the first byte of the request to the last byte of the answer, the connection included.
    pub timeout: Duration,
    /// The longest body of an answer, in bytes.
    pub max_response_body: u64,
}

impl SendLimits {
    /// A time limit, and 64 MiB for the body: a page of 5,000 blobs with 8 KiB of metadata each fits.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, max_response_body: 64 * 1024 * 1024 }
    }
}

/// Which proxy requests go through.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyOptions {
    /// `HTTPS_PROXY` for https and `HTTP_PROXY` for http, else `ALL_PROXY`, upper or lower case, except for the
    /// hosts in `NO_PROXY`. The same rule in both surfaces.
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
            max_idle_connections: 16,
            proxy: ProxyOptions::default(),
            root_certificates: Vec::new(),
            tls_backend: TlsBackend::default(),
        }
    }
}

/// Which TLS is used for an endpoint, decided from the options and from what was compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "which of them is made depends on the features")]
pub(super) enum ChosenTls {
    None,
    Rustls,
    NativeTls,
}

/// A proxy that both clients can use.
#[allow(dead_code, reason = "without a client there is nothing to choose for")]
pub(super) struct ChosenProxy {
    pub(super) url: String,
    /// Whether the connection to the proxy itself has TLS.
    pub(super) secure: bool,
}

impl ChosenProxy {
    /// A host without a scheme is reached by http.
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|_| unusable_proxy())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            // ureq panics at the first connection through a proxy that it was not built for.
            _ => return Err(unusable_proxy()),
        };
        match uri.host() {
            Some(host) if !host.is_empty() => Ok(Self { url, secure }),
            _ => Err(unusable_proxy()),
        }
    }
}

/// The URL may hold a password, so neither it nor the cause is named.
pub(super) fn unusable_proxy() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the proxy, which was given or stands in the environment, is not a URL as in http://proxy.example:3128 or https://proxy.example",
    )
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

    /// The proxy for requests to a host, if any.
    #[allow(dead_code, reason = "without a client there is nothing to choose for")]
    pub(super) fn choose_proxy(&self, secure: bool, host: &str) -> Result<Option<ChosenProxy>> {
        self.proxy_from(secure, host, |name| std::env::var(name).ok())
            .map(|url| ChosenProxy::parse(&url))
            .transpose()
    }

    fn proxy_from(
        &self,
        secure: bool,
        host: &str,
        read: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let either = |upper: &str| {
            let set = |name: &str| read(name).filter(|value| !value.trim().is_empty());
            set(upper).or_else(|| set(&upper.to_lowercase()))
        };
        match &self.proxy {
            ProxyOptions::Disabled => None,
            ProxyOptions::Url(url) => Some(url.clone()),
            ProxyOptions::FromEnvironment => {
                let own = either(if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" });
                let url = own.or_else(|| either("ALL_PROXY"))?;
                let exempt = either("NO_PROXY").is_some_and(|list| is_exempt(host, &list));
                (!exempt).then_some(url)
            }
        }
    }
}

#[allow(dead_code, reason = "without a client or TLS nothing reads certificates")]
pub(super) fn no_certificate() -> Error {
    Error::new(ErrorKind::Configuration, "a root certificate is not readable as PEM")
}

/// Around an IPv6 address in a URL, but not always in `NO_PROXY`.
const BRACKETS: [char; 2] = ['[', ']'];

/// Whether a comma-separated `NO_PROXY` names the host: `*`, the host itself, or a domain that it is in.
///
/// The clients read the variable in different ways, so neither is asked.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.trim_matches(BRACKETS).to_ascii_lowercase();
    list.split(',').map(str::trim).any(|entry| {
        let entry = entry.trim_matches(BRACKETS);
        let entry = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        match entry.as_str() {
            "" => false,
            "*" => true,
            domain => {
                host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_environment(secure: bool, variables: &[(&str, &str)]) -> Option<String> {
        let read = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        TransportOptions::default().proxy_from(secure, "acct.blob.example", read)
    }

    #[test]
    fn the_proxy_is_chosen_by_scheme() {
        let variables =
            [("https_proxy", "http://s"), ("HTTP_PROXY", "http://p"), ("no_proxy", "a,b")];
        assert_eq!(from_environment(true, &variables).as_deref(), Some("http://s"));
        assert_eq!(from_environment(false, &variables).as_deref(), Some("http://p"));
        assert_eq!(from_environment(true, &[("ALL_PROXY", "x")]).as_deref(), Some("x"));
        assert_eq!(
            from_environment(true, &[("HTTPS_PROXY", " "), ("ALL_PROXY", "x")]).as_deref(),
            Some("x")
        );
        assert_eq!(from_environment(true, &[("HTTP_PROXY", "http://p")]), None);
    }

    #[test]
    fn exempt_hosts() {
        for list in ["*", "x, ACCT.blob.example", ".blob.example", "*.example", "example"] {
            let variables = [("ALL_PROXY", "x"), ("NO_PROXY", list)];
            assert_eq!(from_environment(true, &variables), None, "{list}");
        }
        for list in ["", "lob.example", "other.example", ","] {
            let variables = [("ALL_PROXY", "x"), ("NO_PROXY", list)];
            assert!(from_environment(true, &variables).is_some(), "{list}");
        }
        for list in ["::1", "[::1]"] {
            assert!(is_exempt("[::1]", list) && !is_exempt("[::2]", list), "{list}");
        }
    }

    #[test]
    fn proxies_that_a_client_cannot_use_are_refused() {
        for (text, url, secure) in [
            ("proxy.example", "http://proxy.example", false),
            (" u:secret@proxy.example:3128 ", "http://u:secret@proxy.example:3128", false),
            ("https://proxy.example", "https://proxy.example", true),
            ("HTTPS://[::1]:1", "HTTPS://[::1]:1", true),
        ] {
            let chosen = ChosenProxy::parse(text).unwrap();
            assert_eq!((chosen.url.as_str(), chosen.secure), (url, secure));
        }
        for text in ["socks5://u:secret@p", "socks4://p", "ftp://p", "", "http://u:secret@", "a b"]
        {
            let Err(error) = ChosenProxy::parse(text) else { panic!("{text}") };
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn a_proxy_url_is_not_shown() {
        let proxy = ProxyOptions::Url("http://u:secret@p".into());
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}

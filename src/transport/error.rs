//! Errors of a transport.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Why a request got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The connection could not be established, or it broke.
    Network,
    /// A time limit was reached.
    Timeout,
    /// The response is not HTTP, or it is too large.
    InvalidResponse,
    /// The transport does not support the request. Another attempt would be useless.
    Unsupported,
}

/// The error of a transport: why there is no response, and whether the server may have received the request.
///
/// ```
/// use eventhub_checkpointstore::TransportError;
///
/// assert!(TransportError::network("connection reset").may_have_been_sent());
/// assert!(!TransportError::network("connection refused").not_sent().may_have_been_sent());
/// ```
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Source,
    sent: bool,
    permanent: bool,
    /// The host and port of the proxy on the way.
    proxy: Option<Arc<str>>,
}

impl TransportError {
    fn new(kind: TransportErrorKind, source: Source, sent: bool) -> Self {
        let permanent = kind == TransportErrorKind::Unsupported;
        Self { kind, source, sent, permanent, proxy: None }
    }

    /// Creates the error of a connection that could not be made or that broke. Without [`not_sent`](Self::not_sent), the
    /// request counts as one that may have been applied.
    ///
    #[doc = shared_example!("transport/error")]
    pub fn network(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Network, source.into(), true)
    }

    /// Creates the error of a time limit that was reached.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn timeout(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Timeout, source.into(), true)
    }

    /// Creates the error of a response that is not HTTP, or is too large.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn invalid_response(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::InvalidResponse, source.into(), true)
    }

    /// Creates the error of a request that this transport does not support.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn unsupported(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Unsupported, source.into(), false)
    }

    /// Marks the request as certainly not sent, for example because no connection was made.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.sent = false;
        self
    }

    /// Marks the failure as permanent: another attempt would fail in the same way, for example because a certificate is not
    /// trusted. The request is not retried.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// Returns what happened.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Returns whether another attempt would fail in the same way.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Returns whether the server may have received the request.
    pub fn may_have_been_sent(&self) -> bool {
        self.sent
    }
}

impl TransportError {
    /// Adds the host and port of the proxy that the request went through.
    #[cfg(any(feature = "ureq", feature = "reqwest"))]
    pub(super) fn through(mut self, proxy: Arc<str>) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Describes what happened to a request to this host.
    pub(crate) fn told_of(&self, host: &str) -> String {
        let way = self.proxy.as_ref().map(|proxy| format!("{host} through the proxy {proxy}"));
        let host = way.as_deref().unwrap_or(host);
        match (self.kind, self.sent) {
            (TransportErrorKind::Network, true) => format!("the connection to {host} broke"),
            (TransportErrorKind::Network, false) => {
                format!("could not connect to {host}")
            }
            (TransportErrorKind::Timeout, true) => format!("{host} did not respond in time"),
            (TransportErrorKind::Timeout, false) => {
                format!("connecting to {host} timed out")
            }
            (TransportErrorKind::InvalidResponse, _) => {
                format!("the response of {host} is not valid HTTP, or it is too large")
            }
            (TransportErrorKind::Unsupported, _) => self.source.to_string(),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Network if !self.sent => "could not connect",
            TransportErrorKind::Network => "the connection broke",
            TransportErrorKind::Timeout => "no response in time",
            TransportErrorKind::InvalidResponse => {
                "the response is not valid HTTP, or it is too large"
            }
            TransportErrorKind::Unsupported => "the transport does not support the request",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

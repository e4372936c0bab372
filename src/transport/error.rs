//! Errors of a transport.

use std::error::Error as StdError;
use std::fmt;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What kept a request from being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection, or one that broke.
    Network,
    /// A time limit was reached.
    Timeout,
    /// What came back is not HTTP, or too large.
    InvalidResponse,
    /// The transport does not take such a request; another attempt is useless.
    Unsupported,
}

/// The error of a transport: why there is no answer, and whether the request may have reached the server.
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
}

impl TransportError {
    fn new(kind: TransportErrorKind, source: Source, sent: bool) -> Self {
        Self { kind, source, sent, permanent: kind == TransportErrorKind::Unsupported }
    }

    /// A connection that could not be made or that broke. Unless [`not_sent`](Self::not_sent) is said, the
    /// request counts as one that may have been carried out.
    ///
    #[doc = shared_example!("transport/error")]
    pub fn network(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Network, source.into(), true)
    }

    /// A time limit that was reached.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn timeout(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Timeout, source.into(), true)
    }

    /// An answer that is not HTTP or too large.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn invalid_response(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::InvalidResponse, source.into(), true)
    }

    /// A request that this transport does not take.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    pub fn refused(source: impl Into<Source>) -> Self {
        Self::new(TransportErrorKind::Unsupported, source.into(), false)
    }

    /// Says that the request certainly did not reach the server, as when no connection was made.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.sent = false;
        self
    }

    /// Says that another attempt would fail in the same way, as with a certificate that is not trusted: the request is
    /// not retried.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("transport/error"))]
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// What happened.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether another attempt would fail in the same way.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// Whether the server may have carried out the request.
    pub fn may_have_been_sent(&self) -> bool {
        self.sent
    }
}

impl TransportError {
    /// What happened to a request to this host.
    pub(crate) fn told_of(&self, host: &str) -> String {
        match (self.kind, self.sent) {
            (TransportErrorKind::Network, true) => format!("the connection to {host} broke"),
            (TransportErrorKind::Network, false) => {
                format!("no connection to {host} could be made")
            }
            (TransportErrorKind::Timeout, true) => format!("{host} did not respond in time"),
            (TransportErrorKind::Timeout, false) => {
                format!("no connection to {host} was made in time")
            }
            (TransportErrorKind::InvalidResponse, _) => {
                format!("the response of {host} is not valid HTTP, or too large")
            }
            (TransportErrorKind::Unsupported, _) => self.source.to_string(),
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Network if !self.sent => "no connection could be made",
            TransportErrorKind::Network => "the connection broke",
            TransportErrorKind::Timeout => "no answer in time",
            TransportErrorKind::InvalidResponse => "the answer is not valid HTTP or too large",
            TransportErrorKind::Unsupported => "the transport refused the request",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

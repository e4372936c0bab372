//! What carries requests: the options that both clients share, their errors, and the clients themselves.
//!
//! The trait `Transport` of each surface stands in that surface. A transport knows nothing of retrying, signing
//! or statuses.

mod body;
mod error;
mod options;
#[cfg(all(feature = "_rustls", any(feature = "reqwest", feature = "amqp")))]
mod platform_roots;
#[cfg(feature = "reqwest")]
pub(crate) mod reqwest;
#[cfg(all(feature = "_rustls", any(feature = "ureq", feature = "reqwest", feature = "amqp")))]
mod rustls_config;
#[cfg(feature = "ureq")]
pub(crate) mod ureq;

pub use body::BodySink;
pub use error::{TransportError, TransportErrorKind};
pub(crate) use options::TransportOptions;
pub use options::{ProxyOptions, SendLimits, TlsBackend};
#[cfg(all(feature = "_rustls", feature = "amqp"))]
pub(crate) use rustls_config::client_config;

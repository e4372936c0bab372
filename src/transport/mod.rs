//! The HTTP clients, the options that both share, and their errors.
//!
//! Each surface has its own trait `Transport`. A transport knows nothing about retries, signatures or status codes.

mod body;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod causes;
mod error;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod generations;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod hosts;
mod options;
#[cfg(all(feature = "_rustls", any(feature = "reqwest", feature = "amqp")))]
mod platform_roots;
#[cfg(any(feature = "ureq", feature = "reqwest", feature = "amqp"))]
mod proxy;
#[cfg(feature = "reqwest")]
pub(crate) mod reqwest;
#[cfg(all(feature = "_rustls", any(feature = "ureq", feature = "reqwest", feature = "amqp")))]
mod rustls_config;
#[cfg(any(
    feature = "tokio",
    feature = "azure_storage_blobs",
    all(feature = "aio", feature = "amqp")
))]
mod tokio_here;
#[cfg(feature = "ureq")]
pub(crate) mod ureq;

pub use body::BodySink;
pub use error::{TransportError, TransportErrorKind};
pub use options::{ProxyOptions, SendLimits, TlsBackend};
pub(crate) use options::{Target, TransportOptions};
#[cfg(feature = "amqp")]
pub(crate) use proxy::ChosenProxy;
#[cfg(all(feature = "_rustls", feature = "amqp"))]
pub(crate) use rustls_config::client_config;

#[cfg(any(
    feature = "tokio",
    feature = "azure_storage_blobs",
    all(feature = "aio", feature = "amqp")
))]
pub(crate) use tokio_here::lacks_timers;

#[cfg(any(feature = "ureq", feature = "reqwest"))]
const LOG: &str = "eventhub_checkpointstore";

//! The async surface: futures for any runtime, over reqwest in tokio or over a custom client.
//!
//! It has the same names as the [blocking surface](crate::checkpointstoreblob), with `.await`. Futures are `Send` and may
//! be dropped at any point. At worst, this leaves a write whose outcome the next read shows.
//!
//! Implement the traits with [`async_trait`](macro@async_trait).

use maybe_async::must_be_async as maybe_async;

/// An example of this surface, from `src/docs/examples`. It precedes `dual`, so that all its files see it.
macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/examples/aio/", $name, ".md"))
    };
}

#[path = "dual/mod.rs"]
mod dual;
mod runtime;

pub use async_trait::async_trait;

use crate::error::Result;
use crate::protocol::{AccessToken, TokenRequest};
#[cfg(feature = "reqwest")]
pub use crate::transport::reqwest::ReqwestTransport;
use crate::transport::{Target, TransportOptions};
pub use dual::*;

const LOG: &str = "eventhub_checkpointstore::aio";

#[cfg(feature = "reqwest")]
fn default_transport(
    options: &TransportOptions,
    primary: Target<'_>,
    secondary: Option<Target<'_>>,
) -> Result<std::sync::Arc<dyn Transport>> {
    Ok(std::sync::Arc::new(ReqwestTransport::from_options(options, primary, secondary)?))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport(
    _options: &TransportOptions,
    _primary: Target<'_>,
    _secondary: Option<Target<'_>>,
) -> Result<std::sync::Arc<dyn Transport>> {
    Err(crate::Error::new(
        crate::ErrorKind::Configuration,
        "without the Cargo feature `reqwest`, the store needs a transport",
    ))
}

//! The blocking surface: plain threads without an async runtime in the build, over ureq or a custom client.
//!
//! It has the same names as the [async surface](crate::checkpointstoreblob_aio). The claims of a batch run concurrently on
//! scoped threads, which end with the call. You may also call it on a thread of an async runtime, which it blocks like any
//! other blocking call.

use maybe_async::must_be_sync as maybe_async;

/// An example of this surface, from `src/docs/examples`. It precedes `dual`, so that all its files see it.
macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/docs/examples/blocking/",
            $name,
            ".md"
        ))
    };
}

#[path = "dual/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "one source, two surfaces: the async one mounts it, too")]
mod dual;
mod runtime;

use crate::error::Result;
use crate::protocol::{AccessToken, TokenRequest};
#[cfg(feature = "ureq")]
pub use crate::transport::ureq::UreqTransport;
use crate::transport::{Target, TransportOptions};
pub use dual::*;

const LOG: &str = "eventhub_checkpointstore::blocking";

#[cfg(feature = "ureq")]
fn default_transport(
    options: &TransportOptions,
    primary: Target<'_>,
    secondary: Option<Target<'_>>,
) -> Result<std::sync::Arc<dyn Transport>> {
    Ok(std::sync::Arc::new(UreqTransport::from_options(options, primary, secondary)?))
}

#[cfg(not(feature = "ureq"))]
fn default_transport(
    _options: &TransportOptions,
    _primary: Target<'_>,
    _secondary: Option<Target<'_>>,
) -> Result<std::sync::Arc<dyn Transport>> {
    Err(crate::Error::new(
        crate::ErrorKind::Configuration,
        "without the Cargo feature `ureq`, the store needs a transport",
    ))
}

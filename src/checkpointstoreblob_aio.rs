//! The async surface: futures that run in any runtime, over reqwest in tokio or over a client of your own.
//!
//! It has the names of the [blocking surface](crate::checkpointstoreblob), with `.await` behind the calls. Futures
//! are `Send` and may be dropped at any point: at worst a write is left whose outcome the next read shows.
//!
//! Implement the traits with [`async_trait`](macro@async_trait).

use maybe_async::must_be_async as maybe_async;

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

/// Chooses the text of this surface for a doc comment of a file that both surfaces mount.
macro_rules! by_surface {
    (blocking: $blocking:expr, aio: $aio:expr) => {
        $aio
    };
}
use by_surface;

/// An example of this surface, from `src/docs/examples`.
macro_rules! example {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/examples/aio/", $name, ".md"))
    };
}
use example;

/// Examples of operations differ by little more than `.await`, so they are written once, too: with a store and a group, up
/// to `example_end`. Each line begins with a blank because `///` lines do, which the attribute macro makes the same.
macro_rules! example_start {
    () => {
        r#" ```
 # use std::time::Duration;
 # use eventhub_checkpointstore::*;
 # use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
 # #[tokio::main(flavor = "current_thread")]
 # async fn main() -> Result<()> {
 # let store = BlobCheckpointStore::in_memory();
 # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;"#
    };
}
use example_start;

macro_rules! example_end {
    () => {
        " # Ok(())\n # }\n ```"
    };
}
use example_end;

macro_rules! dot_await {
    () => {
        ".await"
    };
}
use dot_await;

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
        "without the Cargo feature `reqwest` a transport must be given",
    ))
}

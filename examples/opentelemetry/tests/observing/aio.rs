//! The consumer on the async surface.

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "suite.rs"]
pub mod suite;

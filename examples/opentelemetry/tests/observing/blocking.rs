//! The consumer on the blocking surface.

use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "suite.rs"]
pub mod suite;

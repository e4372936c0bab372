//! Receives the events of all owned partitions: load balancing, reading, delivery and checkpoints.
//!
//! It shares partitions only through the public `OwnershipManager`, so your own loop can do the same.

mod context;
mod fleet;
mod flow;
mod handler;
mod lanes;
mod owned;
mod partition;
mod rounds;
mod run;
mod settings;
mod streams;
mod worker;

pub use context::PartitionContext;
pub use handler::{DeadLetterSink, PartitionHandler};
pub use owned::{Acknowledger, OwnedPartition};
pub use run::EventProcessor;
pub use streams::PartitionStreams;

pub(super) use run::Grain;
pub(super) use settings::{Origin, Settings};

use super::checkpointer::{Guard, Mark, Slot};
use super::runtime::workers;
use super::{
    CheckpointStore, Checkpointer, EventSource, Job, LOG, OwnershipManager, PartitionReader, Step,
    maybe_async,
};

//! The operations of both surfaces, written once as async code and mounted by each of them.
//!
//! The surface defines the attribute `maybe_async`: the async surface keeps the code unchanged, the blocking surface
//! removes `async` and `.await`. Code that must differ has the same names in the `runtime` of both surfaces.

#[macro_use]
mod pointers;

mod checkpointer;
mod consumer_client;
mod container;
mod credential;
#[cfg(feature = "amqp")]
pub mod eventhubs;
mod job;
mod memory_hub;
mod ownership_manager;
mod processor;
mod source;
mod store;
mod transport;

pub use checkpointer::Checkpointer;
pub use consumer_client::{EventHubConsumerClient, EventHubConsumerClientBuilder};
pub use container::BlobContainer;
pub use credential::{Credential, TokenCredential};
pub use ownership_manager::{OwnershipManager, OwnershipManagerBuilder};
pub use processor::{
    Acknowledger, DeadLetterSink, EventProcessor, OwnedPartition, PartitionContext,
    PartitionHandler, PartitionStreams,
};
pub use source::{EventSource, PartitionReader};
pub use store::{
    BlobCheckpointStore, BlobCheckpointStoreBuilder, CheckpointStore, FencedCheckpointStore,
};
pub use transport::Transport;

pub(crate) use job::{Job, Step};

use super::{LOG, default_transport, maybe_async, runtime};
use crate::protocol::{AccessToken, TokenRequest};

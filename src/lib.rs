//! Checkpoint and ownership store for Azure Event Hubs consumers on Azure Blob Storage.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![cfg_attr(
    not(any(feature = "blocking", feature = "aio")),
    allow(dead_code, unused_imports, reason = "without a surface the protocol has no caller")
)]

mod access_token;
pub mod balance;
pub mod container;
mod error;
mod listing_reader;
mod memory_container;
mod metadata;
mod model;
mod naming;
mod protocol;
mod store_options;
mod transport;

// Tools that know a file by one module read it as the one that comes first.
#[cfg(feature = "blocking")]
pub mod checkpointstoreblob;
#[cfg(feature = "aio")]
pub mod checkpointstoreblob_aio;

pub use access_token::{AccessToken, TokenRequest};
pub use container::RequestOptions;
pub use error::{Error, ErrorKind, Result};
pub use memory_container::MemoryContainer;
pub use model::{
    Checkpoint, CheckpointUpdate, ClaimOutcome, Claims, ConsumerGroup, ETag, Listing,
    PartitionOwnership, SkipReason, SkippedBlob, UpdateOutcome,
};
pub use naming::NameCase;
pub use protocol::{AccountKey, ApiVersion, RetryOptions, SasToken};
pub use transport::{
    ProxyOptions, SendOptions, TlsBackend, TransportError, TransportErrorKind, TransportOptions,
};

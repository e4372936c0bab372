//! Checkpoint and ownership store for Azure Event Hubs consumers on Azure Blob Storage.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod balance;
mod error;
mod metadata;
mod model;
mod naming;

pub use error::{Error, ErrorKind, Result};
pub use model::{
    Checkpoint, CheckpointUpdate, ClaimOutcome, Claims, ConsumerGroup, ETag, Listing,
    PartitionOwnership, SkipReason, SkippedBlob, UpdateOutcome,
};
pub use naming::NameCase;

//! Checkpoint and ownership store for Azure Event Hubs consumers on Azure Blob Storage.
//!
//! Consumers of an event hub share its partitions. Each consumer claims some of them and stores how far it has processed
//! their events, so that the next owner of a partition resumes there. This crate keeps both records, *ownerships* and
//! *checkpoints*, as blob metadata, in the same format as the stores of the other SDKs.
//!
#![doc = include_str!("docs/picture.svg")]
//!
//! # Quickstart
//!
//! These examples use a store in memory.
//! [`from_connection_string`](checkpointstoreblob::BlobCheckpointStore::from_connection_string) and
//! [`new`](checkpointstoreblob::BlobCheckpointStore::new) create the same store in a storage account.
//!
#![cfg_attr(
    feature = "blocking",
    doc = r#"Blocking:

```
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, PartitionOwnership};

let store = BlobCheckpointStore::in_memory();
let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

let claims = store.claim_ownership(&[PartitionOwnership::new(&group, "0", "consumer-a")?]);
for owned in claims.claimed() {
    let id = owned.partition_id();
    let checkpoint = store.get_checkpoint(&group, id)?;
    assert!(checkpoint.is_none(), "nothing was processed yet");
    // After processing events: the offset and the sequence number of the last one.
    store.update_checkpoint(&Checkpoint::new(&group, id, "8589934592", 960_180)?)?;
}
assert_eq!(store.list_checkpoints(&group)?.len(), 1);
# Ok::<(), eventhub_checkpointstore::Error>(())
```"#
)]
//!
#![cfg_attr(
    feature = "aio",
    doc = r#"Async, the same with `.await`:

```
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, PartitionOwnership};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> eventhub_checkpointstore::Result<()> {
let store = BlobCheckpointStore::in_memory();
let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

let claims = store.claim_ownership(&[PartitionOwnership::new(&group, "0", "consumer-a")?]).await;
for owned in claims.claimed() {
    let id = owned.partition_id();
    let checkpoint = store.get_checkpoint(&group, id).await?;
    assert!(checkpoint.is_none(), "nothing was processed yet");
    // After processing events: the offset and the sequence number of the last one.
    store.update_checkpoint(&Checkpoint::new(&group, id, "8589934592", 960_180)?).await?;
}
assert_eq!(store.list_checkpoints(&group).await?.len(), 1);
# Ok(())
# }
```"#
)]
//!
//! # Where to find what
//!
//! | | |
//! |---|---|
//! | [`checkpointstoreblob`], [`checkpointstoreblob_aio`] | the store, its traits and credentials, and `OwnershipManager`: blocking and async, with the same names |
//! | the crate's root | plain data for both: [`Checkpoint`], [`PartitionOwnership`], [`Claims`], [`Listing`], options, [`Error`] |
//! | [`ownership`] | the options of an `OwnershipManager`, and the results of its rounds |
//! | [`ownership::balance`] | load balancing, and the choice of interval and expiration |
//! | [`processing`] | events, requests to event sources, checkpoint policies, observers |
//! | [`memory`] | an event hub in memory, and clocks that tests control |
//! | [`container`] | requests and results of the `BlobContainer` traits, for custom containers |
//! | [`_documentation`] | pages: Cargo features, credentials, mixed fleets, troubleshooting, cost at scale, architecture, changes |
//!
//! The layers, from the top: store → `BlobContainer` → `Transport`. The last two are traits of both surfaces, so you can
//! replace the container by other storage, or the transport by another HTTP client.
//!
//! # Errors
//!
//! There is one [`Error`] type. It has a [kind](Error::kind) to decide on, the [status](Error::status) and
//! [code](Error::code) of the service, and the cause as `source`. Normal outcomes are values: a lost claim is a
//! [`ClaimOutcome`], a missing checkpoint is `None`. If the response to a write was lost, [`Error::is_outcome_unknown`]
//! returns `true`.
//!
//! # Logs
//!
//! The crate logs through the [`log`](https://docs.rs/log) facade. See [`_documentation::logging`] for the targets and
//! levels. Keys, tokens, signatures and headers never appear in a log line of this crate. The HTTP clients log under their
//! own targets: keep `ureq` and `ureq_proto` at `debug` or above, because at `trace` they print whole requests.
//!
//! # Features
//!
//! The default is both surfaces with their clients and rustls. See [`_documentation::features`].
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]
#![cfg_attr(
    not(all(feature = "blocking", feature = "aio")),
    allow(rustdoc::broken_intra_doc_links, reason = "the texts name both surfaces")
)]
#![cfg_attr(
    not(any(feature = "blocking", feature = "aio")),
    allow(dead_code, unused_imports, reason = "without a surface the protocol has no caller")
)]

/// An example of a type that both surfaces share, from `src/docs/examples/shared`. All modules below see it.
macro_rules! shared_example {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/docs/examples/shared/",
            $name,
            ".md"
        ))
    };
}

pub mod adapters;
#[cfg(feature = "amqp")]
#[cfg_attr(
    not(any(feature = "blocking", feature = "aio")),
    allow(dead_code, unused_imports, reason = "without a surface the engine has no caller")
)]
mod amqp;
mod clock;
pub mod container;
mod error;
pub mod memory;
mod model;
mod options;
pub mod ownership;
#[cfg_attr(
    not(any(feature = "blocking", feature = "tokio")),
    allow(dead_code, reason = "without threads or tasks nothing receives events")
)]
pub mod processing;
mod protocol;
mod records;
mod transport;

// Tools that assign a file to one module choose the first one that mounts it.
#[cfg(feature = "aio")]
pub mod checkpointstoreblob_aio;

#[cfg(feature = "blocking")]
pub mod checkpointstoreblob;

#[cfg(test)]
use clean_environment as _;

pub use clock::{Clock, ManualClock, SystemClock};
pub use container::call::CallOptions;
pub use container::memory::MemoryContainer;
pub use error::{Applied, Error, ErrorKind, Result};
pub use model::{
    ChangeOutcome, Checkpoint, CheckpointChange, CheckpointChanges, CheckpointUpdate,
    CheckpointWritten, ClaimOutcome, Claims, ConsumerGroup, ConsumerGroupRecords,
    ConsumerGroupSummary, DeleteOutcome, ETag, Expected, KeepReason, Listing, OwnerSummary,
    PartitionOwnership, Partitions, RelinquishOutcome, Relinquished, RunMode, SkipReason,
    SkippedBlob, UpdateOutcome,
};
pub use protocol::{AccessToken, AccountKey, ApiVersion, RetryOptions, SasToken, TokenRequest};
#[cfg(feature = "legacy")]
#[cfg_attr(docsrs, doc(cfg(feature = "legacy")))]
pub use records::legacy::LegacyLayout;
pub use records::naming::NameCase;
pub use transport::{
    BodySink, ProxyOptions, SendLimits, TlsBackend, TransportError, TransportErrorKind,
};

/// Not for users: the decoders of what an AMQP peer sends.
#[cfg(all(feature = "amqp", feature = "_fuzz"))]
#[doc(hidden)]
pub mod _fuzzing {
    pub use crate::amqp::fuzzing::{event, event_in_frames, properties};
}

/// Guides that complement the reference.
#[cfg(any(doc, doctest))]
pub mod _documentation {
    #[doc = include_str!("../features.md")]
    pub mod features {}

    #[cfg(all(feature = "ureq", feature = "reqwest"))]
    #[doc = include_str!("docs/credentials.md")]
    pub mod credentials {}

    #[doc = include_str!("docs/from_python.md")]
    pub mod from_python {}

    #[doc = include_str!("docs/mixed_fleets.md")]
    pub mod mixed_fleets {}

    #[doc = include_str!("docs/recovery.md")]
    pub mod recovery {}

    #[doc = include_str!("docs/troubleshooting.md")]
    pub mod troubleshooting {}

    #[doc = include_str!("docs/keda.md")]
    pub mod keda {}

    #[doc = include_str!("docs/logging.md")]
    pub mod logging {}

    #[doc = include_str!("docs/cost_at_scale.md")]
    pub mod cost_at_scale {}

    #[doc = include_str!("docs/benchmarks.md")]
    pub mod benchmarks {}

    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}
}

/// Its examples name both surfaces and their clients.
#[cfg(all(doctest, feature = "ureq", feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;

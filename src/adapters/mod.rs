//! Adapters for other crates, each behind a Cargo feature with the name of the crate.
//!
//! | feature | what it adds |
//! |---|---|
//! | `metrics` | [`ConsumerMetrics`](metrics::ConsumerMetrics), an observer that records what a consumer does |
//! | `tracing` | spans around the receiving, the processing and the checkpoints of a consumer |
//! | `azure_messaging_eventhubs` | `BlobCheckpointStore` is a checkpoint store of the official `EventProcessor` |
//! | `azure_core` | credentials of `azure_core` and `azure_identity` are `Credential`s, in both surfaces |
//! | `azure_storage_blobs` | a `ContainerClient` of the older SDK is a `BlobContainer` |
//!
//! Each `azure_` adapter is for one version of its crate. For other versions of `azure_messaging_eventhubs`, use the macro
//! `event_processor_store!`, which only needs the feature `aio`.

#[cfg(feature = "azure_core")]
pub mod azure_core;
#[cfg(feature = "azure_messaging_eventhubs")]
mod azure_messaging_eventhubs;
#[cfg(feature = "azure_storage_blobs")]
pub mod azure_storage_blobs;
#[cfg(feature = "aio")]
#[doc(hidden)]
pub mod event_processor;
#[cfg(feature = "aio")]
mod event_processor_store;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;

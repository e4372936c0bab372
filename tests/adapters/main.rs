//! The adapters for crates that can stand in one build with the library. The others have packages of their own.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(any(feature = "azure_core", feature = "azure_messaging_eventhubs"))]

#[cfg(all(feature = "azure_core", feature = "ureq", feature = "reqwest"))]
mod azure_core;
#[cfg(all(feature = "azure_messaging_eventhubs", feature = "reqwest"))]
mod azure_messaging_eventhubs;
#[path = "../support/mod.rs"]
mod support;

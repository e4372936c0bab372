//! The repository itself: what its documents and its manifest promise, and what every build of it has.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod features;
#[cfg(feature = "blocking")]
mod fuzz_corpora;
mod manifest;
#[cfg(feature = "blocking")]
#[path = "../support/report.rs"]
mod report;
#[cfg(all(feature = "ureq", feature = "reqwest"))]
mod surfaces;

use clean_environment as _;

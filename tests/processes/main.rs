//! Tests about other processes, and fleets in model time.
//!
//! Most of them wait most of the time, for leases to expire and for what another process prints. They are in one binary
//! so that they run side by side, and what needs the processor runs meanwhile. Tests start in the order of their names:
//! those that take longest come first. They wait in threads of their own, so that they do not take all threads of the
//! test runner.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[cfg(all(feature = "ureq", feature = "reqwest"))]
mod beside_python;
mod counterpart_limits;
#[cfg(all(feature = "ureq", feature = "reqwest"))]
mod dying;
#[cfg(all(feature = "ureq", feature = "reqwest"))]
mod examples;
#[cfg(all(feature = "ureq", feature = "reqwest"))]
mod maybe_async_switch;
mod python_balance;
mod simulation;
#[path = "../support/mod.rs"]
mod support;

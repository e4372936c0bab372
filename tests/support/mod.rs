//! General helpers of the tests, the published clients of other languages, and the doubles of `tests/doubles`.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "every test root mounts this and uses a part of it; a test fails by panicking"
)]

use clean_environment as _;

pub mod capture_log;
pub mod counterpart;
#[path = "../doubles/mod.rs"]
pub mod doubles;
pub mod fleet;
pub mod foreign_rows;
pub mod process;
pub mod report;
pub mod tools;

pub use doubles::{azurite, blob_service, loopback};

/// Sends a signal, such as `STOP`, with the command that every Unix has for it.
#[cfg(unix)]
pub fn signal(id: u32, name: &str) {
    let kill = std::process::Command::new("kill").args(["-s", name, &id.to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()), "kill -s {name}");
}

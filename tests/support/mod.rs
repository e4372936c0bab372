//! What the tests stand on: a scriptable HTTP server, a double of the Blob service, the Azurite emulator, and the
//! published stores of other languages.
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

pub mod azurite;
pub mod blob_service;
pub mod capture_log;
pub mod counterpart;
pub mod fleet;
pub mod foreign_rows;
pub mod loopback;
pub mod process;
pub mod report;
pub mod tools;

/// Sends a signal, such as `STOP`, with the command that every Unix has for it.
#[cfg(unix)]
pub fn signal(id: u32, name: &str) {
    let kill = std::process::Command::new("kill").args(["-s", name, &id.to_string()]).status();
    assert!(kill.is_ok_and(|status| status.success()), "kill -s {name}");
}

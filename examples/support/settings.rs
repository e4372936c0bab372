//! What the environment and the command line say, and the pace of the example.

use std::path::PathBuf;
use std::time::Duration;

pub(crate) const CONSUMERS: [&str; 2] = ["consumer-a", "consumer-b"];

/// How often a consumer renews what it owns, and the age from which an ownership counts as abandoned: as short as
/// the service's clock with its whole seconds allows. Real fleets do well with the defaults, 15 s and 120 s.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
pub(crate) const EXPIRATION: Duration = Duration::from_secs(4);

/// What stands for the time that real events take.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// The first consumer that has processed so many events dies without warning.
pub(crate) const DIES_AFTER: usize = 1_000;

/// `AZURE_STORAGE_CONNECTION_STRING`; without it the example runs in memory.
pub(crate) fn connection_string() -> Option<String> {
    std::env::var("AZURE_STORAGE_CONNECTION_STRING").ok().filter(|text| !text.trim().is_empty())
}

/// `AZURE_STORAGE_CONTAINER`, which is created if need be.
pub(crate) fn container_name() -> String {
    std::env::var("AZURE_STORAGE_CONTAINER").unwrap_or_else(|_| "receive-events".to_owned())
}

/// The first argument: a file that keeps what was processed, beyond the end of this process.
pub(crate) fn ledger_file() -> Option<PathBuf> {
    std::env::args_os().nth(1).map(PathBuf::from)
}

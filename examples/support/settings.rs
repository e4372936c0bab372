//! What the environment and the command line say, and the pace of the example.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::{ConsumerGroup, Result};

pub(crate) const CONSUMERS: [&str; 2] = ["consumer-a", "consumer-b"];

/// How often a consumer renews what it owns, and the age from which an ownership counts as abandoned: as short as
/// the service's clock with its whole seconds allows. Real fleets do well with the defaults, 15 s and 120 s.
const INTERVAL: Duration = Duration::from_secs(1);
const EXPIRATION: Duration = Duration::from_secs(4);

/// Events of a partition that are processed in one go.
pub(crate) const BATCH: usize = 10;
/// Events after which a checkpoint is stored. Fewer mean more requests, more mean more repetition after a crash.
pub(crate) const CHECKPOINT_EVERY: usize = 50;
/// What stands for the time that real events take.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

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

pub(crate) fn consumer_group() -> Result<ConsumerGroup> {
    ConsumerGroup::new("webshop.servicebus.windows.net", "clickstream", "$Default")
}

pub(crate) fn ownership_options() -> Result<OwnershipOptions> {
    OwnershipOptions::new(INTERVAL, EXPIRATION)
}

/// An owner id must be unique in the whole fleet, so a process id would not do.
pub(crate) fn owner_id(name: &str) -> String {
    format!("{name}-{:016x}", fastrand::u64(..))
}

/// The sudden end of the first consumer that has processed so many events.
pub(crate) struct Accident(AtomicBool);

impl Accident {
    const AFTER: usize = 1000;

    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Whether the consumer that asks is the one to die, now.
    pub(crate) fn strikes(&self, processed: usize) -> bool {
        processed >= Self::AFTER && !self.0.swap(true, Ordering::Relaxed)
    }
}

//! The messages between the fleet and a consumer of this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::ownership::OwnershipOptions;

/// The settings of one consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    pub connection_string: String,
    pub container: String,
    pub group: ConsumerGroup,
    pub owner_id: String,
    pub partition_ids: Vec<String>,
    pub ownership: OwnershipOptions,
}

/// A consumer of this crate that is running, on either surface.
pub trait Running {
    fn desk(&self) -> &Desk;

    /// Ends it at once; its ownerships are left to expire.
    fn abandon(self: Box<Self>);

    /// Lets it relinquish what it owns, and waits for that.
    fn stop(self: Box<Self>);
}

/// The partitions that a consumer believes it owns after its last round.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub rounds: usize,
    pub owned: BTreeSet<String>,
    /// The last sequence number that was stored, by partition.
    pub written: BTreeMap<String, i64>,
    pub errors: Vec<String>,
}

/// Shared by a consumer and the fleet.
#[derive(Debug, Default)]
pub struct Desk {
    report: Mutex<Report>,
    wish: AtomicU8,
}

const STOP: u8 = 1;
const ABANDON: u8 = 2;

impl Desk {
    pub fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap()
    }

    pub fn ask_to_stop(&self) {
        self.wish.store(STOP, Ordering::SeqCst);
    }

    pub fn ask_to_abandon(&self) {
        self.wish.store(ABANDON, Ordering::SeqCst);
    }

    pub fn shall_stop(&self) -> bool {
        self.wish.load(Ordering::SeqCst) == STOP
    }

    pub fn shall_abandon(&self) -> bool {
        self.wish.load(Ordering::SeqCst) == ABANDON
    }
}

//! What every test stands on: an event hub on the double, and a container of Azurite.

use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{ConsumerGroup, PartitionOwnership};
use eventhubs_double::{Config, EventHubsDouble};
use tokio::runtime::{Builder, Runtime};

use crate::support::azurite::Azurite;

/// Names in upper case, which every client writes into blob names in its own way.
pub const NAMESPACE: &str = "NS.servicebus.windows.net";
pub const HUB: &str = "Telemetry";

/// Long enough for two shared cores, short enough for a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The doubles live here.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

pub struct Bed {
    pub double: EventHubsDouble,
    pub connection_string: String,
    pub container: String,
    pub store: BlobCheckpointStore,
    partitions: usize,
}

impl Bed {
    /// A hub that every client can work with.
    pub fn new(partitions: usize) -> Self {
        Self::on_hub(partitions, Config::whole_performatives)
    }

    /// A hub that is set up like this.
    pub fn on_hub(partitions: usize, set_up: impl FnOnce(Config) -> Config) -> Self {
        let config = Config::new(HUB, partitions).settle_delay(Duration::from_millis(1));
        // Python's client settles no event.
        let config = set_up(config.in_flight(usize::MAX));
        let double = RUNTIME.block_on(EventHubsDouble::start(config)).unwrap();
        let azurite = Azurite::shared();
        let (connection_string, container) =
            (azurite.connection_string(), azurite.new_container_name());
        let store =
            BlobCheckpointStore::from_connection_string(&connection_string, &container).unwrap();
        store.create_container_if_not_exists().unwrap();
        Self { double, connection_string, container, store, partitions }
    }

    pub fn partition_ids(&self) -> Vec<String> {
        (0..self.partitions).map(|id| id.to_string()).collect()
    }

    /// Appends to each partition, in turn, so many events that say which they are.
    pub fn append_to_each(&self, events: usize) {
        for id in self.partition_ids() {
            for _ in 0..events {
                let number = self.double.length(&id);
                self.double.append(&id, format!("{id}: {number}"));
            }
        }
    }

    /// The sequence number of a partition's checkpoint; -1 if there is none.
    pub fn checkpoint(&self, group: &str, partition_id: &str) -> i64 {
        let listing = self.store.list_checkpoints(&consumer_group(group)).unwrap();
        let stored = listing.iter().find(|checkpoint| checkpoint.partition_id() == partition_id);
        stored.map_or(-1, |checkpoint| checkpoint.sequence_number().unwrap())
    }

    /// How long the owner of a partition had been silent when the checkpoint was written, by the store's clock.
    pub fn silence_of_the_owner(&self, group: &str, partition_id: &str) -> Duration {
        let group = consumer_group(group);
        let owners = self.store.list_ownership(&group).unwrap();
        let owner = owners.iter().find(|record| record.partition_id() == partition_id).unwrap();
        let stored = self.store.list_checkpoints(&group).unwrap();
        let stored = stored.iter().find(|record| record.partition_id() == partition_id).unwrap();
        let (written, renewed) = (stored.last_modified(), owner.last_modified());
        written.unwrap().duration_since(renewed.unwrap()).unwrap()
    }

    /// The owner of each partition that has one.
    pub fn owners(&self, group: &str) -> Vec<(String, String)> {
        let listing = self.store.list_ownership(&consumer_group(group)).unwrap();
        let owner = |record: &PartitionOwnership| {
            Some((record.partition_id().to_owned(), record.owner_id()?.to_owned()))
        };
        listing.iter().filter_map(owner).collect()
    }
}

pub fn consumer_group(name: &str) -> ConsumerGroup {
    ConsumerGroup::new(NAMESPACE, HUB, name).unwrap()
}

/// Waits until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    in_time(look).unwrap_or_else(|| panic!("not in time: {what}"))
}

/// Waits a long time for an answer.
pub fn in_time<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let found = look();
        if found.is_some() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// A program of this package.
pub fn program(name: &str) -> &'static Path {
    Path::new(match name {
        "consumer" => env!("CARGO_BIN_EXE_consumer"),
        "eventhub-checkpoints" => env!("CARGO_BIN_EXE_eventhub-checkpoints"),
        other => panic!("there is no program {other}"),
    })
}

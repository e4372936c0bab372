//! A hub and a container to run processors over.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use azure_messaging_eventhubs::models::StartPositions;
use azure_messaging_eventhubs::{ConsumerClient, EventProcessor, StartLocation, StartPosition};
use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, NameCase, PartitionOwnership};
use eventhubs_double::{Config, EventHubsDouble, OffsetStyle};

use crate::support::azurite::Azurite;

pub const PARTITIONS: usize = 8;
pub const EVENTS_EACH: i64 = 2_500;

/// Long enough for two shared cores, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a processor looks at the ownerships, and when those of others count as expired.
///
/// Each test lets only one of its processors look more than once. One that looks while another is about to steal
/// from it revokes a partition whose stream still receives, and that can cost the official client its connection.
#[derive(Clone, Copy)]
pub struct Rhythm {
    pub interval: Duration,
    pub expiry: Duration,
}

pub const ONCE: Rhythm =
    Rhythm { interval: Duration::from_secs(100), expiry: Duration::from_secs(200) };

/// The names as the consumer writes them.
#[derive(Clone, Copy)]
pub struct Names {
    pub namespace: &'static str,
    pub hub: &'static str,
    pub group: &'static str,
}

pub const LOWER: Names =
    Names { namespace: "double.servicebus.windows.net", hub: "telemetry", group: "readers" };

pub struct Fixture {
    pub names: Names,
    pub double: EventHubsDouble,
    pub store: BlobCheckpointStore,
    pub container: String,
}

impl Fixture {
    pub async fn start(names: Names, offsets: OffsetStyle) -> Self {
        watch_the_log();
        // The service's own name; the consumers' may differ in case.
        let config = Config::new("telemetry", PARTITIONS).offset_style(offsets);
        let double = EventHubsDouble::start(config).await.unwrap();
        let container = Azurite::shared().new_container_name();
        let store = open(&container, NameCase::default());
        store.create_container_if_not_exists().await.unwrap();
        Self { names, double, store, container }
    }

    /// Another store over the same container.
    pub fn store_with(&self, name_case: NameCase) -> BlobCheckpointStore {
        open(&self.container, name_case)
    }

    /// Appends events to a partition until it has that many.
    pub fn fill_to(&self, id: &str, count: i64) {
        let there = (0..count).find(|number| self.double.offset(id, *number).is_none());
        let missing = there.unwrap_or(count)..count;
        self.double.fill(id, missing.map(|number| number.to_string()));
    }

    pub fn fill(&self) {
        for id in 0..PARTITIONS {
            self.fill_to(&id.to_string(), EVENTS_EACH);
        }
    }

    pub async fn processor(&self, name: &str, rhythm: Rhythm) -> Arc<EventProcessor> {
        let client = ConsumerClient::builder()
            .with_custom_endpoint(self.double.endpoint())
            .with_consumer_group(self.names.group.into())
            .with_application_id(name.into())
            .open(self.names.namespace, self.names.hub.into(), Arc::new(AnyToken))
            .await
            .unwrap();
        let default = StartPosition { location: StartLocation::Earliest, inclusive: false };
        EventProcessor::builder()
            .with_update_interval(rhythm.interval.try_into().unwrap())
            .with_partition_expiration_duration(rhythm.expiry.try_into().unwrap())
            .with_start_positions(StartPositions { default, ..Default::default() })
            .build(client, Arc::new(self.store.clone()))
            .await
            .unwrap()
    }

    pub fn group(&self) -> ConsumerGroup {
        ConsumerGroup::new(self.names.namespace, self.names.hub, self.names.group).unwrap()
    }

    pub async fn checkpoint(&self, partition_id: &str) -> Option<Checkpoint> {
        self.store.get_checkpoint(&self.group(), partition_id).await.unwrap()
    }

    /// How many partitions an owner has, by the records.
    pub async fn owned(&self, owner_id: &str) -> usize {
        self.records(owner_id).await.len()
    }

    /// Renews all that an owner has, as its processor would.
    pub async fn renew(&self, owner_id: &str) {
        let records = self.records(owner_id).await;
        let claims: Vec<_> =
            records.iter().map(|record| record.claimed_by(owner_id).unwrap()).collect();
        let renewed = self.store.claim_ownership(&claims).await;
        assert!(renewed.all_claimed(), "{renewed:?}");
    }

    async fn records(&self, owner_id: &str) -> Vec<PartitionOwnership> {
        let listing = self.store.list_ownership(&self.group()).await.unwrap();
        let owned = listing.iter().filter(|ownership| ownership.owner_id() == Some(owner_id));
        owned.cloned().collect()
    }
}

fn open(container: &str, name_case: NameCase) -> BlobCheckpointStore {
    let account = Azurite::shared().connection_string();
    BlobCheckpointStore::builder_from_connection_string(&account, container)
        .name_case(name_case)
        .build()
        .unwrap()
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, holds).await;
    held.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A credential whose token is worth nothing.
#[derive(Debug)]
struct AnyToken;

#[async_trait::async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new("worthless", expires_on))
    }
}

/// What the store warned of in this process.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub fn warnings() -> Vec<String> {
    WARNINGS.lock().unwrap().clone()
}

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
            && metadata.target().starts_with("eventhub_checkpointstore")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn watch_the_log() {
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

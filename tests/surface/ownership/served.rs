//! A consumer over HTTP whose clock is the test's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventhub_checkpointstore::{
    Checkpoint, CheckpointUpdate, Claims, ConsumerGroup, Error, Listing, PartitionOwnership,
    Relinquished, RetryOptions,
};
use eventhub_checkpointstore::{Clock, ManualClock};

use super::super::subject::{
    BlobCheckpointStore, BlobCheckpointStoreBuilder, CheckpointStore, Credential, OwnershipManager,
};
use super::super::support::blob_service::{BlobService, Fault};
use super::super::support::loopback::{Loopback, Recorded};
use super::super::{group, maybe_async};

/// Real requests; the clock that leases are judged by is the test's, and so is the service's.
struct Clocked {
    store: Box<dyn CheckpointStore>,
    clock: ManualClock,
    limits: Arc<Limits>,
}

/// The limits that rounds set, and what they are divided by, so that no test waits for real.
struct Limits {
    set: Mutex<Vec<Duration>>,
    haste: Mutex<u32>,
}

#[maybe_async]
impl CheckpointStore for Clocked {
    async fn list_ownership(
        &self,
        group: &ConsumerGroup,
    ) -> Result<Listing<PartitionOwnership>, Error> {
        self.store.list_ownership(group).await
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        self.store.claim_ownership(ownerships).await
    }

    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        self.store.relinquish_ownership(ownerships).await
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>, Error> {
        self.store.list_checkpoints(group).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate, Error> {
        self.store.update_checkpoint(checkpoint).await
    }

    fn with_time_limit(&self, limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        self.limits.set.lock().unwrap().push(limit);
        self.store.with_time_limit(limit / *self.limits.haste.lock().unwrap())
    }

    fn claim_concurrency(&self) -> usize {
        self.store.claim_concurrency()
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

pub struct Served {
    pub service: BlobService,
    pub loopback: Loopback,
    clock: ManualClock,
    started: Instant,
    limits: Arc<Limits>,
}

impl Served {
    pub fn new() -> Self {
        let service = BlobService::new("checkpoints");
        let limits = Limits { set: Mutex::default(), haste: Mutex::new(1) };
        let loopback = service.serve();
        let clock = ManualClock::new();
        Self { loopback, service, started: clock.now(), clock, limits: Arc::new(limits) }
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        let elapsed = self.clock.now() - self.started;
        self.service.set_clock_offset(elapsed.as_secs().try_into().unwrap());
    }

    pub fn store(&self, retries: u32) -> BlobCheckpointStore {
        self.store_with(retries, |builder| builder)
    }

    pub fn store_with(
        &self,
        retries: u32,
        configure: impl FnOnce(BlobCheckpointStoreBuilder) -> BlobCheckpointStoreBuilder,
    ) -> BlobCheckpointStore {
        let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
        let builder = BlobCheckpointStore::builder(&self.loopback.url(), "checkpoints")
            .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
            .retry(quick.with_max_retries(retries));
        configure(builder).build().unwrap()
    }

    pub fn consumer(&self, owner_id: &str, retries: u32) -> OwnershipManager {
        self.consumer_over(Box::new(self.store(retries)), owner_id)
    }

    pub fn consumer_over(
        &self,
        store: Box<dyn CheckpointStore>,
        owner_id: &str,
    ) -> OwnershipManager {
        let store = Clocked { store, clock: self.clock.clone(), limits: Arc::clone(&self.limits) };
        OwnershipManager::builder(store, &group(), owner_id).build().unwrap()
    }

    /// Returns the requests since the last time, in order, as in `list 3 claims`.
    pub fn take_requests(&self) -> Vec<&'static str> {
        let kinds = self.loopback.requests().iter().map(kind).collect();
        self.loopback.clear();
        kinds
    }

    pub fn set_haste(&self, haste: u32) {
        *self.limits.haste.lock().unwrap() = haste;
    }

    /// Until the faults are cleared.
    pub fn delay_lists(&self, seconds: u64) {
        let clock = self.clock.clone();
        self.service.inject(move |request| {
            if request.method == "GET" {
                clock.advance(Duration::from_secs(seconds));
            }
            Fault::None
        });
    }

    pub fn limits(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.limits.set.lock().unwrap())
    }
}

/// The kind of a request.
pub fn kind(request: &Recorded) -> &'static str {
    match (request.method.as_str(), request.target.contains("checkpoint%2F")) {
        ("GET", false) => "ownerships",
        ("GET", true) => "checkpoints",
        ("PUT", _) if request.target.contains("comp=metadata") => "renew",
        ("PUT", _) => "create",
        _ => "other",
    }
}

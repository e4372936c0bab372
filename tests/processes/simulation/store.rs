//! A store of ownership records with the conditional writes and the clock of the real service.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::{ConsumerGroup, ETag, PartitionOwnership};

pub(crate) struct Store {
    pub(crate) group: ConsumerGroup,
    pub(crate) partition_ids: Vec<String>,
    pub(crate) records: Vec<PartitionOwnership>,
    positions: HashMap<String, usize>,
    version: u64,
}

impl Store {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            group: ConsumerGroup::new("contoso.servicebus.windows.net", "hub", "$Default").unwrap(),
            partition_ids: (0..partitions).map(|id| id.to_string()).collect(),
            records: Vec::new(),
            positions: HashMap::new(),
            version: 0,
        }
    }

    /// `Date` and `Last-Modified` have whole seconds only.
    pub(crate) fn server_time(now: Duration) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + now.as_secs())
    }

    pub(crate) fn record(&self, partition_id: &str) -> Option<&PartitionOwnership> {
        self.positions.get(partition_id).map(|position| &self.records[*position])
    }

    /// `If-None-Match: *` without an `ETag`, else `If-Match`. The new version if the condition was met.
    pub(crate) fn write(&mut self, claim: &PartitionOwnership, now: Duration) -> Option<ETag> {
        let position = self.positions.get(claim.partition_id()).copied();
        let stored = position.and_then(|position| self.records[position].etag());
        if stored != claim.etag() {
            return None;
        }
        self.version += 1;
        let etag = ETag::new(format!("0x{:X}", self.version)).unwrap();
        let record =
            claim.clone().with_etag(etag.clone()).with_last_modified(Self::server_time(now));
        if let Some(position) = position {
            self.records[position] = record;
        } else {
            self.positions.insert(claim.partition_id().to_owned(), self.records.len());
            self.records.push(record);
        }
        Some(etag)
    }

    /// How many unexpired records each owner has.
    pub(crate) fn counts(
        &self,
        options: &OwnershipOptions,
        now: Duration,
    ) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            let age = record.age(Self::server_time(now)).unwrap();
            if let Some(owner) = record.owner_id().filter(|_| age <= options.expiration()) {
                *counts.entry(owner).or_default() += 1;
            }
        }
        counts
    }
}

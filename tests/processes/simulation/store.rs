//! A store of ownership records with the conditional writes and the clock of the real service.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::{ConsumerGroup, ETag, PartitionOwnership};

pub(crate) struct Store {
    pub(crate) group: ConsumerGroup,
    pub(crate) partition_ids: Vec<String>,
    /// Sorted by partition, as the service lists them. A listing on its way to a consumer shares them.
    pub(crate) records: Rc<Vec<PartitionOwnership>>,
    version: u64,
}

impl Store {
    pub(crate) fn new(partitions: usize) -> Self {
        Self {
            group: ConsumerGroup::new("contoso.servicebus.windows.net", "hub", "$Default").unwrap(),
            partition_ids: (0..partitions).map(|id| id.to_string()).collect(),
            records: Rc::default(),
            version: 0,
        }
    }

    /// `Date` and `Last-Modified` have whole seconds only.
    pub(crate) fn server_time(now: Duration) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + now.as_secs())
    }

    pub(crate) fn record(&self, partition_id: &str) -> Option<&PartitionOwnership> {
        self.position(partition_id).ok().map(|position| &self.records[position])
    }

    /// Where the record is, or where it belongs.
    fn position(&self, partition_id: &str) -> Result<usize, usize> {
        self.records.binary_search_by(|record| record.partition_id().cmp(partition_id))
    }

    /// `If-None-Match: *` without an `ETag`, else `If-Match`. The new version if the condition was met.
    pub(crate) fn write(&mut self, claim: &PartitionOwnership, now: Duration) -> Option<ETag> {
        let position = self.position(claim.partition_id());
        let stored = position.ok().and_then(|position| self.records[position].etag());
        if stored != claim.etag() {
            return None;
        }
        self.version += 1;
        let etag = ETag::new(format!("0x{:X}", self.version)).unwrap();
        let record =
            claim.clone().with_etag(etag.clone()).with_last_modified(Self::server_time(now));
        let records = Rc::make_mut(&mut self.records);
        match position {
            Ok(position) => records[position] = record,
            Err(position) => records.insert(position, record),
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
        for record in self.records.iter() {
            let age = record.age(Self::server_time(now)).unwrap();
            if let Some(owner) = record.owner_id().filter(|_| age <= options.expiration()) {
                *counts.entry(owner).or_default() += 1;
            }
        }
        counts
    }
}

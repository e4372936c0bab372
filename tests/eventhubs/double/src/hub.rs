//! The state that all connections share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::counters::{Counter, Level};
use crate::faults::Faults;
use crate::log::{PartitionLog, now_millis};
use crate::seats::Seats;
use crate::{Config, Counters};

#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) name: String,
    pub(crate) created_millis: i64,
    pub(crate) settle_delay: Duration,
    pub(crate) in_flight: usize,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) faults: Faults,
    /// The tokens that were put, in their order: audience and text.
    pub(crate) tokens: Mutex<Vec<(String, String)>>,
    pub(crate) counts: Counts,
    /// How many messages have come without a partition or a key.
    turn: AtomicUsize,
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) id: String,
    pub(crate) log: PartitionLog,
    pub(crate) opened: Counter,
    pub(crate) delivered: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: Counter,
    pub(crate) put_tokens: Counter,
    pub(crate) management_requests: Counter,
    pub(crate) management_level: Level,
    pub(crate) opened_links: Counter,
    pub(crate) stolen_links: Counter,
    pub(crate) refused_links: Counter,
}

impl Hub {
    pub(crate) fn new(config: Config) -> Self {
        let partition = |id: usize| Partition {
            id: id.to_string(),
            log: PartitionLog::new(config.offset_style),
            opened: Counter::default(),
            delivered: Counter::default(),
        };
        Self {
            created_millis: now_millis(),
            settle_delay: config.settle_delay,
            in_flight: config.in_flight,
            partitions: (0..config.partitions).map(partition).collect(),
            seats: Arc::default(),
            faults: Faults::default(),
            tokens: Mutex::default(),
            counts: Counts::default(),
            turn: AtomicUsize::default(),
            name: config.eventhub_name,
        }
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn partition(&self, id: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.id == id)
    }

    /// Where an event goes: to the partition that is asked for, to that of its key, or to the next one in turn.
    pub(crate) fn partition_for(&self, id: Option<&str>, key: Option<&str>) -> &Partition {
        if let Some(partition) = id.and_then(|id| self.partition(id)) {
            return partition;
        }
        let index = match key {
            // The service's own hash is not public; any that is stable does.
            Some(key) => key.bytes().fold(5381, |hash: usize, byte| {
                hash.wrapping_mul(33).wrapping_add(usize::from(byte))
            }),
            None => self.turn.fetch_add(1, Ordering::Relaxed),
        };
        &self.partitions[index % self.partitions.len()]
    }

    pub(crate) fn counters(&self) -> Counters {
        let by_partition = |count: fn(&Partition) -> &Counter| {
            let counted = |partition: &Partition| (partition.id.clone(), count(partition).get());
            self.partitions.iter().map(counted).collect()
        };
        Counters {
            connections: self.counts.connections.get(),
            put_tokens: self.counts.put_tokens.get(),
            management_requests: self.counts.management_requests.get(),
            most_management_requests: self.counts.management_level.most(),
            opened_links: self.counts.opened_links.get(),
            opened_by_partition: by_partition(|partition| &partition.opened),
            stolen_links: self.counts.stolen_links.get(),
            refused_links: self.counts.refused_links.get(),
            delivered: by_partition(|partition| &partition.delivered),
        }
    }
}

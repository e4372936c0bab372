//! A source whose events come as time passes, the same in all processes, and a store that notes when claims begin.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};
use eventhub_checkpointstore::{
    Checkpoint, CheckpointUpdate, Claims, Clock, ConsumerGroup, Listing, PartitionOwnership,
    Relinquished, Result,
};

use super::super::ledger::{Ledger, What};
use super::super::orders::{FlowOrders, PARTITIONS, PERIOD, group, now};
use super::subject::{CheckpointStore, EventSource, FencedCheckpointStore, PartitionReader};
use super::{maybe_async, pause};

/// How far apart offsets are.
const OFFSET_STEP: i64 = 48;
const LOOK: Duration = Duration::from_millis(20);

pub struct Flow {
    group: ConsumerGroup,
    orders: FlowOrders,
    ledger: Arc<Ledger>,
    opened: AtomicUsize,
}

impl Flow {
    pub fn new(orders: &FlowOrders, ledger: Arc<Ledger>) -> Self {
        Self { group: group(), orders: orders.clone(), ledger, opened: AtomicUsize::new(0) }
    }
}

pub struct Reader {
    /// Whoever opens a partition puts its name there, which ends the link of the one before.
    seat: PathBuf,
    name: String,
    began: u64,
    next: i64,
}

impl Reader {
    fn published(&self) -> i64 {
        let elapsed = now().saturating_sub(self.began);
        i64::try_from(elapsed / u64::try_from(PERIOD.as_millis()).unwrap()).unwrap()
    }
}

fn first_number(position: &StartingPosition) -> i64 {
    match position {
        StartingPosition::Earliest => 0,
        StartingPosition::Offset { offset, inclusive: false } => {
            offset.parse::<i64>().unwrap() / OFFSET_STEP + 1
        }
        other => panic!("{other:?}: checkpoints have offsets"),
    }
}

#[maybe_async]
impl EventSource for Flow {
    fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    async fn properties(&self) -> Result<EventHubProperties> {
        let ids = (0..PARTITIONS).map(|id| id.to_string()).collect();
        Ok(EventHubProperties::new("Flow", UNIX_EPOCH, ids))
    }

    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        let last = LastEnqueued::new(0, None, UNIX_EPOCH);
        Ok(PartitionProperties::new(partition_id, 0, last, false))
    }

    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>> {
        let FlowOrders { instance, folder, began, .. } = &self.orders;
        let count = self.opened.fetch_add(1, Ordering::Relaxed);
        let seat = folder.join(format!("seat-{}.txt", request.partition_id));
        let (name, next) = (format!("{instance} {count}"), first_number(&request.position));
        // By a rename, so that nobody reads half of it.
        let draft = folder.join(format!("seat-{}-{instance}.txt", request.partition_id));
        fs::write(&draft, &name).unwrap();
        fs::rename(&draft, &seat).unwrap();
        self.ledger.note(What::Open, &request.partition_id, next);
        Ok(Box::new(Reader { seat, name, began: *began, next }))
    }
}

#[maybe_async]
impl PartitionReader for Reader {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd> {
        let until = Instant::now() + wait;
        loop {
            let seated = fs::read_to_string(&self.seat).unwrap();
            if seated != self.name {
                return Err(ReadEnd::Displaced(format!("{seated} reads")));
            }
            let published = self.published();
            if self.next < published {
                let end = published.min(self.next + i64::try_from(max).unwrap());
                for number in self.next..end {
                    let event = ReceivedEvent::new(number, "an event");
                    events.push(event.with_offset((number * OFFSET_STEP).to_string()));
                }
                self.next = end;
                return Ok(());
            }
            if Instant::now() >= until {
                return Ok(());
            }
            pause(LOOK).await;
        }
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

pub struct Watched {
    pub store: FencedCheckpointStore,
    pub ledger: Arc<Ledger>,
}

#[maybe_async]
impl CheckpointStore for Watched {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>> {
        self.store.list_ownership(group).await
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        for ownership in ownerships {
            self.ledger.note(What::Try, ownership.partition_id(), 0);
        }
        self.store.claim_ownership(ownerships).await
    }

    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        self.store.relinquish_ownership(ownerships).await
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        self.store.list_checkpoints(group).await
    }

    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        self.store.get_checkpoint(group, partition_id).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        self.store.update_checkpoint(checkpoint).await
    }

    fn resume_from(&self, checkpoint: &Checkpoint) {
        self.store.resume_from(checkpoint);
    }

    fn clock(&self) -> &dyn Clock {
        CheckpointStore::clock(&self.store)
    }
}

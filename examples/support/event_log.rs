//! An event hub in a file: what visitors of a web shop did on one morning.

use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, Result};

use super::settings::{BATCH, CHECKPOINT_EVERY};

/// `time,session,action,item,cents`, one event per line.
const CLICKSTREAM: &str = include_str!("../data/clickstream.csv");

const PARTITIONS: usize = 8;

/// An event as a consumer receives it.
pub(crate) struct Event {
    pub(crate) partition_id: String,
    pub(crate) sequence_number: i64,
    pub(crate) offset: String,
}

/// The partitions of the event hub, each with its events in order.
pub(crate) struct EventLog {
    partitions: Vec<Vec<Event>>,
}

impl EventLog {
    /// Spreads the events by their session, so that all of a session are in one partition.
    pub(crate) fn read() -> Self {
        let mut partitions: Vec<Vec<Event>> = Vec::new();
        partitions.resize_with(PARTITIONS, Vec::new);
        let mut sizes = [0; PARTITIONS];
        for line in CLICKSTREAM.lines().skip(1) {
            let session = line.split(',').nth(1).unwrap_or_default();
            let index = partition_of(session);
            let sequence_number = i64::try_from(partitions[index].len()).unwrap_or(i64::MAX);
            partitions[index].push(Event {
                partition_id: index.to_string(),
                sequence_number,
                offset: sizes[index].to_string(),
            });
            sizes[index] += line.len();
        }
        Self { partitions }
    }

    pub(crate) fn partition_ids() -> Vec<String> {
        (0..PARTITIONS).map(|index| index.to_string()).collect()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.partitions.iter().flatten()
    }

    fn partition(&self, partition_id: &str) -> &[Event] {
        let index = partition_id.parse::<usize>().ok();
        index.and_then(|index| self.partitions.get(index)).map_or(&[], Vec::as_slice)
    }

    /// Whether the checkpoints of all partitions are at the last event.
    pub(crate) fn is_processed<'a>(
        &self,
        checkpoints: impl IntoIterator<Item = &'a Checkpoint>,
    ) -> bool {
        let at_end = checkpoints.into_iter().filter(|checkpoint| {
            let start = StartingPosition::after(checkpoint).unwrap_or_default();
            PartitionReader::new(self, checkpoint.partition_id(), &start).is_at_end()
        });
        at_end.count() == PARTITIONS
    }
}

/// FNV-1a; Event Hubs hashes partition keys in a way of its own.
fn partition_of(key: &str) -> usize {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % PARTITIONS as u64).unwrap_or_default()
}

/// The events of one partition from a position on.
pub(crate) struct PartitionReader<'a> {
    events: &'a [Event],
    /// How many are read and how many of these have a checkpoint behind them.
    read: usize,
    stored: usize,
}

impl<'a> PartitionReader<'a> {
    /// Begins where the manager says. These consumers configure no start, so it is behind a checkpoint or at the first
    /// event.
    pub(crate) fn new(log: &'a EventLog, partition_id: &str, start: &StartingPosition) -> Self {
        let events = log.partition(partition_id);
        let read = match start {
            StartingPosition::Offset { offset, .. } => {
                events.iter().position(|event| event.offset == *offset).map_or(0, |last| last + 1)
            }
            _ => 0,
        };
        Self { events, read, stored: read }
    }

    pub(crate) fn next_batch(&mut self) -> &'a [Event] {
        let end = self.events.len().min(self.read + BATCH);
        let batch = &self.events[self.read..end];
        self.read = end;
        batch
    }

    /// The checkpoint to store now, if enough events came since the last one or no more will.
    pub(crate) fn due_checkpoint(&self, group: &ConsumerGroup) -> Result<Option<Checkpoint>> {
        let since = self.read - self.stored;
        let due = since >= CHECKPOINT_EVERY || (since > 0 && self.is_at_end());
        let Some(last) = self.events[..self.read].last().filter(|_| due) else {
            return Ok(None);
        };
        let checkpoint =
            Checkpoint::new(group, &*last.partition_id, &*last.offset, last.sequence_number)?;
        Ok(Some(checkpoint))
    }

    pub(crate) fn mark_stored(&mut self) {
        self.stored = self.read;
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.read == self.events.len()
    }
}

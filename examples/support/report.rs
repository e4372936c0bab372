//! Prints what a consumer does.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use eventhub_checkpointstore::Checkpoint;
use eventhub_checkpointstore::processing::{CheckpointOutcome, Observer, ReceivedEvent};

/// Prints each checkpoint, and where each partition begins.
pub(crate) struct Report {
    name: &'static str,
    opened: Mutex<HashSet<String>>,
}

impl Report {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, opened: Mutex::default() }
    }

    /// Tells the first event of each partition that was opened.
    pub(crate) fn event(&self, partition_id: &str, event: &ReceivedEvent) {
        let mut opened = self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if opened.remove(partition_id) {
            match event.sequence_number() {
                0 => println!("{}: started partition {partition_id}", self.name),
                next => println!(
                    "{}: resumed partition {partition_id} at sequence number {}",
                    self.name,
                    next - 1
                ),
            }
        }
    }
}

impl Observer for Report {
    fn opened(&self, partition_id: &str) {
        let mut opened = self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        opened.insert(partition_id.to_owned());
    }

    fn checkpoint(&self, checkpoint: &Checkpoint, _: Duration, outcome: &CheckpointOutcome<'_>) {
        let (id, number) = (checkpoint.partition_id(), checkpoint.sequence_number());
        if let (CheckpointOutcome::Written, Some(number)) = (outcome, number) {
            println!("{}: checkpoint of partition {id} at sequence number {number}", self.name);
        }
    }
}

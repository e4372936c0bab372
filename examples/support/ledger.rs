//! What was processed, for the proof at the end.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eventhub_checkpointstore::Checkpoint;

/// How often each event was processed, by partition and sequence number: in memory, and in a file that outlives the
/// process if there is one.
pub(crate) struct Ledger {
    events: usize,
    counts: Mutex<HashMap<(String, i64), usize>>,
    file: Option<File>,
}

impl Ledger {
    /// Goes on with the file, one line `partition,sequence number` for each processed event. Without one, what the
    /// checkpoints say counts as processed by earlier runs.
    pub(crate) fn open<'a>(
        events: usize,
        file: Option<&Path>,
        checkpoints: impl IntoIterator<Item = &'a Checkpoint>,
    ) -> io::Result<Self> {
        let mut counts = HashMap::new();
        if let Some(path) = file {
            let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
            for (partition_id, number) in text.lines().filter_map(|line| line.split_once(',')) {
                let number = number.parse().map_err(io::Error::other)?;
                *counts.entry((partition_id.to_owned(), number)).or_default() += 1;
            }
        } else {
            for checkpoint in checkpoints {
                let last = checkpoint.sequence_number().unwrap_or(-1);
                let id = checkpoint.partition_id();
                counts.extend((0..=last).map(|number| ((id.to_owned(), number), 1)));
            }
        }
        let append = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { events, counts: Mutex::new(counts), file: file.map(append).transpose()? })
    }

    /// Processes an event. An error here means: again.
    pub(crate) fn process(&self, partition_id: &str, number: i64) -> io::Result<()> {
        if let Some(mut file) = self.file.as_ref() {
            // One write per line: what was written stays written, however the process ends.
            file.write_all(format!("{partition_id},{number}\n").as_bytes())?;
        }
        *self.lock().entry((partition_id.to_owned(), number)).or_default() += 1;
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.lock().len() == self.events
    }

    /// Says how often the events were processed.
    ///
    /// # Errors
    ///
    /// An event was not processed at all.
    pub(crate) fn prove(&self) -> io::Result<String> {
        let (all, counts) = (self.events, self.lock());
        if counts.len() < all {
            let missing = all - counts.len();
            return Err(io::Error::other(format!("{missing} of {all} events were not processed")));
        }
        let twice = counts.values().filter(|count| **count > 1).count();
        Ok(format!("all {all} events were processed at least once, {twice} of them more than once"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, i64), usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What was processed, for the proof at the end.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eventhub_checkpointstore::Checkpoint;

use super::event_log::{Event, EventLog};
use super::settings;

/// One line per processed event, `partition,sequence number`: in memory, or in a file that outlives the process.
pub(crate) struct Ledger {
    lines: Mutex<String>,
    file: Option<(PathBuf, File)>,
    /// Up to which sequence number each partition was processed before this run.
    before: HashMap<String, i64>,
}

impl Ledger {
    /// Goes on with the file that the command line names. Without one, what the checkpoints say counts as processed
    /// by earlier runs.
    pub(crate) fn open<'a>(
        checkpoints: impl IntoIterator<Item = &'a Checkpoint>,
    ) -> io::Result<Self> {
        let file = match settings::ledger_file() {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(&path)?;
                Some((path, file))
            }
            None => None,
        };
        let position = |checkpoint: &Checkpoint| {
            Some((checkpoint.partition_id().to_owned(), checkpoint.sequence_number()?))
        };
        let before = match file {
            None => checkpoints.into_iter().filter_map(position).collect(),
            Some(_) => HashMap::new(),
        };
        Ok(Self { lines: Mutex::default(), file, before })
    }

    /// Processes an event. A checkpoint may only be stored after this, or a crash in between would lose the event.
    pub(crate) fn process(&self, event: &Event) -> io::Result<()> {
        let line = format!("{},{}\n", event.partition_id, event.sequence_number);
        if let Some((_, file)) = &self.file {
            // One write per line: what was written stays written, however the process ends.
            return (&*file).write_all(line.as_bytes());
        }
        self.lock().push_str(&line);
        Ok(())
    }

    /// Says how often the events were processed.
    ///
    /// # Errors
    ///
    /// An event was not processed at all, or the file is not readable.
    pub(crate) fn prove(&self, log: &EventLog) -> io::Result<String> {
        let lines = match &self.file {
            Some((path, _)) => std::fs::read_to_string(path)?,
            None => self.lock().clone(),
        };
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for line in lines.lines() {
            *counts.entry(line).or_default() += 1;
        }
        let (mut all, mut missing, mut twice, mut earlier) = (0, 0, 0, 0);
        for event in log.events() {
            let line = format!("{},{}", event.partition_id, event.sequence_number);
            let done = self.before.get(&event.partition_id);
            let is_earlier = done.is_some_and(|done| event.sequence_number <= *done);
            let count = counts.get(&*line).copied().unwrap_or_default() + usize::from(is_earlier);
            all += 1;
            earlier += usize::from(is_earlier);
            missing += usize::from(count == 0);
            twice += usize::from(count > 1);
        }
        if missing > 0 {
            return Err(io::Error::other(format!("{missing} of {all} events were not processed")));
        }
        let earlier = match earlier {
            0 => String::new(),
            count => format!(" ({count} of them before this run, as the checkpoints say)"),
        };
        Ok(format!(
            "all {all} events were processed at least once{earlier}, {twice} of them more than once"
        ))
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

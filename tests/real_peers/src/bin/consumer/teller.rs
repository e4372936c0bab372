//! Says what happens, and when a checkpoint is due.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use eventhub_checkpointstore::processing::{CloseReason, LossCause, ReceivedEvent};
use serde_json::{Value, json};

use super::options::Options;
use super::words;

pub struct Teller {
    every: u64,
    expect: Option<usize>,
    of_partitions: Mutex<HashMap<String, u64>>,
    of_all: Mutex<(usize, Option<Instant>)>,
}

impl Teller {
    pub fn new(options: &Options) -> Self {
        let (every, expect) = (options.checkpoint_every, options.expect);
        Self { every, expect, of_partitions: Mutex::default(), of_all: Mutex::default() }
    }

    /// Counts events. Reports the seconds once as many as expected have come.
    pub fn count(&self, events: usize) {
        let mut of_all = self.of_all.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, began) = &mut *of_all;
        let began = *began.get_or_insert_with(Instant::now);
        let before = *all;
        *all += events;
        if self.expect.is_some_and(|expected| before < expected && expected <= *all) {
            say(&json!({ "seconds": began.elapsed().as_secs_f64() }));
        }
    }

    /// Returns whether a checkpoint is due.
    pub fn received(&self, partition: &str, event: &ReceivedEvent) -> bool {
        let mut counts = self.of_partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match counts.get_mut(partition) {
            Some(count) => count,
            None => counts.entry(partition.to_owned()).or_default(),
        };
        *count += 1;
        let is_due = self.every > 0 && count.is_multiple_of(self.every);
        drop(counts);
        say(&json!({ "event": words::described(event), "partition": partition }));
        is_due
    }

    pub fn initialized(&self, partition: &str) {
        say(&json!({ "initialized": true, "partition": partition }));
    }

    pub fn closed(&self, partition: &str, reason: &CloseReason) {
        let word = match reason {
            CloseReason::Stopped => "Stopped",
            CloseReason::Lost(LossCause::Displaced) => "Displaced",
            CloseReason::Lost(LossCause::Taken) => "Taken",
            CloseReason::Lost(LossCause::Lapsed) => "Lapsed",
            CloseReason::Stale => "Stale",
            _ => "Other",
        };
        say(&json!({ "closed": word, "partition": partition, "text": reason.to_string() }));
    }

    pub fn failed(&self, partition: Option<&str>, error: &dyn std::error::Error) {
        say(&json!({ "error": error.to_string(), "partition": partition }));
    }

    pub fn end(&self) {
        say(&json!({ "stopped": true }));
    }
}

fn say(message: &Value) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{message}").and_then(|()| stdout.flush()).expect("somebody reads");
}

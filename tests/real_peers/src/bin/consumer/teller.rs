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
    expect: Option<u64>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    of: HashMap<String, u64>,
    all: u64,
    began: Option<Instant>,
}

impl Teller {
    pub fn new(options: &Options) -> Self {
        Self { every: options.checkpoint_every, expect: options.expect, counts: Mutex::default() }
    }

    /// Returns whether a checkpoint is due.
    pub fn received(&self, partition: &str, event: &ReceivedEvent) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all += 1;
        let began = *counts.began.get_or_insert_with(Instant::now);
        if let Some(expected) = self.expect {
            if counts.all == expected {
                say(&json!({ "seconds": began.elapsed().as_secs_f64() }));
            }
            return false;
        }
        let count = match counts.of.get_mut(partition) {
            Some(count) => count,
            None => counts.of.entry(partition.to_owned()).or_default(),
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

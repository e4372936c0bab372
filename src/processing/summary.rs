//! The summary of a consumer's run.

use std::fmt;

/// What a consumer did between its start and its stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Events whose handler returned `Ok`, and dead letters.
    pub events: usize,
    /// Checkpoints that were written.
    pub checkpoints: usize,
    /// Events that the dead letter sink took.
    pub dead_lettered: usize,
    /// Partitions that were relinquished at the stop, so that other consumers take them at once.
    pub relinquished: usize,
    /// Partitions whose last position is not stored: there was no time, the partition was lost during the stop, or a later
    /// checkpoint is stored. Their next owner processes some events again.
    pub unsaved: Vec<String>,
    /// Partitions whose handler had not returned when the shutdown timeout ended.
    pub unfinished: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, checkpoints, dead_lettered, relinquished, unsaved, unfinished } = self;
        write!(
            f,
            "{events} events, {checkpoints} checkpoints, {relinquished} partitions relinquished"
        )?;
        if *dead_lettered > 0 {
            write!(f, ", {dead_lettered} dead letters")?;
        }
        for (text, partitions) in [("not saved", unsaved), ("not finished", unfinished)] {
            if !partitions.is_empty() {
                write!(f, ", {text}: {}", partitions.join(", "))?;
            }
        }
        Ok(())
    }
}

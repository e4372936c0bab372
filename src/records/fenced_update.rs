//! A fenced update as a state machine: whether a checkpoint may replace the stored one, and which request decides it.

use log::{debug, warn};

use super::version_cache::{Known, Moment, VersionCache};
use crate::container::BlobWritten;
use crate::error::{Applied, ErrorKind, Result};
use crate::model::{Checkpoint, CheckpointUpdate, ETag, UpdateOutcome};
use crate::records::stored::StoredCheckpoint;

const LOG: &str = "eventhub_checkpointstore";

/// Each lost race means that another writer has made progress, so an update rarely loses two. Only a container that breaks
/// its contract reaches this limit.
const MAX_RACES: u32 = 100;

/// The next step.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// Read the blob with this name, then call [`FencedUpdate::read`].
    Read(&'a str),
    /// Replace exactly this version, or create the blob, then call [`FencedUpdate::written`].
    Write(Option<ETag>),
    /// The update has ended.
    Done(Result<CheckpointUpdate>),
}

/// An update in progress.
#[derive(Debug)]
pub(crate) struct FencedUpdate<'a> {
    cache: &'a VersionCache,
    checkpoint: &'a Checkpoint,
    /// The name to write, followed by the name under the other naming if that is also read.
    names: &'a [String],
    occasion: Occasion,
    /// The index of the name that is being read.
    place: usize,
    /// The version of a blob under the written name that is not readable as a checkpoint.
    unreadable: Option<ETag>,
    /// Whether the current write replaces a version.
    replaces: bool,
    /// When the current request began.
    began: Moment,
    races: u32,
    /// Whether an earlier write of this update may have been applied, regardless of the next one.
    applied: Applied,
}

/// Why the store is read before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Nothing is known, or the known position is ahead of the new one.
    BeforeWrite,
    /// The response to an earlier write of ours was lost. Any version other than that write or its predecessor comes from
    /// another writer.
    AfterLoss,
    /// Another writer was first.
    Conflict,
}

/// How a stored checkpoint compares with the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// It is the same position.
    Same,
    /// It may be replaced; this is its version.
    Behind,
    /// Its sequence number is higher.
    Ahead,
    /// The order is unknown, and another writer was first.
    Unknown,
}

impl<'a> FencedUpdate<'a> {
    pub(crate) fn new(
        cache: &'a VersionCache,
        checkpoint: &'a Checkpoint,
        names: &'a [String],
    ) -> (Self, Step<'a>) {
        let mut update = Self {
            cache,
            checkpoint,
            names,
            occasion: Occasion::BeforeWrite,
            place: 0,
            unreadable: None,
            replaces: false,
            began: Moment::default(),
            races: 0,
            applied: Applied::No,
        };
        let first = match cache.begin_update(update.own_name()) {
            // That write may have replaced the known version.
            _ if cache.has_lost(update.own_name()) => update.look(Occasion::AfterLoss),
            Some(known) if known.may_precede(checkpoint) => update.write(Some(known.etag)),
            Some(known) if !known.is_ours => update.look(Occasion::Conflict),
            _ => update.look(Occasion::BeforeWrite),
        };
        (update, first)
    }

    /// Applies the result of a read: the blob, if there is one.
    pub(crate) fn read(&mut self, result: Result<Option<StoredCheckpoint>>) -> Step<'a> {
        let stored = match result {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                if self.place == 0 {
                    self.cache.note_stored(self.own_name(), None);
                }
                return self.read_next();
            }
            Err(error) => return Step::Done(Err(error.with_earlier(self.applied))),
        };
        match stored.checkpoint() {
            Some(found) if self.place == 0 => self.continue_from_own(found, stored.etag.clone()),
            Some(found) => self.continue_from_foreign(found),
            None => {
                // Reads then fall back to the other naming if configured, so its position counts.
                if self.place == 0 {
                    self.unreadable = Some(stored.etag);
                }
                self.read_next()
            }
        }
    }

    /// Applies the result of a write.
    pub(crate) fn written(&mut self, result: Result<BlobWritten>) -> Step<'a> {
        let error = match result {
            Ok(written) => return self.done(written),
            Err(error) => error,
        };
        if error.is_outcome_unknown() {
            self.cache.lost(self.own_name(), self.began);
        } else {
            self.cache.refused(self.own_name(), self.began);
        }
        self.applied = self.applied.or(error.applied());
        self.races += 1;
        match error.kind() {
            _ if self.races == MAX_RACES => {}
            // The checkpoint was deleted, so no position could be moved backwards, except one under the other naming.
            ErrorKind::BlobNotFound if self.replaces && self.names.len() == 1 => {
                return self.write(None);
            }
            ErrorKind::BlobNotFound if self.replaces => return self.look(Occasion::BeforeWrite),
            ErrorKind::ConditionNotMet => return self.look(Occasion::Conflict),
            _ => {}
        }
        Step::Done(Err(error.with_earlier(self.applied)))
    }

    fn own_name(&self) -> &'a str {
        self.names.first().map(String::as_str).unwrap_or_default()
    }

    fn look(&mut self, occasion: Occasion) -> Step<'a> {
        (self.occasion, self.place, self.unreadable) = (occasion, 0, None);
        self.began = self.cache.begin_read();
        Step::Read(self.own_name())
    }

    fn read_next(&mut self) -> Step<'a> {
        self.place += 1;
        if let Some(name) = self.names.get(self.place) {
            self.began = self.cache.begin_read();
            return Step::Read(name);
        }
        let version = self.unreadable.take();
        self.write(version)
    }

    fn write(&mut self, version: Option<ETag>) -> Step<'a> {
        self.began = self.cache.begin_write(self.own_name(), self.checkpoint, version.clone());
        self.replaces = version.is_some();
        Step::Write(version)
    }

    fn done(&self, written: BlobWritten) -> Step<'a> {
        let known = Known::ours(written.etag.clone(), self.checkpoint.sequence_number());
        self.cache.written(self.own_name(), self.began, known);
        let mut update = CheckpointUpdate::new(UpdateOutcome::Written);
        (update.etag, update.last_modified) = (Some(written.etag), written.last_modified);
        Step::Done(Ok(update))
    }

    fn continue_from_own(&mut self, found: &Checkpoint, etag: ETag) -> Step<'a> {
        let known = self.cache.get(self.own_name());
        // Our own write whose response was lost does not come from another writer.
        let may_be_ours = self.cache.has_unknown_outcome(self.own_name(), found);
        self.cache.note_stored(self.own_name(), Some(&etag));
        let is_known = known.as_ref().is_some_and(|known| known.is_ours && known.etag == etag);
        let occasion = match self.occasion {
            _ if may_be_ours => Occasion::BeforeWrite,
            Occasion::AfterLoss if !is_known => Occasion::Conflict,
            occasion => occasion,
        };
        let outcome = match compare(found, self.checkpoint, occasion) {
            Comparison::Behind => {
                if known.is_none() || may_be_ours {
                    // This store continues from it, even if the write fails.
                    let found = Known::ours(etag.clone(), found.sequence_number());
                    self.cache.end_read(self.own_name(), self.began, Some(found));
                }
                return self.write(Some(etag));
            }
            Comparison::Same => UpdateOutcome::Written,
            Comparison::Ahead if is_known || may_be_ours => UpdateOutcome::OutOfOrder,
            Comparison::Ahead | Comparison::Unknown => UpdateOutcome::Stale,
        };
        self.log_refused(found, outcome, known.is_some());
        let is_ours = outcome != UpdateOutcome::Stale;
        // Another writer's version is remembered as such. Without sequence numbers, later updates never replace it.
        let known = if is_ours { Known::ours } else { Known::of_another };
        let known = known(etag.clone(), found.sequence_number());
        self.cache.end_read(self.own_name(), self.began, Some(known));
        let mut update = CheckpointUpdate::new(outcome);
        (update.etag, update.last_modified) = (Some(etag), found.last_modified());
        Step::Done(Ok(update))
    }

    /// Nothing is ever stored under the other naming, but a position there that is ahead counts.
    fn continue_from_foreign(&mut self, found: &Checkpoint) -> Step<'a> {
        match compare(found, self.checkpoint, self.occasion) {
            Comparison::Behind | Comparison::Same => {
                let version = self.unreadable.take();
                self.write(version)
            }
            Comparison::Ahead | Comparison::Unknown => {
                self.log_ahead_elsewhere(found);
                Step::Done(Ok(CheckpointUpdate::new(UpdateOutcome::Stale)))
            }
        }
    }

    /// Logs the outcome. Progress of another writer is expected when partitions change owners. A position that is ahead
    /// although no other writer stored it is not: until someone resets the checkpoint, no update is stored.
    fn log_refused(&self, found: &Checkpoint, outcome: UpdateOutcome, was_known: bool) {
        let (stored, new) = (found.sequence_number(), self.checkpoint.sequence_number());
        let (Some(stored), Some(new)) = (stored, new) else {
            if outcome == UpdateOutcome::Stale {
                debug!(target: LOG, "checkpoint {:?} is stale: another writer was first", self.own_name());
            }
            return;
        };
        let is_expected = outcome == UpdateOutcome::Stale && was_known;
        if outcome == UpdateOutcome::Written {
        } else if is_expected || !self.cache.warns_first(self.own_name()) {
            debug!(target: LOG, "checkpoint {:?} is not stored: sequence number {stored} is stored, which is above {new}", self.own_name());
        } else {
            warn!(target: LOG, "checkpoint {:?}: sequence number {new} does not replace {stored}, although no other writer was \
                seen; if the event hub was recreated or failed over, its sequence numbers restarted: reset or delete the \
                checkpoints", self.own_name());
        }
    }
}

impl FencedUpdate<'_> {
    /// Logs a position under the other naming that is ahead. Until someone resets the checkpoint, no update is stored.
    fn log_ahead_elsewhere(&self, found: &Checkpoint) {
        let (stored, new) = (found.sequence_number(), self.checkpoint.sequence_number());
        let (own, other) = (self.own_name(), self.names.get(self.place).map_or("", String::as_str));
        match (stored, new) {
            (Some(stored), Some(new)) if self.cache.warns_first(own) => {
                warn!(target: LOG, "checkpoint {own:?}: sequence number {new} is not stored, because {stored} is stored as \
                    {other:?}, under the other spelling of the names; if no consumer writes there and the event hub was \
                    created anew or failed over, its numbers begin again: reset the checkpoints, or delete those under the \
                    other spelling");
            }
            _ => {
                debug!(target: LOG, "checkpoint {own:?} is stale: another writer was first under {other:?}");
            }
        }
    }
}

impl Known {
    /// Returns whether the checkpoint may replace the known version without a read.
    fn may_precede(&self, checkpoint: &Checkpoint) -> bool {
        match (self.sequence_number(), checkpoint.sequence_number()) {
            (Some(stored), Some(new)) => stored <= new,
            _ => self.is_ours,
        }
    }
}

fn compare(found: &Checkpoint, checkpoint: &Checkpoint, occasion: Occasion) -> Comparison {
    if found.has_position_of(checkpoint) {
        return Comparison::Same;
    }
    match (found.sequence_number(), checkpoint.sequence_number()) {
        (Some(stored), Some(new)) if stored > new => Comparison::Ahead,
        (Some(_), Some(_)) => Comparison::Behind,
        // Offsets are opaque, so only the ETag decides: a writer that saw the last version may replace it.
        _ if occasion == Occasion::Conflict => Comparison::Unknown,
        _ => Comparison::Behind,
    }
}

#[cfg(test)]
mod tests;

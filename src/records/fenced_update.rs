//! A fenced update as a state machine: whether a checkpoint may replace the stored one, and which request decides it.

use log::{debug, warn};

use super::version_cache::{Known, Moment, VersionCache};
use crate::container::BlobWritten;
use crate::error::{ErrorKind, Result};
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
    /// /// The update has ended.
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
    in_doubt: bool,
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
enum Verdict {
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
            in_doubt: false,
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
                    self.cache.settle(self.own_name(), None);
                }
                return self.read_next();
            }
            Err(error) => return Step::Done(Err(error.with_outcome_unknown_if(self.in_doubt))),
        };
        match stored.checkpoint() {
            Some(found) if self.place == 0 => self.judge_own(found, stored.etag.clone()),
            Some(found) => self.judge_foreign(found),
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
        self.in_doubt |= error.is_outcome_unknown();
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
        Step::Done(Err(error.with_outcome_unknown_if(self.in_doubt)))
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

    fn judge_own(&mut self, found: &Checkpoint, etag: ETag) -> Step<'a> {
        let known = self.cache.get(self.own_name());
        // Our own write whose response was lost does not come from another writer.
        let is_in_doubt = self.cache.is_in_doubt(self.own_name(), found);
        self.cache.settle(self.own_name(), Some(&etag));
        let is_known = known.as_ref().is_some_and(|known| known.is_ours && known.etag == etag);
        let occasion = match self.occasion {
            _ if is_in_doubt => Occasion::BeforeWrite,
            Occasion::AfterLoss if !is_known => Occasion::Conflict,
            occasion => occasion,
        };
        let outcome = match judge(found, self.checkpoint, occasion) {
            Verdict::Behind => {
                if known.is_none() || is_in_doubt {
                    // This store continues from it, even if the write fails.
                    let found = Known::ours(etag.clone(), found.sequence_number());
                    self.cache.end_read(self.own_name(), self.began, Some(found));
                }
                return self.write(Some(etag));
            }
            Verdict::Same => UpdateOutcome::Written,
            Verdict::Ahead if is_known || is_in_doubt => UpdateOutcome::OutOfOrder,
            Verdict::Ahead | Verdict::Unknown => UpdateOutcome::Stale,
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
    fn judge_foreign(&mut self, found: &Checkpoint) -> Step<'a> {
        match judge(found, self.checkpoint, self.occasion) {
            Verdict::Behind | Verdict::Same => {
                let version = self.unreadable.take();
                self.write(version)
            }
            Verdict::Ahead | Verdict::Unknown => {
                self.log_refused(found, UpdateOutcome::Stale, true);
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
            debug!(target: LOG, "checkpoint {:?} is stale: sequence number {new}, and {stored} is stored", self.own_name());
        } else {
            warn!(target: LOG, "checkpoint {:?}: sequence number {new} is not stored over {stored}, and no other writer was \
                seen; if the event hub was created anew or failed over, its numbers begin again: reset or delete the \
                checkpoints", self.own_name());
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

fn judge(found: &Checkpoint, checkpoint: &Checkpoint, occasion: Occasion) -> Verdict {
    if found.has_position_of(checkpoint) {
        return Verdict::Same;
    }
    match (found.sequence_number(), checkpoint.sequence_number()) {
        (Some(stored), Some(new)) if stored > new => Verdict::Ahead,
        (Some(_), Some(_)) => Verdict::Behind,
        // Offsets are opaque, so only the ETag decides: a writer that saw the last version may replace it.
        _ if occasion == Occasion::Conflict => Verdict::Unknown,
        _ => Verdict::Behind,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::container::BlobProperties;
    use crate::error::Error;
    use crate::model::ConsumerGroup;

    fn group() -> ConsumerGroup {
        ConsumerGroup::new("ns", "hub", "g").unwrap()
    }

    fn stored(offset: &str, number: &str) -> StoredCheckpoint {
        let metadata = [("offset", offset), ("sequencenumber", number)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let properties = BlobProperties::new(ETag::new("0x1").unwrap(), metadata.into());
        StoredCheckpoint::from_properties(&group(), "0", properties)
    }

    fn new(offset: &str, number: Option<i64>) -> Checkpoint {
        Checkpoint::with_position(&group(), "0", Some(offset.to_owned()), number).unwrap()
    }

    fn judged(stored: &StoredCheckpoint, new: &Checkpoint, occasion: Occasion) -> Verdict {
        judge(stored.checkpoint().unwrap(), new, occasion)
    }

    #[test]
    fn numbers_decide_where_both_have_one() {
        for occasion in [Occasion::BeforeWrite, Occasion::Conflict] {
            let judged =
                |offset, number| judged(&stored("50", "5"), &new(offset, number), occasion);
            assert_eq!(judged("50", Some(5)), Verdict::Same);
            assert_eq!(judged("99", Some(4)), Verdict::Ahead);
            assert_eq!(judged("1", Some(6)), Verdict::Behind);
            // The same event with two notations of its offset, for example after geo-replication was enabled.
            assert_eq!(judged("2:-1:50", Some(5)), Verdict::Behind);
        }
    }

    #[test]
    fn without_numbers_whoever_was_first_wins() {
        for (stored, new) in [
            (stored("50", ""), new("60", Some(6))),
            (stored("50", "5"), new("60", None)),
            (stored("50", "x"), new("60", None)),
        ] {
            assert_eq!(judged(&stored, &new, Occasion::BeforeWrite), Verdict::Behind);
            assert_eq!(judged(&stored, &new, Occasion::Conflict), Verdict::Unknown);
        }
    }

    /// What the service does with a write.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fate {
        Applied,
        /// Applied, its response lost, and the retry of the container is refused by it.
        AppliedThenRefused,
        AppliedThenLost,
        /// No response; the write arrives late, or never.
        Held,
        Denied,
    }

    #[derive(Clone, Debug)]
    enum Action {
        /// The writer, the movement of its position, and the fate of its requests.
        Update {
            writer: usize,
            by: i64,
            fates: Vec<Fate>,
        },
        List {
            writer: usize,
        },
        TakeOver {
            writer: usize,
        },
        /// The oldest delayed write arrives.
        Arrive,
    }

    #[derive(Clone)]
    struct Stored {
        version: u64,
        checkpoint: Checkpoint,
        writer: usize,
    }

    struct World {
        with_numbers: bool,
        stored: Option<Stored>,
        writes: u64,
        caches: [VersionCache; 2],
        positions: [i64; 2],
        /// The last version that each writer knows from a takeover, a first read, or its own write.
        tied_to: [Option<u64>; 2],
        /// What each writer has sent. Without numbers, two writers at the same position cannot be distinguished.
        sent: [Vec<Checkpoint>; 2],
        held: Vec<(usize, Option<ETag>, Checkpoint)>,
    }

    const NAME: &str = "checkpoint/0";

    impl World {
        fn new(with_numbers: bool) -> Self {
            Self {
                with_numbers,
                stored: None,
                writes: 0,
                caches: Default::default(),
                positions: [0; 2],
                tied_to: [None; 2],
                sent: Default::default(),
                held: Vec::new(),
            }
        }

        fn current(&self) -> Option<ETag> {
            self.stored.as_ref().map(|stored| ETag::numbered(stored.version))
        }

        fn try_write(
            &mut self,
            writer: usize,
            version: Option<&ETag>,
            checkpoint: &Checkpoint,
        ) -> Result<BlobWritten> {
            if self.current().as_ref() != version {
                return Err(Error::new(ErrorKind::ConditionNotMet, ""));
            }
            if let Some(stored) = &self.stored {
                let order = stored.checkpoint.sequence_number() <= checkpoint.sequence_number();
                assert!(!self.with_numbers || order, "moved back: {stored:?} {checkpoint:?}");
                let was_known = stored.writer == writer
                    || self.tied_to[writer] == Some(stored.version)
                    || self.sent[writer].iter().any(|it| it.has_position_of(&stored.checkpoint));
                assert!(self.with_numbers || was_known, "a former owner wrote over another's");
            }
            self.writes += 1;
            let checkpoint = checkpoint.clone();
            self.stored = Some(Stored { version: self.writes, checkpoint, writer });
            Ok(BlobWritten::new(ETag::numbered(self.writes)))
        }

        fn write(
            &mut self,
            writer: usize,
            version: Option<&ETag>,
            checkpoint: &Checkpoint,
            fate: Fate,
        ) -> Result<BlobWritten> {
            let lost = || Error::new(ErrorKind::Timeout, "").with_outcome_unknown_if(true);
            match fate {
                Fate::Applied => self.try_write(writer, version, checkpoint),
                Fate::Denied => Err(Error::new(ErrorKind::AccessDenied, "")),
                Fate::AppliedThenLost => {
                    self.try_write(writer, version, checkpoint).and_then(|_| Err(lost()))
                }
                Fate::AppliedThenRefused => {
                    let _ = self.try_write(writer, version, checkpoint);
                    let again = self.try_write(writer, version, checkpoint);
                    again.map_err(|error| error.with_outcome_unknown_if(true))
                }
                Fate::Held => {
                    self.held.push((writer, version.cloned(), checkpoint.clone()));
                    Err(lost())
                }
            }
        }

        fn read(&self) -> Option<StoredCheckpoint> {
            let stored = self.stored.as_ref()?;
            let number = stored.checkpoint.sequence_number().map(|number| number.to_string());
            let metadata = vec![
                ("offset".to_owned(), stored.checkpoint.offset().unwrap().to_owned()),
                ("sequencenumber".to_owned(), number.unwrap_or_default()),
            ];
            let properties = BlobProperties::new(ETag::numbered(stored.version), metadata);
            Some(StoredCheckpoint::from_properties(&group(), "0", properties))
        }

        fn update(&mut self, writer: usize, by: i64, fates: &[Fate]) {
            let at = self.positions[writer] + by;
            let checkpoint = new(&at.to_string(), self.with_numbers.then_some(at));
            self.sent[writer].push(checkpoint.clone());
            let cache = std::mem::take(&mut self.caches[writer]);
            let names = [NAME.to_owned()];
            let nothing_known = cache.get(NAME).is_none();
            let (mut update, mut step) = FencedUpdate::new(&cache, &checkpoint, &names);
            let mut fates = fates.iter().copied().chain(std::iter::repeat(Fate::Applied));
            let before = self.writes;
            let result = loop {
                step = match step {
                    Step::Read(name) => {
                        assert_eq!(name, NAME);
                        if nothing_known && self.tied_to[writer].is_none() {
                            self.tied_to[writer] = self.stored.as_ref().map(|it| it.version);
                        }
                        update.read(Ok(self.read()))
                    }
                    Step::Write(version) => {
                        let fate = fates.next().unwrap();
                        let written = self.write(writer, version.as_ref(), &checkpoint, fate);
                        update.written(written)
                    }
                    Step::Done(result) => break result,
                };
            };
            self.caches[writer] = cache;
            self.check(writer, &checkpoint, result, self.writes > before);
            self.positions[writer] = self.positions[writer].max(at);
        }

        fn check(
            &self,
            writer: usize,
            checkpoint: &Checkpoint,
            result: Result<CheckpointUpdate>,
            was_applied: bool,
        ) {
            let stored = self.stored.as_ref();
            match result {
                Ok(update) => {
                    let stored = stored.expect("an outcome is about what is stored");
                    let is_same = stored.checkpoint.has_position_of(checkpoint);
                    match update.outcome {
                        UpdateOutcome::Written => {
                            assert!(is_same);
                            assert_eq!(update.etag, self.current());
                        }
                        UpdateOutcome::OutOfOrder => {
                            assert!(
                                self.with_numbers
                                    && stored.checkpoint.sequence_number()
                                        > checkpoint.sequence_number()
                            );
                        }
                        _ => assert!(!is_same && (self.with_numbers || stored.writer != writer)),
                    }
                }
                Err(error) => assert!(error.is_outcome_unknown() || !was_applied, "{error}"),
            }
        }

        fn act(&mut self, action: &Action) {
            match *action {
                Action::Update { writer, by, ref fates } => self.update(writer, by, fates),
                Action::List { writer } => {
                    let began = self.caches[writer].begin_read();
                    let known = self.known();
                    let before = self.caches[writer].get(NAME);
                    self.caches[writer].end_list(NAME, began, known);
                    if self.caches[writer].get(NAME) != before {
                        self.tied_to[writer] = self.stored.as_ref().map(|stored| stored.version);
                    }
                }
                Action::TakeOver { writer } => {
                    let began = self.caches[writer].begin_read();
                    self.caches[writer].end_read(NAME, began, self.known());
                    self.tied_to[writer] = self.stored.as_ref().map(|stored| stored.version);
                    let read =
                        self.stored.as_ref().map(|stored| stored.checkpoint.offset().unwrap());
                    self.positions[writer] = read.map_or(0, |offset| offset.parse().unwrap());
                }
                Action::Arrive => {
                    if !self.held.is_empty() {
                        let (writer, version, checkpoint) = self.held.remove(0);
                        let _ = self.try_write(writer, version.as_ref(), &checkpoint);
                    }
                }
            }
        }

        fn known(&self) -> Option<Known> {
            let stored = self.stored.as_ref()?;
            Some(Known::ours(ETag::numbered(stored.version), stored.checkpoint.sequence_number()))
        }
    }

    impl std::fmt::Debug for Stored {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} by {}", self.checkpoint.offset().unwrap_or_default(), self.writer)
        }
    }

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        let fate = prop_oneof![
            4 => Just(Fate::Applied),
            1 => Just(Fate::AppliedThenRefused),
            1 => Just(Fate::AppliedThenLost),
            1 => Just(Fate::Held),
            1 => Just(Fate::Denied),
        ];
        let fates = prop::collection::vec(fate, 0..3);
        let action = prop_oneof![
            6 => (0..2_usize, -1..3_i64, fates)
                .prop_map(|(writer, by, fates)| Action::Update { writer, by, fates }),
            1 => (0..2_usize).prop_map(|writer| Action::List { writer }),
            1 => (0..2_usize).prop_map(|writer| Action::TakeOver { writer }),
            1 => Just(Action::Arrive),
        ];
        prop::collection::vec(action, 1..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn whatever_happens_a_position_moves_forwards_and_outcomes_are_true(
            actions in actions(),
            with_numbers: bool,
        ) {
            let mut world = World::new(with_numbers);
            for action in &actions {
                world.act(action);
            }
        }
    }

    /// A single writer during an outage: it finds its own last write.
    #[test]
    fn after_many_unanswered_writes_the_only_writer_is_not_stale() {
        for with_numbers in [true, false] {
            let mut world = World::new(with_numbers);
            world.update(0, 1, &[]);
            for _ in 0..150 {
                world.update(0, 1, &[Fate::AppliedThenLost]);
                world.update(0, 1, &[Fate::Held]);
            }
            let last = world.positions[0];
            world.update(0, 1, &[]);
            let stored = world.stored.unwrap();
            assert_eq!(stored.checkpoint.offset(), Some((last + 1).to_string().as_str()));
        }
    }
}

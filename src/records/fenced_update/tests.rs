//! Fenced updates against a world that loses, repeats and delays.

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

fn compared(stored: &StoredCheckpoint, new: &Checkpoint, occasion: Occasion) -> Comparison {
    compare(stored.checkpoint().unwrap(), new, occasion)
}

#[test]
fn sequence_numbers_decide_if_both_have_one() {
    for occasion in [Occasion::BeforeWrite, Occasion::Conflict] {
        let compared =
            |offset, number| compared(&stored("50", "5"), &new(offset, number), occasion);
        assert_eq!(compared("50", Some(5)), Comparison::Same);
        assert_eq!(compared("99", Some(4)), Comparison::Ahead);
        assert_eq!(compared("1", Some(6)), Comparison::Behind);
        // The same event in two notations of its offset, as after geo-replication was switched on.
        assert_eq!(compared("2:-1:50", Some(5)), Comparison::Behind);
    }
}

#[test]
fn without_sequence_numbers_the_first_writer_wins() {
    for (stored, new) in [
        (stored("50", ""), new("60", Some(6))),
        (stored("50", "5"), new("60", None)),
        (stored("50", "x"), new("60", None)),
    ] {
        assert_eq!(compared(&stored, &new, Occasion::BeforeWrite), Comparison::Behind);
        assert_eq!(compared(&stored, &new, Occasion::Conflict), Comparison::Unknown);
    }
}

/// What the service does with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Applied,
    /// Applied, its response lost, and the retry of the container is refused by it.
    AppliedThenRefused,
    AppliedThenLost,
    /// Nothing is heard, and it arrives late, or never.
    Held,
    Denied,
}

#[derive(Clone, Debug)]
enum Action {
    /// Which writer, how far its position moves, and what becomes of its requests.
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
    /// The oldest held write arrives.
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
    /// The last version that each writer knows of by a takeover, a first read, or a write of its own.
    tied_to: [Option<u64>; 2],
    /// What each has sent: without numbers two writers at one position cannot be told apart.
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
        let lost = || Error::new(ErrorKind::Timeout, "").with_applied(Applied::Unknown);
        match fate {
            Fate::Applied => self.try_write(writer, version, checkpoint),
            Fate::Denied => Err(Error::new(ErrorKind::AccessDenied, "")),
            Fate::AppliedThenLost => {
                self.try_write(writer, version, checkpoint).and_then(|_| Err(lost()))
            }
            Fate::AppliedThenRefused => {
                let _ = self.try_write(writer, version, checkpoint);
                let again = self.try_write(writer, version, checkpoint);
                again.map_err(|error| error.with_applied(Applied::Unknown))
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
                let read = self.stored.as_ref().map(|stored| stored.checkpoint.offset().unwrap());
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
    fn positions_only_move_forward_and_outcomes_are_true(
        actions in actions(),
        with_numbers: bool,
    ) {
        let mut world = World::new(with_numbers);
        for action in &actions {
            world.act(action);
        }
    }
}

/// The only writer, in an outage: what it wrote last is what it finds.
#[test]
fn after_many_writes_without_a_response_the_only_writer_is_not_stale() {
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

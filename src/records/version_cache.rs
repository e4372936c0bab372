//! What was last known of the checkpoints behind a fence, in whichever order the answers come.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fenced_update::Known;
use crate::model::Checkpoint;

/// How many writes of a partition are remembered that have no answer yet: an outage must not fill the memory.
const MAX_IN_DOUBT: usize = 100;

/// What was last known of each partition, by the names of their blobs.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<State>);

/// When a request began; of two requests of one memory the later one has the later moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(u64);

#[derive(Debug, Default)]
struct State {
    now: Moment,
    blobs: HashMap<String, Blob>,
}

#[derive(Debug, Default)]
struct Blob {
    known: Option<Known>,
    /// A read that began before this moment may have seen less than is known.
    seen: Moment,
    /// When the write began that made the last version of ours.
    written: Moment,
    /// What may be stored: writes whose answers have yet to come, or were lost.
    in_doubt: Vec<(Moment, Checkpoint)>,
}

impl Memory {
    pub(crate) fn get(&self, name: &str) -> Option<Known> {
        self.lock().blobs.get(name)?.known.clone()
    }

    pub(crate) fn begin_read(&self) -> Moment {
        self.lock().tick()
    }

    /// Takes in what a read has found, unless more is known than there was when it began.
    pub(crate) fn end_read(&self, name: &str, began: Moment, found: Option<Known>) {
        let mut state = self.lock();
        let blob = state.blob(name);
        if blob.seen < began {
            (blob.seen, blob.known) = (began, found);
        }
    }

    pub(crate) fn begin_write(&self, name: &str, checkpoint: &Checkpoint) -> Moment {
        let mut state = self.lock();
        let began = state.tick();
        let in_doubt = &mut state.blob(name).in_doubt;
        if in_doubt.len() < MAX_IN_DOUBT {
            in_doubt.push((began, checkpoint.clone()));
        }
        began
    }

    /// A write that did nothing.
    pub(crate) fn refused(&self, name: &str, began: Moment) {
        self.lock().blob(name).in_doubt.retain(|(moment, _)| *moment != began);
    }

    /// A write that was done. What began before it can only have been replaced, or can never be done any more: both
    /// name the version that they replace.
    pub(crate) fn written(&self, name: &str, began: Moment, known: Known) {
        let mut state = self.lock();
        let now = state.tick();
        let blob = state.blob(name);
        blob.in_doubt.retain(|(moment, _)| *moment > began);
        if blob.written < began {
            (blob.written, blob.seen, blob.known) = (began, now, Some(known));
        }
    }

    /// Whether a checkpoint may be one of ours whose answer has not come.
    pub(crate) fn is_in_doubt(&self, name: &str, found: &Checkpoint) -> bool {
        let state = self.lock();
        state.blobs.get(name).is_some_and(|blob| {
            blob.in_doubt.iter().any(|(_, checkpoint)| checkpoint.has_position_of(found))
        })
    }

    pub(crate) fn forget(&self, name: &str) {
        let began = self.begin_read();
        self.end_read(name, began, None);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tick(&mut self) -> Moment {
        self.now.0 += 1;
        self.now
    }

    fn blob(&mut self, name: &str) -> &mut Blob {
        self.blobs.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConsumerGroup, ETag};

    fn version(number: u64) -> Known {
        Known::new(ETag::numbered(number), None)
    }

    fn at(offset: &str) -> Checkpoint {
        let group = ConsumerGroup::new("ns", "hub", "g").unwrap();
        Checkpoint::with_position(&group, "0", Some(offset.to_owned()), None).unwrap()
    }

    #[test]
    fn a_late_answer_to_a_read_takes_nothing_back() {
        let memory = Memory::default();
        let (early, late) = (memory.begin_read(), memory.begin_read());
        memory.end_read("0", late, Some(version(2)));
        memory.end_read("0", early, Some(version(1)));
        assert_eq!(memory.get("0"), Some(version(2)));

        let read = memory.begin_read();
        let write = memory.begin_write("0", &at("3"));
        memory.written("0", write, version(3));
        memory.end_read("0", read, Some(version(2)));
        assert_eq!(memory.get("0"), Some(version(3)));
        // About others it says what it found.
        memory.end_read("1", read, Some(version(1)));
        assert_eq!(memory.get("1"), Some(version(1)));
    }

    #[test]
    fn a_read_beside_a_write_does_not_hide_its_version() {
        let memory = Memory::default();
        let write = memory.begin_write("0", &at("3"));
        let read = memory.begin_read();
        memory.end_read("0", read, Some(version(2)));
        memory.written("0", write, version(3));
        assert_eq!(memory.get("0"), Some(version(3)));
    }

    #[test]
    fn of_two_writes_the_one_that_began_later_counts() {
        let memory = Memory::default();
        let early = memory.begin_write("0", &at("1"));
        let late = memory.begin_write("0", &at("2"));
        memory.written("0", late, version(2));
        memory.written("0", early, version(1));
        assert_eq!(memory.get("0"), Some(version(2)));
    }

    #[test]
    fn a_write_is_in_doubt_until_its_answer_or_a_later_one_comes() {
        let memory = Memory::default();
        let [lost, refused, written] = ["1", "2", "3"].map(|it| memory.begin_write("0", &at(it)));
        assert!(["1", "2", "3"].iter().all(|offset| memory.is_in_doubt("0", &at(offset))));
        memory.refused("0", refused);
        assert!(!memory.is_in_doubt("0", &at("2")) && memory.is_in_doubt("0", &at("1")));
        memory.written("0", written, version(3));
        assert!(["1", "2", "3"].iter().all(|offset| !memory.is_in_doubt("0", &at(offset))));
        assert!(lost < written);
    }

    #[test]
    fn what_is_in_doubt_has_a_limit() {
        let memory = Memory::default();
        for offset in 0..=MAX_IN_DOUBT {
            memory.begin_write("0", &at(&offset.to_string()));
        }
        assert!(memory.is_in_doubt("0", &at("0")));
        assert!(!memory.is_in_doubt("0", &at(&MAX_IN_DOUBT.to_string())));
    }
}

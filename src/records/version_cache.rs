//! The last known versions of the checkpoints behind a fence, in whatever order the responses arrive.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Checkpoint, ETag};

/// The maximum number of remembered writes of a partition without a response. If there are more, the newest ones are kept,
/// because the last one that was sent is the most likely to be stored.
const MAX_UNKNOWN_OUTCOMES: usize = 100;
/// The maximum number of remembered partitions. If there are more, the least recently used ones are forgotten.
const MAX_PARTITIONS: usize = 10_000;

/// The last known version of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) etag: ETag,
    sequence_number: Option<i64>,
    /// Whether this store wrote it or took it over, instead of just finding it before a write.
    pub(crate) is_ours: bool,
}

impl Known {
    /// Creates a version that this store wrote or continues from.
    pub(crate) fn ours(etag: ETag, sequence_number: Option<i64>) -> Self {
        Self { etag, sequence_number, is_ours: true }
    }

    /// Creates a version of another writer.
    pub(crate) fn of_another(etag: ETag, sequence_number: Option<i64>) -> Self {
        Self { etag, sequence_number, is_ours: false }
    }

    pub(crate) fn sequence_number(&self) -> Option<i64> {
        self.sequence_number
    }
}

/// The entries of partitions, by the names of their blobs.
#[derive(Debug, Default)]
pub(crate) struct VersionCache(Mutex<State>);

/// When a request began. Later requests of a cache have later moments.
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
    /// A read that began before this moment may be outdated.
    seen: Moment,
    /// When the write of our last version began.
    written: Moment,
    /// Whether this store has begun to update the partition.
    is_updated: bool,
    /// A version that a list found for a partition that this store updates, and when the list began.
    listed: Option<(Moment, Known)>,
    /// The writes that may be stored: their responses are pending or were lost.
    unknown_outcomes: VecDeque<UnknownOutcome>,
    used: Moment,
    /// Whether a warning was logged that the sequence numbers restarted.
    warned: bool,
}

/// A write whose outcome is not known.
#[derive(Debug)]
struct UnknownOutcome {
    began: Moment,
    /// The version that it replaces. If that is no longer stored, the write can never be applied.
    replaces: Option<ETag>,
    checkpoint: Checkpoint,
    /// Whether its response was lost. Other responses may still arrive.
    is_lost: bool,
}

impl VersionCache {
    pub(crate) fn get(&self, name: &str) -> Option<Known> {
        self.lock().blobs.get(name)?.known.clone()
    }

    /// Begins an update, and returns the version that was known before it.
    pub(crate) fn begin_update(&self, name: &str) -> Option<Known> {
        let mut state = self.lock();
        let blob = state.blob(name);
        blob.is_updated = true;
        blob.known.clone()
    }

    pub(crate) fn begin_read(&self) -> Moment {
        self.lock().tick()
    }

    /// Records the result of a read, unless something newer is known since it began.
    pub(crate) fn end_read(&self, name: &str, began: Moment, found: Option<Known>) {
        self.lock().blob(name).see(began, found);
    }

    /// Records the result of a list for partitions that this store does not update yet. Other partitions are not affected:
    /// without sequence numbers, only the known version keeps a former owner out. [`resume`](Self::resume) does change
    /// them.
    pub(crate) fn end_list(&self, name: &str, began: Moment, found: Option<Known>) {
        let mut state = self.lock();
        let blob = state.blob(name);
        if blob.is_updated {
            blob.listed = found.map(|found| (began, found));
        } else {
            blob.see(began, found);
        }
    }

    /// Records that the caller takes over the partition and continues from this version.
    pub(crate) fn resume(&self, name: &str, version: Known) {
        let mut state = self.lock();
        let now = state.tick();
        let blob = state.blob(name);
        let listed = blob.listed.take().filter(|(_, listed)| listed.etag == version.etag);
        let began = listed.map_or(now, |(began, _)| began);
        blob.see(began, Some(version));
    }

    /// Begins a write that replaces this version, or creates the blob.
    pub(crate) fn begin_write(
        &self,
        name: &str,
        checkpoint: &Checkpoint,
        replaces: Option<ETag>,
    ) -> Moment {
        let mut state = self.lock();
        let began = state.tick();
        let unknown = &mut state.blob(name).unknown_outcomes;
        if unknown.len() == MAX_UNKNOWN_OUTCOMES {
            unknown.pop_front();
        }
        let checkpoint = checkpoint.clone();
        unknown.push_back(UnknownOutcome { began, replaces, checkpoint, is_lost: false });
        began
    }

    /// Records that the response to a write was lost.
    pub(crate) fn lost(&self, name: &str, began: Moment) {
        let mut state = self.lock();
        let unknown = state.blob(name).unknown_outcomes.iter_mut();
        unknown.filter(|write| write.began == began).for_each(|write| write.is_lost = true);
    }

    /// Returns whether the response to a write was lost, so that a read is needed.
    pub(crate) fn has_lost(&self, name: &str) -> bool {
        let state = self.lock();
        let unknown = state.blobs.get(name).map(|blob| &blob.unknown_outcomes);
        unknown.is_some_and(|unknown| unknown.iter().any(|write| write.is_lost))
    }

    /// Records that this version is stored. Of the writes of unknown outcome, only those that may still replace it are
    /// kept.
    pub(crate) fn note_stored(&self, name: &str, found: Option<&ETag>) {
        self.lock().blob(name).keep_unknown_outcomes(|write| write.replaces.as_ref() == found);
    }

    /// Records a write that was not applied.
    pub(crate) fn refused(&self, name: &str, began: Moment) {
        self.lock().blob(name).keep_unknown_outcomes(|write| write.began != began);
    }

    /// Records a write that was applied. Each write names the version that it replaces, so an earlier write has either been
    /// replaced or can never be applied.
    pub(crate) fn written(&self, name: &str, began: Moment, known: Known) {
        let mut state = self.lock();
        let now = state.tick();
        let blob = state.blob(name);
        blob.keep_unknown_outcomes(|write| write.began > began);
        if blob.written < began {
            (blob.written, blob.seen, blob.known) = (began, now, Some(known));
        }
    }

    /// Returns whether a checkpoint may be one of our writes whose response has not arrived.
    pub(crate) fn has_unknown_outcome(&self, name: &str, found: &Checkpoint) -> bool {
        let state = self.lock();
        state.blobs.get(name).is_some_and(|blob| {
            blob.unknown_outcomes.iter().any(|write| write.checkpoint.has_position_of(found))
        })
    }

    /// Returns whether this is the first warning about the partition.
    pub(crate) fn warns_first(&self, name: &str) -> bool {
        !std::mem::replace(&mut self.lock().blob(name).warned, true)
    }

    /// Records that the blob was deleted.
    pub(crate) fn forget(&self, name: &str) {
        let mut state = self.lock();
        let now = state.tick();
        match state.blobs.get_mut(name) {
            Some(blob) if !blob.unknown_outcomes.is_empty() => blob.see(now, None),
            _ => drop(state.blobs.remove(name)),
        }
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
        let used = self.tick();
        if !self.blobs.contains_key(name) {
            self.make_room();
        }
        let blob = self.blobs.entry(name.to_owned()).or_default();
        blob.used = used;
        blob
    }

    /// Forgets a tenth at a time, so that the search for the oldest entries is rare. A write of unknown outcome is not
    /// forgotten.
    fn make_room(&mut self) {
        if self.blobs.len() < MAX_PARTITIONS {
            return;
        }
        let mut used: Vec<_> = self.blobs.values().map(|blob| blob.used).collect();
        let (_, oldest, _) = used.select_nth_unstable(MAX_PARTITIONS / 10);
        let oldest = *oldest;
        self.blobs.retain(|_, blob| blob.used > oldest || !blob.unknown_outcomes.is_empty());
        self.blobs.shrink_to(MAX_PARTITIONS);
    }
}

impl Blob {
    fn see(&mut self, began: Moment, found: Option<Known>) {
        if self.seen < began {
            (self.seen, self.known) = (began, found);
        }
    }

    fn keep_unknown_outcomes(&mut self, is_open: impl Fn(&UnknownOutcome) -> bool) {
        self.unknown_outcomes.retain(is_open);
        if self.unknown_outcomes.is_empty() {
            // An outage does not leave allocated memory behind.
            self.unknown_outcomes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConsumerGroup;

    fn version(number: u64) -> Known {
        Known::ours(ETag::numbered(number), None)
    }

    fn at(offset: &str) -> Checkpoint {
        let group = ConsumerGroup::new("ns", "hub", "g").unwrap();
        Checkpoint::with_position(&group, "0", Some(offset.to_owned()), None).unwrap()
    }

    #[test]
    fn a_late_response_to_a_read_undoes_nothing() {
        let cache = VersionCache::default();
        let (early, late) = (cache.begin_read(), cache.begin_read());
        cache.end_read("0", late, Some(version(2)));
        cache.end_read("0", early, Some(version(1)));
        assert_eq!(cache.get("0"), Some(version(2)));

        let read = cache.begin_read();
        let write = cache.begin_write("0", &at("3"), None);
        cache.written("0", write, version(3));
        cache.end_read("0", read, Some(version(2)));
        assert_eq!(cache.get("0"), Some(version(3)));
        // For other partitions the list is used.
        cache.end_read("1", read, Some(version(1)));
        assert_eq!(cache.get("1"), Some(version(1)));
    }

    #[test]
    fn a_read_beside_a_write_does_not_hide_its_version() {
        let cache = VersionCache::default();
        let write = cache.begin_write("0", &at("3"), None);
        let read = cache.begin_read();
        cache.end_read("0", read, Some(version(2)));
        cache.written("0", write, version(3));
        assert_eq!(cache.get("0"), Some(version(3)));
    }

    #[test]
    fn of_two_writes_the_one_that_began_later_counts() {
        let cache = VersionCache::default();
        let early = cache.begin_write("0", &at("1"), None);
        let late = cache.begin_write("0", &at("2"), None);
        cache.written("0", late, version(2));
        cache.written("0", early, version(1));
        assert_eq!(cache.get("0"), Some(version(2)));
    }

    #[test]
    fn the_outcome_of_a_write_is_unknown_until_its_response_or_a_later_one_comes() {
        let cache = VersionCache::default();
        let [lost, refused, written] =
            ["1", "2", "3"].map(|it| cache.begin_write("0", &at(it), None));
        assert!(["1", "2", "3"].iter().all(|offset| cache.has_unknown_outcome("0", &at(offset))));
        cache.refused("0", refused);
        assert!(
            !cache.has_unknown_outcome("0", &at("2")) && cache.has_unknown_outcome("0", &at("1"))
        );
        cache.written("0", written, version(3));
        assert!(["1", "2", "3"].iter().all(|offset| !cache.has_unknown_outcome("0", &at(offset))));
        assert!(lost < written);
    }

    #[test]
    fn of_too_many_unknown_outcomes_the_newest_are_kept() {
        let cache = VersionCache::default();
        for offset in 0..=MAX_UNKNOWN_OUTCOMES {
            cache.begin_write("0", &at(&offset.to_string()), None);
        }
        assert!(!cache.has_unknown_outcome("0", &at("0")));
        assert!(
            (1..=MAX_UNKNOWN_OUTCOMES)
                .all(|offset| cache.has_unknown_outcome("0", &at(&offset.to_string())))
        );
    }

    #[test]
    fn a_stored_version_rules_out_the_writes_that_can_no_longer_arrive() {
        let cache = VersionCache::default();
        let replaced = Some(ETag::numbered(1));
        let [found, late] = ["1", "2"].map(|it| cache.begin_write("0", &at(it), replaced.clone()));
        let next = cache.begin_write("0", &at("3"), Some(ETag::numbered(2)));
        assert!(!cache.has_lost("0"), "their responses may still come");
        for began in [found, late, next] {
            cache.lost("0", began);
        }
        assert!(cache.has_lost("0"));
        cache.note_stored("0", Some(&ETag::numbered(2)));
        let unknown = ["1", "2", "3"].map(|offset| cache.has_unknown_outcome("0", &at(offset)));
        assert_eq!(unknown, [false, false, true]);
        cache.note_stored("0", None);
        assert!(!cache.has_lost("0"));
    }

    #[test]
    fn a_list_tells_a_writer_nothing_until_it_resumes() {
        let cache = VersionCache::default();
        let list = cache.begin_read();
        cache.end_list("0", list, Some(version(1)));
        assert_eq!(cache.begin_update("0"), Some(version(1)), "nothing was updated here");

        let write = cache.begin_write("0", &at("2"), None);
        cache.written("0", write, version(2));
        let list = cache.begin_read();
        cache.end_list("0", list, Some(version(3)));
        assert_eq!(cache.get("0"), Some(version(2)));
        cache.resume("0", version(3));
        assert_eq!(cache.get("0"), Some(version(3)));

        // The list is older than the last write.
        let list = cache.begin_read();
        let write = cache.begin_write("0", &at("4"), None);
        cache.written("0", write, version(4));
        cache.end_list("0", list, Some(version(3)));
        cache.resume("0", version(3));
        assert_eq!(cache.get("0"), Some(version(4)));
        // A checkpoint that was read elsewhere counts as of now.
        cache.resume("0", version(5));
        assert_eq!(cache.get("0"), Some(version(5)));
    }

    #[test]
    fn it_forgets_the_least_recently_used_but_no_unknown_outcome() {
        let cache = VersionCache::default();
        let unknown = cache.begin_write("unknown", &at("1"), None);
        for partition in 0..2 * MAX_PARTITIONS {
            let read = cache.begin_read();
            cache.end_read(&partition.to_string(), read, Some(version(1)));
            cache.written("busy", unknown, version(2));
        }
        let remembered = |name: &str| cache.lock().blobs.contains_key(name);
        assert!(cache.lock().blobs.len() <= MAX_PARTITIONS);
        assert!(remembered("unknown") && remembered("busy") && !remembered("0"));
        cache.refused("unknown", unknown);
        cache.forget("unknown");
        assert!(!remembered("unknown"));
    }
}

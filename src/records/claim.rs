//! A claim of a partition as a state machine: the next request, or the result.
//!
//! A claim is one conditional write. The rest handles lost responses. A conflict after a lost response may be caused by the
//! lost attempt itself, and the owner id alone proves nothing, because an owner with a stable id may have left an old
//! record. So the record is inspected, and whoever replaces the inspected version owns the partition. ([A retried
//! conditional
//! write](https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations)
//! is refused because of its own first attempt.)

use std::time::SystemTime;

use crate::container::{BlobProperties, BlobWritten};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ETag, PartitionOwnership};
use crate::records::ownership;

/// The maximum number of inspections after writes of unknown outcome. The deadline of the call also ends them; this limit
/// stops the loop with a container that responds at once and never knows the outcome.
const MAX_INSPECTIONS: u32 = 4;

/// The next step.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write the record if none exists, then call [`Claim::written`].
    Create,
    /// Replace this version of the record, then call [`Claim::written`].
    Replace(ETag),
    /// Read the record, then call [`Claim::inspected`].
    Inspect,
    /// Read the record to see who was first, then call [`Claim::identified`]. The claim is lost regardless of the result.
    Identify,
    /// The claim has ended.
    Done(Ending),
}

/// The result of a claim.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The claim was won with this version.
    Won(BlobWritten),
    /// Another writer was first, with this record, if it could be read.
    Lost(Option<Seen>),
    /// There is no record, and none is needed.
    Gone,
    Failed(Error),
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) owner_id: Option<String>,
    pub(crate) etag: ETag,
    pub(crate) last_modified: Option<SystemTime>,
}

/// A claim in progress, or the release of one.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The record to write.
    owner_id: Option<String>,
    /// Whether this is a release, for which the record need not exist.
    must_exist: bool,
    /// Whether an earlier write of this claim may have been applied, or may still arrive.
    applied: Applied,
    /// Whether the current write is a [`Step::Create`].
    creates: bool,
    inspections: u32,
}

impl From<BlobProperties> for Seen {
    fn from(properties: BlobProperties) -> Self {
        let owner_id = ownership::owner(&properties.metadata).map(str::to_owned);
        Self { owner_id, etag: properties.etag, last_modified: properties.last_modified }
    }
}

impl Claim {
    /// Begins a first claim, a renewal or a takeover, depending on the ETag.
    pub(crate) fn new(ownership: &PartitionOwnership) -> (Self, Step) {
        let mut claim = Self::writing(ownership.owner_id(), true);
        let first = match ownership.etag() {
            Some(etag) => Step::Replace(etag.clone()),
            None => claim.create(),
        };
        (claim, first)
    }

    /// Begins a release: it replaces this version by a record without an owner.
    pub(crate) fn relinquish(etag: &ETag) -> (Self, Step) {
        (Self::writing(None, false), Step::Replace(etag.clone()))
    }

    fn writing(owner_id: Option<&str>, must_exist: bool) -> Self {
        Self {
            owner_id: owner_id.map(str::to_owned),
            must_exist,
            applied: Applied::No,
            creates: false,
            inspections: 0,
        }
    }

    /// Returns the record that this claim writes.
    pub(crate) fn owner_id(&self) -> Option<&str> {
        self.owner_id.as_deref()
    }

    /// Applies the result of a write.
    pub(crate) fn written(&mut self, result: Result<BlobWritten>) -> Step {
        let error = match result {
            Ok(written) => return Step::Done(Ending::Won(written)),
            Err(error) => error,
        };
        self.applied = self.applied.or(error.applied());
        match error.kind() {
            // A first claim may have met any of its earlier writes; a replacement only the last one.
            ErrorKind::ConditionNotMet
                if error.is_outcome_unknown() || (self.creates && self.applied != Applied::No) =>
            {
                if self.inspections == MAX_INSPECTIONS {
                    self.failed(error)
                } else {
                    self.inspect()
                }
            }
            ErrorKind::ConditionNotMet => Step::Identify,
            ErrorKind::BlobNotFound if !self.creates => self.vanished(),
            _ => self.failed(error),
        }
    }

    /// Applies the result of a read after [`Step::Inspect`].
    pub(crate) fn inspected(&mut self, result: Result<Seen>) -> Step {
        match result {
            Ok(seen) if seen.owner_id == self.owner_id => {
                self.creates = false;
                Step::Replace(seen.etag)
            }
            Ok(seen) => Step::Done(Ending::Lost(Some(seen))),
            Err(error) if error.kind() == ErrorKind::BlobNotFound => self.vanished(),
            Err(error) => self.failed(error),
        }
    }

    /// Applies the result of a read after [`Step::Identify`].
    pub(crate) fn identified(result: Result<Seen>) -> Step {
        Step::Done(Ending::Lost(result.ok()))
    }

    fn create(&mut self) -> Step {
        self.creates = true;
        Step::Create
    }

    fn inspect(&mut self) -> Step {
        self.inspections += 1;
        Step::Inspect
    }

    /// The record was deleted, so the first writer creates a new one.
    fn vanished(&mut self) -> Step {
        if self.must_exist { self.create() } else { Step::Done(Ending::Gone) }
    }

    /// A refusal tells nothing about earlier writes.
    fn failed(&self, error: Error) -> Step {
        Step::Done(Ending::Failed(error.with_earlier(self.applied)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::ConsumerGroup;

    const US: &str = "us";

    /// A blob with its owner, and whether this claim wrote that version.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Blob {
        version: u64,
        owner_id: Option<String>,
        ours: bool,
    }

    /// What a service may do with a write. The test tries all sequences.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fate {
        Applied,
        /// Applied; the response is lost, and the container's retry is refused because of it.
        AppliedThenRefused,
        /// Applied; the response is lost, and no retry gets one.
        AppliedThenLost,
        /// Never applied; the retry finds the current record.
        LostThenRetried,
        /// Never applied; no retry gets a response.
        Lost,
        /// Refused for another reason.
        Denied,
    }

    const FATES: [Fate; 6] = [
        Fate::Applied,
        Fate::AppliedThenRefused,
        Fate::AppliedThenLost,
        Fate::LostThenRetried,
        Fate::Lost,
        Fate::Denied,
    ];

    /// What other writers do before a step.
    #[derive(Clone, Copy, Debug)]
    enum Rival {
        Nothing,
        Writes,
        /// A process with the same owner id writes the same record.
        WritesAlike,
        Deletes,
    }

    const RIVALS: [Rival; 4] = [Rival::Nothing, Rival::Writes, Rival::WritesAlike, Rival::Deletes];

    #[derive(Clone, Debug)]
    struct World {
        blob: Option<Blob>,
        writes: u64,
        applied: HashSet<u64>,
        trace: Vec<String>,
    }

    impl World {
        fn new(stored: Option<&str>) -> Self {
            let blob =
                stored.map(|owner| Blob { version: 1, owner_id: Some(owner.into()), ours: false });
            Self { blob, writes: 1, applied: HashSet::new(), trace: Vec::new() }
        }

        fn put(&mut self, owner_id: Option<&str>, ours: bool) -> u64 {
            self.writes += 1;
            let owner_id = owner_id.map(str::to_owned);
            self.blob = Some(Blob { version: self.writes, owner_id, ours });
            if ours {
                self.applied.insert(self.writes);
            }
            self.writes
        }

        fn disturb(&mut self, rival: Rival, claim: &Claim) {
            match rival {
                Rival::Nothing => {}
                Rival::Writes => drop(self.put(Some("rival"), false)),
                Rival::WritesAlike => drop(self.put(claim.owner_id(), false)),
                Rival::Deletes => self.blob = None,
            }
        }

        /// Attempts a write once. The error comes from a service that did not apply it.
        fn try_write(&mut self, claim: &Claim, etag: Option<&ETag>) -> Result<BlobWritten> {
            let found = self.blob.as_ref().map(|blob| ETag::numbered(blob.version));
            match (etag, found) {
                (Some(_), None) => return Err(Error::new(ErrorKind::BlobNotFound, "")),
                (Some(etag), Some(found)) if *etag == found => {}
                (None, None) => {}
                _ => return Err(Error::new(ErrorKind::ConditionNotMet, "")),
            }
            let owner_id = claim.owner_id().map(str::to_owned);
            Ok(BlobWritten::new(ETag::numbered(self.put(owner_id.as_deref(), true))))
        }

        fn write(&mut self, claim: &Claim, etag: Option<&ETag>, fate: Fate) -> Result<BlobWritten> {
            let lost = || Error::new(ErrorKind::Network, "").with_applied(Applied::Unknown);
            let unknown = |error: Error| error.with_applied(Applied::Unknown);
            match fate {
                Fate::Denied => Err(Error::new(ErrorKind::AccessDenied, "")),
                Fate::Lost => Err(lost()),
                Fate::Applied => self.try_write(claim, etag),
                Fate::LostThenRetried => self.try_write(claim, etag).map_err(unknown),
                Fate::AppliedThenLost => self.try_write(claim, etag).and(Err(lost())),
                Fate::AppliedThenRefused => {
                    let _ = self.try_write(claim, etag);
                    self.try_write(claim, etag).map_err(unknown)
                }
            }
        }

        fn read(&self) -> Result<Seen> {
            let blob = self.blob.as_ref().ok_or_else(|| Error::new(ErrorKind::BlobNotFound, ""))?;
            let etag = ETag::numbered(blob.version);
            Ok(Seen { owner_id: blob.owner_id.clone(), etag, last_modified: None })
        }

        fn check(&self, ending: &Ending, claim: &Claim) {
            let is_ours = self.blob.as_ref().is_some_and(|blob| blob.ours);
            match ending {
                Ending::Won(written) => {
                    let number =
                        self.applied.iter().find(|it| ETag::numbered(**it) == written.etag);
                    assert!(number.is_some(), "won what was never written: {:?}", self.trace);
                    assert!(is_ours, "won what another has: {:?}", self.trace);
                }
                Ending::Lost(_) => assert!(!is_ours, "lost what is ours: {:?}", self.trace),
                Ending::Gone => assert!(!claim.must_exist && self.blob.is_none()),
                Ending::Failed(error) => assert!(
                    error.is_outcome_unknown() || self.applied.is_empty(),
                    "may be written, but says that it is not: {:?}",
                    self.trace
                ),
            }
        }
    }

    /// Explores all choices of the service and of other writers, up to a depth.
    fn explore(world: &World, claim: &Claim, step: &Step, depth: usize, endings: &mut [usize; 4]) {
        let kind = match step {
            Step::Done(ending) => {
                world.check(ending, claim);
                let index = match ending {
                    Ending::Won(_) => 0,
                    Ending::Lost(_) => 1,
                    Ending::Gone => 2,
                    Ending::Failed(_) => 3,
                };
                endings[index] += 1;
                return;
            }
            step => step,
        };
        if depth == 0 {
            return;
        }
        for rival in RIVALS {
            let reads = matches!(kind, Step::Inspect | Step::Identify);
            for fate in FATES.into_iter().take(if reads { 1 } else { FATES.len() }) {
                let (mut world, mut claim) = (world.clone(), claim.clone());
                world.disturb(rival, &claim);
                world.trace.push(format!("{rival:?} {kind:?} {fate:?}"));
                let next = match kind {
                    Step::Create => claim.written(world.write(&claim, None, fate)),
                    Step::Replace(etag) => claim.written(world.write(&claim, Some(etag), fate)),
                    Step::Inspect => claim.inspected(world.read()),
                    Step::Identify => Claim::identified(world.read()),
                    Step::Done(_) => unreachable!("returned above"),
                };
                explore(&world, &claim, &next, depth - 1, endings);
            }
        }
    }

    fn claim(etag: Option<u64>) -> PartitionOwnership {
        let group = ConsumerGroup::new("ns", "hub", "g").unwrap();
        let claim = PartitionOwnership::new(&group, "0", US).unwrap();
        match etag {
            Some(number) => claim.with_etag(ETag::numbered(number)),
            None => claim,
        }
    }

    #[test]
    fn a_claim_reports_the_truth_whatever_the_service_and_rivals_do() {
        let mut endings = [0; 4];
        for (stored, etag) in [
            (None, None),
            (Some("rival"), None),
            (Some(US), None),
            (Some(US), Some(1)),
            (Some("rival"), Some(1)),
        ] {
            let (claim, step) = Claim::new(&claim(etag));
            explore(&World::new(stored), &claim, &step, 6, &mut endings);
        }
        let [won, lost, gone, failed] = endings;
        assert!(won > 1000 && lost > 1000 && failed > 1000, "{endings:?}");
        assert_eq!(gone, 0);
    }

    #[test]
    fn a_release_reports_the_truth_whatever_the_service_and_rivals_do() {
        let mut endings = [0; 4];
        let (claim, step) = Claim::relinquish(&ETag::numbered(1));
        explore(&World::new(Some(US)), &claim, &step, 6, &mut endings);
        assert!(endings.iter().all(|count| *count > 20), "{endings:?}");
    }

    /// A container that refuses every write and never knows the outcome.
    #[test]
    fn an_outcome_that_stays_unknown_is_a_failure() {
        let conflict = || Error::new(ErrorKind::ConditionNotMet, "").with_applied(Applied::Unknown);
        let seen =
            || Seen { owner_id: Some(US.into()), etag: ETag::numbered(7), last_modified: None };
        let (mut claim, mut step) = Claim::new(&claim(None));
        for _ in 0..100 {
            step = match step {
                Step::Create | Step::Replace(_) => claim.written(Err(conflict())),
                Step::Inspect => claim.inspected(Ok(seen())),
                Step::Identify => panic!("it is not known to be lost"),
                Step::Done(Ending::Failed(error)) => return assert!(error.is_outcome_unknown()),
                Step::Done(ending) => panic!("{ending:?}"),
            };
        }
        panic!("it goes on forever");
    }
}

//! Random sequences of operations by several owners, with lost, late, repeated and refused answers and other writers in
//! between, against what was really in storage.
//!
//! Held over every sequence:
//! - a reported win was written by that call and names its owner;
//! - after a reported loss another writer's version of the record was in storage at some moment of the call;
//! - a failure whose outcome is not said to be unknown has written nothing, then or later;
//! - one ETag never stands for two versions;
//! - the last acknowledged checkpoint is what is read, unless an attempt of unknown outcome may have come later.
//!
//! A failing sequence is shrunk by proptest and printed. `CHECKPOINTSTORE_MODEL_CASES` sets how many are tried.

use std::collections::HashSet;

use eventhub_checkpointstore::{ClaimOutcome, Error, PartitionOwnership, RetryOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::direct::Direct;
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{BlobService, Fault, error_reply};
use super::support::report;
use super::{block_on, checkpoint, group, maybe_async, ownership};

const OWNERS: [&str; 3] = ["a", "b", "c"];
const PARTITIONS: [&str; 2] = ["0", "1"];
const PREFIX: &str = "ns.servicebus.windows.net/hub/$default";

#[derive(Debug, Clone)]
struct Step {
    owner: usize,
    partition: usize,
    action: Action,
    faults: Vec<FaultKind>,
    /// Another owner takes the record just before this request of the call.
    intruder: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    /// Claims what a list shows: first claim, renewal or takeover.
    Claim,
    /// Claims without looking.
    FirstClaim,
    Relinquish,
    Checkpoint,
    Read,
    /// Requests that were held on their way arrive now.
    Arrive,
}

#[derive(Debug, Clone, Copy)]
enum FaultKind {
    None,
    LostRequest,
    LostAnswer,
    Busy,
    FailedButApplied,
    Late,
}

impl FaultKind {
    fn fault(self) -> Fault {
        match self {
            Self::None => Fault::None,
            Self::LostRequest => Fault::DropBeforeProcessing,
            Self::LostAnswer => Fault::DropAfterProcessing,
            Self::Busy => Fault::Answer(error_reply(503, "ServerBusy", "busy")),
            Self::FailedButApplied => Fault::ApplyThenAnswer(error_reply(500, "InternalError", "")),
            Self::Late => Fault::Hold,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let action = prop_oneof![
        4 => Just(Action::Claim),
        2 => Just(Action::FirstClaim),
        2 => Just(Action::Relinquish),
        3 => Just(Action::Checkpoint),
        2 => Just(Action::Read),
        1 => Just(Action::Arrive),
    ];
    let fault = prop_oneof![
        4 => Just(FaultKind::None),
        2 => Just(FaultKind::LostRequest),
        4 => Just(FaultKind::LostAnswer),
        1 => Just(FaultKind::Busy),
        2 => Just(FaultKind::FailedButApplied),
        1 => Just(FaultKind::Late),
    ];
    let step = (
        0..OWNERS.len(),
        0..PARTITIONS.len(),
        action,
        prop::collection::vec(fault, 0..6),
        prop::option::weighted(0.3, 0usize..5),
    )
        .prop_map(|(owner, partition, action, faults, intruder)| Step {
            owner,
            partition,
            action,
            faults,
            intruder,
        });
    prop::collection::vec(step, 1..60)
}

/// What a read of a checkpoint may show.
#[derive(Debug, Default)]
struct Expected {
    /// Any of these; `None` is "no checkpoint".
    possible: HashSet<Option<i64>>,
    /// These may still arrive.
    late: HashSet<i64>,
}

struct Model {
    direct: Direct,
    store: BlobCheckpointStore,
    held: Vec<[Option<PartitionOwnership>; PARTITIONS.len()]>,
    expected: Vec<Expected>,
    next_number: i64,
    /// Calls that failed for certain: their requests must never have written.
    certain: Vec<std::ops::Range<usize>>,
}

type Checked<T = ()> = Result<T, String>;

/// When a call began: in the history of the storage, and in the count of requests.
struct Call {
    moment: usize,
    first: usize,
}

/// A version of a record; no ETag stands for "no record".
#[derive(Debug, Default)]
struct Version {
    etag: Option<String>,
    owner: String,
    /// The request that wrote it; `None` if another writer did.
    request: Option<usize>,
}

impl Model {
    fn new() -> Self {
        let direct = Direct::new(BlobService::new("checkpoints"));
        let store = BlobCheckpointStore::builder("http://service", "checkpoints")
            .transport(direct.clone())
            .retry(RetryOptions::default().with_max_retries(2))
            .build()
            .unwrap();
        let expected = PARTITIONS
            .map(|_| Expected { possible: HashSet::from([None]), late: HashSet::new() })
            .into();
        let held = vec![[const { None }; PARTITIONS.len()]; OWNERS.len()];
        Self { direct, store, held, expected, next_number: 0, certain: Vec::new() }
    }

    fn ownership_blob(partition: usize) -> String {
        format!("{PREFIX}/ownership/{}", PARTITIONS[partition])
    }

    /// Every version of a record that was in storage since a moment of its history: first the one that was there.
    fn versions_since(&self, blob: &str, moment: usize) -> Vec<Version> {
        let history = self.direct.service.history();
        let (before, since): (Vec<_>, Vec<_>) = history
            .iter()
            .enumerate()
            .filter(|(_, write)| write.blob == blob)
            .map(|(index, write)| {
                let owner = write.metadata.iter().find(|(key, _)| key == "ownerid");
                let owner = owner.map(|(_, owner)| owner.clone()).unwrap_or_default();
                let etag = write.etag.as_deref().map(unquoted);
                (index, Version { etag, owner, request: write.request })
            })
            .partition(|(index, _)| *index < moment);
        let before = before.into_iter().next_back().map(|(_, version)| version).unwrap_or_default();
        std::iter::once(before).chain(since.into_iter().map(|(_, version)| version)).collect()
    }

    fn check_win(
        &self,
        step: &Step,
        won: &PartitionOwnership,
        owner: &str,
        call: &Call,
    ) -> Checked {
        let blob = Self::ownership_blob(step.partition);
        let etag = Some(unquoted(won.etag().ok_or("a win without an ETag")?.as_str()));
        let written = self.versions_since(&blob, call.moment).into_iter().skip(1);
        match written.into_iter().find(|version| version.etag == etag) {
            Some(version) if version.owner != owner => {
                Err(format!("won a record of {:?}", version.owner))
            }
            Some(version) if version.request.is_some_and(|index| index >= call.first) => Ok(()),
            _ => Err(format!("{etag:?} was reported as won, but not written by the call")),
        }
    }

    fn check_loss(&self, step: &Step, claimed: &PartitionOwnership, call: &Call) -> Checked {
        let blob = Self::ownership_blob(step.partition);
        let claimed = claimed.etag().map(|etag| unquoted(etag.as_str()));
        let versions = self.versions_since(&blob, call.moment);
        let others = versions.iter().filter(|it| it.request.is_none_or(|index| index < call.first));
        if others.into_iter().any(|version| version.etag != claimed) {
            return Ok(());
        }
        Err(format!("lost against nobody but itself: {versions:?}"))
    }

    fn begin(&self) -> Call {
        Call { moment: self.direct.service.history().len(), first: self.direct.requests() }
    }

    fn note_failure(&mut self, error: &Error, call: &Call) {
        if !error.is_outcome_unknown() {
            self.certain.push(call.first..self.direct.requests());
        }
    }

    fn check_end(&self) -> Checked {
        let mut etags = HashSet::new();
        for write in self.direct.service.history() {
            if let Some(etag) = write.etag.as_ref().filter(|etag| !etags.insert((*etag).clone())) {
                return Err(format!("{etag} stands for two versions"));
            }
            let index = write.request.unwrap_or(usize::MAX);
            if self.certain.iter().any(|call| call.contains(&index)) {
                return Err(format!("request {index} wrote although its call failed for certain"));
            }
        }
        Ok(())
    }
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[maybe_async]
impl Model {
    async fn run(mut self, steps: &[Step]) -> Checked {
        for (index, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|fault| format!("step {index}, {step:?}: {fault}"))?;
        }
        self.check_end()
    }

    async fn step(&mut self, step: &Step) -> Checked {
        let first = self.direct.requests();
        if let Some(after) = step.intruder {
            let blob = Self::ownership_blob(step.partition);
            let intruder = OWNERS[(step.owner + 1) % OWNERS.len()];
            self.direct.intrude_before(first + after, move |service| {
                service.put(&blob, &[("ownerid", intruder)]);
            });
        }
        self.direct.service.queue_faults(step.faults.iter().map(|fault| fault.fault()));
        let done = match step.action {
            Action::Claim => self.claim(step).await,
            Action::FirstClaim => {
                let claim = ownership(PARTITIONS[step.partition], OWNERS[step.owner]);
                self.claim_record(step, claim).await
            }
            Action::Relinquish => self.relinquish(step).await,
            Action::Checkpoint => self.checkpoint(step).await,
            Action::Read => self.read(step).await,
            Action::Arrive => {
                self.arrive();
                Ok(())
            }
        };
        self.direct.service.clear_faults();
        self.direct.forget_intrusion();
        done
    }

    async fn claim(&mut self, step: &Step) -> Checked {
        // A failed list is no empty one: nothing is claimed then.
        let Ok(listing) = self.store.list_ownership(&group()).await else {
            return Ok(());
        };
        let partition_id = PARTITIONS[step.partition];
        let listed = listing.iter().find(|record| record.partition_id() == partition_id);
        let claim = match listed {
            Some(record) => record.claimed_by(OWNERS[step.owner]).unwrap(),
            None => ownership(partition_id, OWNERS[step.owner]),
        };
        self.claim_record(step, claim).await
    }

    async fn claim_record(&mut self, step: &Step, claim: PartitionOwnership) -> Checked {
        let call = self.begin();
        let claims = self.store.claim_ownership(std::slice::from_ref(&claim)).await;
        match &claims.outcomes()[0] {
            ClaimOutcome::Claimed(won) => {
                self.check_win(step, won, OWNERS[step.owner], &call)?;
                self.held[step.owner][step.partition] = Some(won.clone());
            }
            ClaimOutcome::Lost(lost) => self.check_loss(step, lost, &call)?,
            ClaimOutcome::Failed(_, error) => self.note_failure(error, &call),
            other => return Err(format!("an outcome that the model does not know: {other:?}")),
        }
        Ok(())
    }

    async fn relinquish(&mut self, step: &Step) -> Checked {
        let Some(held) = self.held[step.owner][step.partition].take() else {
            return Ok(());
        };
        let call = self.begin();
        let claims = self.store.relinquish_ownership(std::slice::from_ref(&held)).await;
        match &claims.outcomes()[0] {
            ClaimOutcome::Claimed(released) if released.etag().is_some() => {
                self.check_win(step, released, "", &call)
            }
            // It had vanished.
            ClaimOutcome::Claimed(_) => self.check_loss(step, &held, &call),
            ClaimOutcome::Lost(lost) => self.check_loss(step, lost, &call),
            ClaimOutcome::Failed(_, error) => {
                self.note_failure(error, &call);
                Ok(())
            }
            other => Err(format!("an outcome that the model does not know: {other:?}")),
        }
    }

    async fn checkpoint(&mut self, step: &Step) -> Checked {
        self.next_number += 1;
        let number = self.next_number;
        let first = self.direct.requests();
        let written = checkpoint(PARTITIONS[step.partition], &number.to_string(), number);
        let result = self.store.update_checkpoint(&written).await;
        let requests = first..self.direct.requests();
        let used = requests.len().min(step.faults.len());
        let late = step.faults[..used].iter().any(|fault| matches!(fault, FaultKind::Late));
        let expected = &mut self.expected[step.partition];
        if late {
            expected.late.insert(number);
        }
        match result {
            Ok(_) => expected.possible = HashSet::from([Some(number)]),
            Err(error) if error.is_outcome_unknown() => {
                expected.possible.insert(Some(number));
            }
            Err(_) => self.certain.push(requests),
        }
        Ok(())
    }

    async fn read(&mut self, step: &Step) -> Checked {
        let Ok(found) = self.store.get_checkpoint(&group(), PARTITIONS[step.partition]).await
        else {
            return Ok(());
        };
        let number = found.and_then(|checkpoint| checkpoint.sequence_number());
        let expected = &self.expected[step.partition];
        if expected.possible.contains(&number) {
            return Ok(());
        }
        Err(format!("read {number:?}, expected {expected:?}"))
    }
}

impl Model {
    fn arrive(&mut self) {
        self.direct.service.apply_held();
        for expected in &mut self.expected {
            expected.possible.extend(expected.late.drain().map(Some));
        }
    }
}

#[test]
fn what_is_reported_is_what_was_in_storage() {
    let cases = std::env::var("CHECKPOINTSTORE_MODEL_CASES");
    let cases = cases.map_or(800, |cases| cases.parse().expect("a number of cases"));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let count = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&steps(), |steps| {
        count.set(count.get() + steps.len());
        block_on(Model::new().run(&steps)).map_err(TestCaseError::fail)
    });
    report::show(&format!("{cases} sequences, {} steps", count.get()));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

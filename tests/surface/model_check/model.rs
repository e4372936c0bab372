//! The real store over the double of the service, and what is known of both.

use std::collections::HashMap;
use std::ops::Range;

use eventhub_checkpointstore::{
    ClaimOutcome, Error, PartitionOwnership, RelinquishOutcome, RetryOptions,
};

use super::direct::Direct;
use super::expected::{Expected, ExpectedBehindFence};
use super::steps::{Action, FaultKind, Intrusion, OWNERS, PARTITIONS, Step};
use super::subject::{BlobCheckpointStore, Credential, FencedCheckpointStore};
use super::support::blob_service::BlobService;
use super::{checkpoint, group, maybe_async, ownership};

const PREFIX: &str = "ns.servicebus.windows.net/hub/$default";
/// Its checkpoint is written behind fences only, one for each owner.
const FENCED: &str = "fenced";

pub struct Model {
    direct: Direct,
    store: BlobCheckpointStore,
    fenced: Vec<FencedCheckpointStore>,
    held: Vec<[Option<PartitionOwnership>; PARTITIONS.len()]>,
    /// The winner of each ETag.
    winners: HashMap<String, &'static str>,
    expected: Vec<Expected>,
    expected_behind_fence: ExpectedBehindFence,
    next_number: i64,
    /// Calls that failed for certain: their requests must never have written that blob.
    certain: Vec<(Range<usize>, String)>,
}

pub type Checked<T = ()> = Result<T, String>;

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

fn ownership_blob(partition_id: &str) -> String {
    format!("{PREFIX}/ownership/{partition_id}")
}

fn checkpoint_blob(partition_id: &str) -> String {
    format!("{PREFIX}/checkpoint/{partition_id}")
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

impl Model {
    pub fn new() -> Self {
        let direct = Direct::new(BlobService::new("checkpoints"));
        let store = BlobCheckpointStore::builder("http://service", "checkpoints")
            .credential(Credential::anonymous())
            .transport(direct.clone())
            .retry(RetryOptions::default().with_max_retries(2))
            // Faults are counted by requests, which have to come in one order.
            .claim_concurrency(1)
            .build()
            .unwrap();
        Self {
            fenced: OWNERS.map(|_| store.fenced()).into(),
            held: vec![[const { None }; PARTITIONS.len()]; OWNERS.len()],
            winners: HashMap::new(),
            expected: PARTITIONS.map(|_| Expected::nothing()).into(),
            expected_behind_fence: ExpectedBehindFence::default(),
            next_number: 0,
            certain: Vec::new(),
            direct,
            store,
        }
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

    /// `owner` is whose name was to be written.
    fn check_win(&self, won: &PartitionOwnership, owner: &str, call: &Call) -> Checked<String> {
        let blob = ownership_blob(won.partition_id());
        let etag = unquoted(won.etag().ok_or("a win without an ETag")?.as_str());
        let written = self.versions_since(&blob, call.moment).into_iter().skip(1);
        match written.into_iter().find(|version| version.etag.as_ref() == Some(&etag)) {
            Some(version) if version.owner != owner => {
                Err(format!("won a record of {:?}", version.owner))
            }
            Some(version) if version.request.is_some_and(|index| index >= call.first) => Ok(etag),
            _ => Err(format!("{etag:?} was reported as won, but not written by the call")),
        }
    }

    fn check_loss(&self, claimed: &PartitionOwnership, call: &Call) -> Checked {
        let blob = ownership_blob(claimed.partition_id());
        let claimed = claimed.etag().map(|etag| unquoted(etag.as_str()));
        let versions = self.versions_since(&blob, call.moment);
        let is_by_others = |it: &Version| it.request.is_none_or(|index| index < call.first);
        let was_changed = versions[1..].iter().any(is_by_others);
        if was_changed || (is_by_others(&versions[0]) && versions[0].etag != claimed) {
            return Ok(());
        }
        Err(format!("lost against nobody but itself: {versions:?}"))
    }

    fn begin(&self) -> Call {
        Call { moment: self.direct.service.history().len(), first: self.direct.requests() }
    }

    fn note_failure(&mut self, error: &Error, blob: String, call: &Call) {
        if !error.is_outcome_unknown() {
            self.certain.push((call.first..self.direct.requests(), blob));
        }
    }

    fn check_end(&self) -> Checked {
        for write in self.direct.service.history() {
            let index = write.request.unwrap_or(usize::MAX);
            let is_of =
                |(call, blob): &(Range<usize>, _)| call.contains(&index) && *blob == write.blob;
            if self.certain.iter().any(is_of) {
                return Err(format!("request {index} wrote although its call failed for certain"));
            }
        }
        Ok(())
    }

    /// Whether a request of a call that is over may still arrive.
    fn may_be_late(&self, step: &Step, call: &Call) -> bool {
        let used = (self.direct.requests() - call.first).min(step.faults.len());
        step.faults[..used].contains(&FaultKind::Late)
    }

    fn prepare_intrusions(&mut self, step: &Step) {
        let first = self.direct.requests();
        for (after, intrusion) in &step.intrusions {
            let partition_id = PARTITIONS[step.partition];
            let intruder = OWNERS[(step.owner + 1) % OWNERS.len()];
            match intrusion {
                Intrusion::Take => self.direct.intrude_before(first + after, move |service| {
                    service.put(&ownership_blob(partition_id), &[("ownerid", intruder)]);
                }),
                Intrusion::Delete => {
                    self.expected[step.partition].may_be(None);
                    self.direct.intrude_before(first + after, move |service| {
                        service.delete(&ownership_blob(partition_id));
                        service.delete(&checkpoint_blob(partition_id));
                    });
                }
                Intrusion::Arrive => {
                    self.expected.iter_mut().for_each(Expected::some_arrive);
                    self.direct.intrude_before(first + after, |service| drop(service.apply_held()));
                }
            }
        }
    }

    fn arrive(&mut self) {
        self.direct.service.apply_held();
        self.expected.iter_mut().for_each(Expected::all_arrive);
    }

    /// Takes in what an unfenced write of a checkpoint, or a deletion, has led to.
    fn note_checkpoint<T>(
        &mut self,
        step: &Step,
        value: Option<i64>,
        result: Result<T, Error>,
        call: &Call,
    ) {
        let is_late = self.may_be_late(step, call);
        let expected = &mut self.expected[step.partition];
        if is_late {
            expected.may_arrive(value);
        }
        match result {
            Ok(_) => expected.acknowledge(value),
            Err(error) => {
                if error.is_outcome_unknown() {
                    expected.may_be(value);
                }
                self.note_failure(&error, checkpoint_blob(PARTITIONS[step.partition]), call);
            }
        }
    }
}

#[maybe_async]
impl Model {
    pub async fn run(mut self, steps: &[Step]) -> Checked {
        for (index, step) in steps.iter().enumerate() {
            self.step(step).await.map_err(|fault| format!("step {index}, {step:?}: {fault}"))?;
        }
        self.check_end()
    }

    async fn step(&mut self, step: &Step) -> Checked {
        self.prepare_intrusions(step);
        self.direct.service.queue_faults(step.faults.iter().map(|fault| fault.fault()));
        let done = match step.action {
            Action::Claim => self.claim(step, &[PARTITIONS[step.partition]]).await,
            Action::ClaimAll => self.claim(step, &PARTITIONS).await,
            Action::FirstClaim => {
                let claim = ownership(PARTITIONS[step.partition], OWNERS[step.owner]);
                self.claim_records(step, &[claim]).await
            }
            Action::Relinquish => self.relinquish(step).await,
            Action::Checkpoint => self.checkpoint(step).await,
            Action::DeleteCheckpoint => self.delete(step).await,
            Action::FencedCheckpoint => self.fenced_checkpoint(step).await,
            Action::OldFencedCheckpoint => self.old_fenced_checkpoint(step).await,
            Action::Read => self.read(step).await,
            Action::List => self.list().await,
            Action::Arrive => {
                self.arrive();
                Ok(())
            }
        };
        self.direct.service.clear_faults();
        self.direct.forget_intrusions();
        done
    }

    async fn claim(&mut self, step: &Step, partition_ids: &[&str]) -> Checked {
        // A failed list is no empty one: nothing is claimed then.
        let Ok(listing) = self.store.list_ownership(&group()).await else {
            return Ok(());
        };
        let owner = OWNERS[step.owner];
        let claim = |id: &&str| match listing.iter().find(|record| record.partition_id() == *id) {
            Some(record) => record.claimed_by(owner).unwrap(),
            None => ownership(id, owner),
        };
        let claims: Vec<_> = partition_ids.iter().map(claim).collect();
        self.claim_records(step, &claims).await
    }

    async fn claim_records(&mut self, step: &Step, claims: &[PartitionOwnership]) -> Checked {
        let call = self.begin();
        let outcomes = self.store.claim_ownership(claims).await;
        for (claim, outcome) in claims.iter().zip(outcomes.outcomes()) {
            self.check_claim(OWNERS[step.owner], claim, outcome, &call)?;
        }
        Ok(())
    }

    async fn relinquish(&mut self, step: &Step) -> Checked {
        let Some(held) = self.held[step.owner][step.partition].take() else {
            return Ok(());
        };
        let call = self.begin();
        let relinquished = self.store.relinquish_ownership(std::slice::from_ref(&held)).await;
        match &relinquished.outcomes()[0] {
            RelinquishOutcome::Released(released) if released.etag().is_some() => {
                self.check_win(released, "", &call).map(drop)
            }
            // It had vanished.
            RelinquishOutcome::Released(_) => self.check_loss(&held, &call),
            RelinquishOutcome::Lost(lost) => self.check_loss(lost, &call),
            RelinquishOutcome::Failed(_, error) => {
                self.note_failure(error, ownership_blob(held.partition_id()), &call);
                Ok(())
            }
            other => Err(format!("an outcome that the model does not know: {other:?}")),
        }
    }

    async fn checkpoint(&mut self, step: &Step) -> Checked {
        self.next_number += 1;
        let number = self.next_number;
        let call = self.begin();
        let written = checkpoint(PARTITIONS[step.partition], &number.to_string(), number);
        let result = self.store.update_checkpoint(&written).await;
        self.note_checkpoint(step, Some(number), result, &call);
        Ok(())
    }

    async fn delete(&mut self, step: &Step) -> Checked {
        let call = self.begin();
        let result = self.store.delete_checkpoint(&group(), PARTITIONS[step.partition]).await;
        self.note_checkpoint(step, None, result, &call);
        Ok(())
    }

    async fn fenced_checkpoint(&mut self, step: &Step) -> Checked {
        self.next_number += 1;
        let number = self.next_number;
        let call = self.begin();
        let written = checkpoint(FENCED, &number.to_string(), number);
        match self.fenced[step.owner].update_checkpoint(&written).await {
            Ok(update) if update.is_written() => self.expected_behind_fence.acknowledge(number),
            Ok(update) => return Err(format!("the latest position is {update:?}")),
            Err(error) => {
                if error.is_outcome_unknown() {
                    self.expected_behind_fence.may_be(number);
                }
                self.note_failure(&error, checkpoint_blob(FENCED), &call);
            }
        }
        Ok(())
    }

    async fn old_fenced_checkpoint(&mut self, step: &Step) -> Checked {
        let Some(last) = self.expected_behind_fence.last() else {
            return Ok(());
        };
        let old = checkpoint(FENCED, "old", last - 1);
        match self.fenced[step.owner].update_checkpoint(&old).await {
            Ok(update) if update.is_written() => {
                Err(format!("{} was written over {last}", last - 1))
            }
            // What a late attempt may have written is still not this one.
            _ => Ok(()),
        }
    }

    async fn read(&mut self, step: &Step) -> Checked {
        let partition_id = PARTITIONS[step.partition];
        let found = self.store.get_checkpoint(&group(), partition_id).await;
        if let Ok(found) = found {
            self.expected[step.partition].check(found.and_then(|it| it.sequence_number()))?;
        }
        let found = self.fenced[step.owner].get_checkpoint(&group(), FENCED).await;
        if let Ok(found) = found {
            self.expected_behind_fence.check(found.and_then(|it| it.sequence_number()))?;
        }
        Ok(())
    }

    async fn list(&mut self) -> Checked {
        let Ok(listing) = self.store.list_checkpoints(&group()).await else {
            return Ok(());
        };
        let numbers: HashMap<_, _> =
            listing.iter().map(|it| (it.partition_id(), it.sequence_number())).collect();
        let number = |id: &str| numbers.get(id).copied().flatten();
        for (id, expected) in PARTITIONS.iter().zip(&self.expected) {
            expected.check(number(id))?;
        }
        self.expected_behind_fence.check(number(FENCED))
    }
}

impl Model {
    fn check_claim(
        &mut self,
        owner: &'static str,
        claim: &PartitionOwnership,
        outcome: &ClaimOutcome,
        call: &Call,
    ) -> Checked {
        match outcome {
            ClaimOutcome::Claimed(won) => {
                let etag = self.check_win(won, owner, call)?;
                let earlier = self.winners.insert(etag, owner);
                if earlier.is_some_and(|earlier| earlier != owner) {
                    return Err(format!("{earlier:?} and {owner} won the same version"));
                }
                self.hold(owner, won);
                Ok(())
            }
            ClaimOutcome::Lost(lost, _) => self.check_loss(lost, call),
            ClaimOutcome::Failed(_, error) => {
                self.note_failure(error, ownership_blob(claim.partition_id()), call);
                Ok(())
            }
            other => Err(format!("an outcome that the model does not know: {other:?}")),
        }
    }

    fn hold(&mut self, owner: &str, won: &PartitionOwnership) {
        let position = |names: &[&str], name| names.iter().position(|it| *it == name).unwrap();
        let partition = position(&PARTITIONS, won.partition_id());
        self.held[position(&OWNERS, owner)][partition] = Some(won.clone());
    }
}

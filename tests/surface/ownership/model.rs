//! Consumers on a model clock, over one in-memory store whose service's clock is the model's, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::ownership::StartingPositions;
use eventhub_checkpointstore::{
    Applied, Checkpoint, CheckpointUpdate, ClaimOutcome, Claims, ConsumerGroup, Error, ErrorKind,
    Listing, PartitionOwnership, RelinquishOutcome, Relinquished,
};

use super::super::subject::{
    BlobCheckpointStore, CheckpointStore, OwnershipManager, OwnershipManagerBuilder,
};
use super::super::{group, maybe_async};

/// The state that the consumers of one test share: the blobs, and the time.
#[derive(Clone)]
pub struct Model {
    pub store: BlobCheckpointStore,
    elapsed: Arc<Mutex<Duration>>,
    written: Arc<Mutex<HashMap<String, Written>>>,
    takeovers: Arc<Mutex<Vec<Takeover>>>,
    jump: Arc<Mutex<Option<(usize, u64)>>>,
}

/// The owner of a record, and when it was written, by the service's clock.
type Written = (Option<String>, SystemTime);

/// A record that got another owner.
pub struct Takeover {
    pub partition_id: String,
    pub from: String,
    /// How old the former owner's record was.
    pub age: Duration,
}

impl Model {
    pub fn new() -> Self {
        Self {
            store: BlobCheckpointStore::in_memory(),
            elapsed: Arc::default(),
            written: Arc::default(),
            takeovers: Arc::default(),
            jump: Arc::default(),
        }
    }

    pub fn advance(&self, seconds: u64) {
        self.advance_by(Duration::from_secs(seconds));
    }

    fn advance_by(&self, time: Duration) {
        *self.elapsed.lock().unwrap() += time;
    }

    /// Lets the time pass when a consumer has looked at its clock so often.
    pub fn advance_after_looks(&self, looks: usize, seconds: u64) {
        *self.jump.lock().unwrap() = Some((looks, seconds));
    }

    pub fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap()
    }

    /// The service's clock, which has whole seconds.
    fn server_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.elapsed().as_secs())
    }

    fn note_written(&self, record: &PartitionOwnership) {
        let (partition_id, owner) = (record.partition_id(), record.owner_id().map(str::to_owned));
        let now = self.server_time();
        let before =
            self.written.lock().unwrap().insert(partition_id.to_owned(), (owner.clone(), now));
        let Some((Some(from), written)) = before else { return };
        if Some(&from) != owner.as_ref() {
            let age = now.duration_since(written).unwrap();
            let partition_id = partition_id.to_owned();
            self.takeovers.lock().unwrap().push(Takeover { partition_id, from, age });
        }
    }

    /// Those since the last time.
    pub fn take_takeovers(&self) -> Vec<Takeover> {
        std::mem::take(&mut *self.takeovers.lock().unwrap())
    }

    fn dated(&self, record: PartitionOwnership) -> PartitionOwnership {
        let (_, written) = self.written.lock().unwrap()[record.partition_id()];
        record.with_last_modified(written)
    }

    pub fn consumer(&self, owner_id: &str) -> Consumer {
        self.consumer_with(owner_id, OwnershipOptions::default(), StartingPositions::default())
    }

    pub fn consumer_with(
        &self,
        owner_id: &str,
        options: OwnershipOptions,
        positions: StartingPositions,
    ) -> Consumer {
        self.consumer_built(owner_id, |builder| {
            builder.options(options).starting_positions(positions)
        })
    }

    pub fn consumer_built(
        &self,
        owner_id: &str,
        configure: impl FnOnce(OwnershipManagerBuilder) -> OwnershipManagerBuilder,
    ) -> Consumer {
        let script = Script::default();
        let store = ModelStore {
            model: self.clone(),
            origin: Instant::now(),
            script: script.clone(),
            kept: Arc::default(),
            limit: None,
        };
        let builder = OwnershipManager::builder(store, &group(), owner_id);
        Consumer { manager: configure(builder).build().unwrap(), script }
    }
}

/// A manager, and what is to go wrong with its calls.
pub struct Consumer {
    pub manager: OwnershipManager,
    pub script: Script,
}

impl std::ops::Deref for Consumer {
    type Target = OwnershipManager;

    fn deref(&self) -> &OwnershipManager {
        &self.manager
    }
}

/// One thing a store is asked for; claims one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    ListOwnership,
    Claim(String),
    Relinquish(String),
    ListCheckpoints,
}

/// The outcome of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Act {
    #[default]
    Pass,
    /// It is not done, and fails.
    Fail,
    /// It is done, and fails.
    LoseResponse,
    /// It is not done, and nobody knows.
    Vanish,
    /// It is done so many seconds later, and its response arrives.
    Late(u64),
    /// It is not done, and fails when the limit of the call is over.
    Hang,
    /// It is not done, and fails so many seconds later.
    FailLate(u64),
    /// Another consumer claims the partition first.
    Rival(&'static str),
    /// The list gets a response, and is kept.
    Keep,
    /// The list is the kept one, as a secondary that lags behind shows it.
    Stale,
}

type Choose = Box<dyn FnMut(&Call) -> Act + Send>;

#[derive(Clone, Default)]
pub struct Script {
    choose: Arc<Mutex<Option<Choose>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Script {
    pub fn set(&self, choose: impl FnMut(&Call) -> Act + Send + 'static) {
        *self.choose.lock().unwrap() = Some(Box::new(choose));
    }

    pub fn clear(&self) {
        *self.choose.lock().unwrap() = None;
    }

    /// Returns the calls since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn next(&self, call: Call) -> Act {
        let act = self.choose.lock().unwrap().as_mut().map(|choose| choose(&call));
        self.calls.lock().unwrap().push(call);
        act.unwrap_or_default()
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::Service, "scripted")
}

fn claimed_for_nobody(outcome: RelinquishOutcome) -> ClaimOutcome {
    match outcome {
        RelinquishOutcome::Released(record) => ClaimOutcome::Claimed(record),
        RelinquishOutcome::Lost(record) => ClaimOutcome::Lost(record, None),
        RelinquishOutcome::Failed(record, error) => ClaimOutcome::Failed(record, error),
        other => panic!("{other:?}"),
    }
}

fn of_unknown_outcome(ownership: &PartitionOwnership) -> ClaimOutcome {
    ClaimOutcome::Failed(ownership.clone(), failed().with_applied(Applied::Unknown))
}

#[derive(Clone)]
struct ModelStore {
    model: Model,
    origin: Instant,
    script: Script,
    kept: Arc<Mutex<Vec<PartitionOwnership>>>,
    limit: Option<Duration>,
}

impl ModelStore {
    fn hang(&self) -> Error {
        self.model.advance_by(self.limit.expect("every call has a limit"));
        Error::new(ErrorKind::Timeout, "scripted")
    }
}

#[maybe_async]
impl ModelStore {
    async fn change(&self, ownership: &PartitionOwnership, call: Call) -> ClaimOutcome {
        let act = self.script.next(call.clone());
        match act {
            Act::Fail => return ClaimOutcome::Failed(ownership.clone(), failed()),
            Act::Vanish => return of_unknown_outcome(ownership),
            Act::Hang => {
                let error = self.hang().with_applied(Applied::Unknown);
                return ClaimOutcome::Failed(ownership.clone(), error);
            }
            Act::Late(seconds) => self.model.advance(seconds),
            Act::Rival(rival) => {
                let taken = ownership.claimed_by(rival).unwrap();
                let claims = self.model.store.claim_ownership(std::slice::from_ref(&taken)).await;
                assert!(claims.all_claimed());
                self.model.note_written(&taken);
            }
            _ => {}
        }
        let one = std::slice::from_ref(ownership);
        let outcome = match call {
            Call::Relinquish(_) => {
                let outcomes = self.model.store.relinquish_ownership(one).await;
                claimed_for_nobody(outcomes.into_iter().next().unwrap())
            }
            _ => {
                let outcomes = self.model.store.claim_ownership(one).await;
                outcomes.into_iter().next().unwrap()
            }
        };
        match outcome {
            ClaimOutcome::Claimed(record) => {
                self.model.note_written(&record);
                if act == Act::LoseResponse {
                    return of_unknown_outcome(ownership);
                }
                ClaimOutcome::Claimed(self.model.dated(record))
            }
            other => other,
        }
    }
}

#[maybe_async]
impl CheckpointStore for ModelStore {
    async fn list_ownership(
        &self,
        group: &ConsumerGroup,
    ) -> Result<Listing<PartitionOwnership>, Error> {
        let act = self.script.next(Call::ListOwnership);
        match act {
            Act::Fail | Act::LoseResponse => return Err(failed()),
            Act::Hang => return Err(self.hang()),
            Act::Late(seconds) => self.model.advance(seconds),
            Act::FailLate(seconds) => {
                self.model.advance(seconds);
                return Err(failed());
            }
            _ => {}
        }
        let listing = self.model.store.list_ownership(group).await?;
        let records = listing.into_items().into_iter().map(|record| self.model.dated(record));
        let mut records: Vec<_> = records.collect();
        match act {
            Act::Keep => records.clone_into(&mut self.kept.lock().unwrap()),
            Act::Stale => self.kept.lock().unwrap().clone_into(&mut records),
            _ => {}
        }
        let listing = Listing::new(records, Vec::new(), self.model.server_time());
        Ok(listing.with_from_secondary(act == Act::Stale))
    }

    async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        let mut outcomes = Vec::new();
        for ownership in ownerships {
            let call = Call::Claim(ownership.partition_id().to_owned());
            outcomes.push(self.change(ownership, call).await);
        }
        Claims::new(outcomes)
    }

    async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        let mut outcomes = Vec::new();
        for ownership in ownerships {
            let call = Call::Relinquish(ownership.partition_id().to_owned());
            outcomes.push(self.change(ownership, call).await);
        }
        Claims::new(outcomes).into()
    }

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>, Error> {
        match self.script.next(Call::ListCheckpoints) {
            Act::Fail | Act::LoseResponse => return Err(failed()),
            Act::Hang => return Err(self.hang()),
            Act::Late(seconds) => self.model.advance(seconds),
            _ => {}
        }
        self.model.store.list_checkpoints(group).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate, Error> {
        self.model.store.update_checkpoint(checkpoint).await.map(CheckpointUpdate::from)
    }

    fn with_time_limit(&self, limit: Duration) -> Option<Box<dyn CheckpointStore>> {
        Some(Box::new(Self { limit: Some(limit), ..self.clone() }))
    }

    /// The calls come one after the other, so that the script and the clock are the same in each run.
    fn claim_concurrency(&self) -> usize {
        1
    }

    fn clock(&self) -> &dyn Clock {
        self
    }
}

impl Clock for ModelStore {
    fn now(&self) -> Instant {
        let mut jump = self.model.jump.lock().unwrap();
        *jump = match *jump {
            Some((0, seconds)) => {
                self.model.advance(seconds);
                None
            }
            jump => jump.map(|(looks, seconds)| (looks - 1, seconds)),
        };
        self.origin + self.model.elapsed()
    }

    fn system_time(&self) -> SystemTime {
        self.model.server_time()
    }
}

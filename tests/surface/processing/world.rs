//! A fleet's surroundings in model time: the event hub, the store with its faults, and what was handled by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::memory::{EventHub, EventHubSource};
use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::processing::{
    CloseReason, HandlerError, ReceivedEvent, StopHandle, Summary,
};
use eventhub_checkpointstore::{
    Applied, Checkpoint, CheckpointUpdate, ClaimOutcome, Claims, Clock, ConsumerGroup, Error,
    ErrorKind, Listing, PartitionOwnership, Relinquished, Result,
};

use super::super::subject::{
    BlobCheckpointStore, CheckpointStore, EventHubConsumerClient, EventHubConsumerClientBuilder,
    EventProcessor, FencedCheckpointStore, PartitionContext, PartitionHandler,
};
use super::{Running, Time, maybe_async};

/// What the store is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    ListOwnership,
    Claim(String),
    Relinquish(String),
    ListCheckpoints,
    GetCheckpoint,
    Update(String),
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Act {
    #[default]
    Pass,
    /// It takes so long, and is done.
    Slow(Duration),
    /// It is not done, and fails after so long.
    Fail(Duration),
    /// It is done, and the response is lost.
    LoseResponse,
    /// It is not done, and panics.
    Panic,
}

/// How long a former owner may go on beside the next one: until its next round, and what it has begun then.
const OVERLAP: Duration = Duration::from_secs(20);

type Script = Arc<dyn Fn(&str, &Call) -> Act + Send + Sync>;

/// One thing that happened, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub at: Duration,
    pub member: String,
    pub partition_id: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Opened,
    Began(i64),
    Handled(i64),
    Closing(String),
    Stored(i64),
    Claimed,
    Relinquished,
}

#[derive(Clone)]
pub struct World {
    pub time: Time,
    pub hub: EventHub,
    pub blobs: BlobCheckpointStore,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    script: Option<Script>,
    written: BTreeMap<String, SystemTime>,
    /// How often each event was handled.
    handled: BTreeMap<String, Vec<u32>>,
    /// The number of events that were handled, counted once, and how many times more.
    once: usize,
    again: usize,
    log: Vec<Entry>,
    keeps_log: bool,
    violations: Vec<String>,
    dead: BTreeSet<String>,
    /// Below these numbers all is handled.
    complete: BTreeMap<String, usize>,
    /// Who opened a partition last, and when. Threads that open it at the same instant report that in any order. So they
    /// all are here, until one of them goes on reading.
    openers: BTreeMap<String, (Vec<String>, Duration)>,
    opened: usize,
    /// Checkpoints that were stored.
    stored: BTreeMap<String, i64>,
    /// The same, from the first on, and when.
    stores: BTreeMap<String, Vec<(Duration, i64)>>,
    /// What each reader of a partition may repeat, by member and partition.
    readers: BTreeMap<(String, String), Repeats>,
    /// Who closed a partition last, and why.
    closed: BTreeMap<String, (String, String)>,
    /// The last event whose handler returned `Ok`, by member and partition.
    last_done: BTreeMap<(String, String), i64>,
    /// Who gave a partition up, until it is opened again.
    given_up: BTreeMap<String, String>,
    handovers: Vec<Handover>,
}

/// What a reader may repeat: the events above this checkpoint, up to this number, which others handled before.
#[derive(Clone, Copy)]
struct Repeats {
    stored: i64,
    seen: i64,
}

/// A partition that was opened after its former reader had stopped.
#[derive(Debug, Clone)]
pub struct Handover {
    pub from: String,
    pub partition_id: String,
    /// How far the checkpoint is behind what the former reader has done.
    pub repeats: i64,
}

impl World {
    pub fn new(partitions: usize) -> Self {
        let time = Time::new();
        let hub = time.hub(partitions);
        let shared = Shared { keeps_log: true, ..Shared::default() };
        let blobs = BlobCheckpointStore::in_memory();
        Self { time, hub, blobs, shared: Arc::new(Mutex::new(shared)) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn publish(&self, partition_id: &str, count: usize) {
        for _ in 0..count {
            self.hub.publish(partition_id, "x").unwrap();
        }
    }

    pub fn publish_to_all(&self, count: usize) {
        for partition_id in self.hub.partition_ids() {
            self.publish(&partition_id, count);
        }
    }

    pub fn source(&self) -> EventHubSource {
        self.hub.consumer_group("$Default").unwrap()
    }

    pub fn group(&self) -> ConsumerGroup {
        ConsumerGroup::new("memory.servicebus.windows.net", "events", "$Default").unwrap()
    }

    pub fn without_log(&self) {
        self.lock().keeps_log = false;
    }

    /// What becomes of the calls of the stores from now on.
    pub fn script(&self, script: impl Fn(&str, &Call) -> Act + Send + Sync + 'static) {
        self.lock().script = Some(Arc::new(script));
    }

    pub fn heal(&self) {
        self.lock().script = None;
    }

    /// The store as one member of the fleet sees it, with a fence of its own.
    pub fn store(&self, member: &str) -> WorldStore {
        let checkpoints = self.blobs.fenced();
        WorldStore { world: self.clone(), member: member.to_owned(), checkpoints }
    }

    pub fn builder(&self, member: &str) -> EventHubConsumerClientBuilder {
        let builder = EventHubConsumerClient::builder(self.source(), self.store(member));
        self.time.build(builder.owner_id(member).ownership_options(OwnershipOptions::default()))
    }

    /// Runs a consumer beside the test, with what its handler does.
    pub fn run(
        &self,
        member: &str,
        builder: EventHubConsumerClientBuilder,
        behavior: impl Fn(&str, i64, u32) -> Behavior + Send + Sync + 'static,
    ) -> Member {
        let processor = builder.build_processor().unwrap();
        let stop = processor.stop_handle();
        let recorder = self.recorder(member, stop.clone(), behavior);
        let running = self.time.spawn((processor, recorder), run);
        Member { stop, running }
    }

    pub fn recorder(
        &self,
        member: &str,
        stop: StopHandle,
        behavior: impl Fn(&str, i64, u32) -> Behavior + Send + Sync + 'static,
    ) -> Recorder {
        let (world, behavior) = (self.clone(), Arc::new(behavior));
        Recorder { world, member: member.to_owned(), stop, behavior }
    }

    pub fn note(&self, member: &str, partition_id: &str, what: What) {
        let at = self.time.elapsed();
        let mut shared = self.lock();
        if shared.keeps_log {
            let (member, partition_id) = (member.to_owned(), partition_id.to_owned());
            shared.log.push(Entry { at, member, partition_id, what });
        }
    }

    pub fn log(&self) -> Vec<Entry> {
        self.lock().log.clone()
    }

    pub fn log_of(&self, partition_id: &str) -> Vec<What> {
        let log = self.log().into_iter();
        log.filter(|entry| entry.partition_id == partition_id).map(|entry| entry.what).collect()
    }

    /// The numbers of a partition's events, in the order in which they were handled.
    pub fn handled_in_order(&self, partition_id: &str) -> Vec<i64> {
        let log = self.log_of(partition_id).into_iter();
        log.filter_map(|what| match what {
            What::Handled(number) => Some(number),
            _ => None,
        })
        .collect()
    }

    pub fn note_handled(&self, member: &str, partition_id: &str, number: i64) {
        self.note_handled_at(member, partition_id, number, 1);
    }

    /// Notes an event that was handled at an attempt. Whoever handles an event again must have a reason.
    fn note_handled_at(&self, member: &str, partition_id: &str, number: i64, attempt: u32) {
        self.note(member, partition_id, What::Handled(number));
        let mut shared = self.lock();
        if !shared.handled.contains_key(partition_id) {
            shared.handled.insert(partition_id.to_owned(), Vec::new());
        }
        let counts = shared.handled.get_mut(partition_id).unwrap();
        let index = usize::try_from(number).unwrap();
        if counts.len() <= index {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
        let is_first = counts[index] == 1;
        *if is_first { &mut shared.once } else { &mut shared.again } += 1;
        if !is_first && attempt == 1 {
            self.judge_repeat(&mut shared, member, partition_id, number);
        }
        let complete = shared.complete.get(partition_id).copied().unwrap_or_default();
        let counts = &shared.handled[partition_id];
        let more = counts[complete..].iter().take_while(|count| **count > 0).count();
        if more > 0 {
            shared.complete.insert(partition_id.to_owned(), complete + more);
        }
        if let Some((openers, at)) = shared.openers.get_mut(partition_id)
            && self.time.elapsed() > *at + OVERLAP
        {
            if openers.iter().any(|opener| opener == member) {
                openers.retain(|opener| opener == member);
            } else {
                let openers = openers.join(" or ");
                let text =
                    format!("{member} handled {number} of {partition_id}, which {openers} reads");
                shared.violations.push(text);
            }
        }
    }

    fn note_done(&self, member: &str, partition_id: &str, number: i64) {
        let key = (member.to_owned(), partition_id.to_owned());
        let mut shared = self.lock();
        let last = shared.last_done.entry(key).or_insert(number);
        *last = number.max(*last);
    }

    /// A reader may repeat what was handled before it came and was not stored, and what the former owner does meanwhile.
    fn judge_repeat(&self, shared: &mut Shared, member: &str, partition_id: &str, number: i64) {
        let key = (member.to_owned(), partition_id.to_owned());
        let Some(Repeats { stored, seen }) = shared.readers.get(&key).copied() else { return };
        let overlaps = shared
            .openers
            .get(partition_id)
            .is_some_and(|(_, at)| self.time.elapsed() <= *at + OVERLAP);
        if number <= stored || (number > seen && !overlaps) {
            let text = format!(
                "{member} repeated {number} of {partition_id}, which it opened behind {stored}, when {seen} was the last"
            );
            shared.violations.push(text);
        }
    }

    /// Which partitions were opened after their former reader had stopped.
    pub fn handovers(&self) -> Vec<Handover> {
        self.lock().handovers.clone()
    }

    fn note_closing(&self, member: &str, partition_id: &str, reason: &CloseReason) {
        self.note(member, partition_id, What::Closing(reason.to_string()));
        let closed = (member.to_owned(), reason.to_string());
        self.lock().closed.insert(partition_id.to_owned(), closed);
    }

    /// The process of a member is gone: whatever it does from now on has no effect.
    pub fn kill(&self, member: &str) {
        self.lock().dead.insert(member.to_owned());
    }

    pub fn is_dead(&self, member: &str) -> bool {
        self.lock().dead.contains(member)
    }

    fn note_opened(&self, member: &str, partition_id: &str) {
        self.note(member, partition_id, What::Opened);
        let at = self.time.elapsed();
        let mut shared = self.lock();
        shared.opened += 1;
        let handled = shared.handled.get(partition_id);
        let seen = handled.map_or(-1, |counts| counts.len() as i64 - 1);
        let stored = shared.stored.get(partition_id).copied().unwrap_or(-1);
        // A partition may also have been taken before its reader stopped.
        if let Some((from, reason)) = shared.closed.get(partition_id)
            && reason == "stopped"
            && shared.given_up.get(partition_id) == Some(from)
        {
            let key = (from.clone(), partition_id.to_owned());
            let last = shared.last_done.get(&key).copied().unwrap_or(-1);
            let repeats = (last - stored).max(0);
            let (from, partition_id) = (from.clone(), partition_id.to_owned());
            shared.handovers.push(Handover { from, partition_id, repeats });
        }
        // A former owner may have stored more since this one read its position.
        let stores = shared.stores.get(partition_id).map_or(&[][..], Vec::as_slice);
        let before = stores.iter().take_while(|(stored_at, _)| *stored_at + OVERLAP <= at);
        let stored = before.last().map_or(-1, |(_, number)| *number);
        let key = (member.to_owned(), partition_id.to_owned());
        // What it handled as an earlier owner is no longer its own.
        shared.last_done.remove(&key);
        shared.readers.insert(key, Repeats { stored, seen });
        shared.given_up.remove(partition_id);
        let openers = shared.openers.entry(partition_id.to_owned()).or_default();
        if openers.1 != at {
            *openers = (Vec::new(), at);
        }
        openers.0.push(member.to_owned());
    }

    /// How often a partition was opened by anybody.
    pub fn opened(&self) -> usize {
        self.lock().opened
    }

    /// Whether the checkpoint of a partition is at its last event.
    pub fn is_stored_to_the_end(&self, partition_id: &str) -> bool {
        let shared = self.lock();
        let handled = shared.handled.get(partition_id).map_or(0, Vec::len);
        let stored = shared.stored.get(partition_id).copied();
        stored.map_or(0, |number| usize::try_from(number).unwrap() + 1) == handled
    }

    /// How many events were handled, counted once, and how many times more.
    pub fn handled(&self) -> (usize, usize) {
        let shared = self.lock();
        (shared.once, shared.again)
    }

    /// The number at which the stored checkpoint of a partition is.
    pub fn stored(&self, partition_id: &str) -> Option<i64> {
        self.lock().stored.get(partition_id).copied()
    }

    /// A checkpoint may only be where all before it is handled.
    fn judge(&self, member: &str, checkpoint: &Checkpoint) {
        let Some(number) = checkpoint.sequence_number() else { return };
        let id = checkpoint.partition_id();
        self.note(member, id, What::Stored(number));
        let mut shared = self.lock();
        shared.stored.insert(id.to_owned(), number);
        let at = self.time.elapsed();
        shared.stores.entry(id.to_owned()).or_default().push((at, number));
        let complete = shared.complete.get(id).copied().unwrap_or_default();
        if complete <= usize::try_from(number).unwrap() {
            let text = format!("{member} stored {number} of partition {id} too early");
            shared.violations.push(text);
        }
    }

    #[track_caller]
    pub fn assert_no_violation(&self) {
        let violations = self.lock().violations.clone();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

#[maybe_async]
impl World {
    /// Waits until something is so; model time is no object.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        for _ in 0..20_000 {
            if is_so(self) {
                return;
            }
            self.time.sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "not within 2,000 s: {what}; {:?}",
            self.log().iter().rev().take(20).collect::<Vec<_>>()
        );
    }

    pub async fn until_handled(&self, events: usize) {
        self.until("events are handled", |world| world.handled().0 >= events).await;
    }
}

#[maybe_async]
async fn run((processor, recorder): (EventProcessor, Recorder)) -> Result<Summary> {
    processor.run(move |_partition| recorder.clone()).await
}

/// A consumer beside the test.
pub struct Member {
    pub stop: StopHandle,
    pub running: Running<Result<Summary>>,
}

#[maybe_async]
impl Member {
    pub async fn stop(self) -> Summary {
        self.stop.stop();
        self.running.join().await.unwrap()
    }
}

/// What a handler does with an event at an attempt.
pub enum Behavior {
    Handle,
    /// It is handled, and its consumer is asked to stop meanwhile.
    HandleAndStop,
    /// It is handled after so long.
    Take(Duration),
    Fail(HandlerError),
    Panic,
}

/// By partition, number and attempt.
pub type Choose = dyn Fn(&str, i64, u32) -> Behavior + Send + Sync;

/// Handles events as the test says, and records it.
#[derive(Clone)]
pub struct Recorder {
    world: World,
    member: String,
    stop: StopHandle,
    behavior: Arc<Choose>,
}

#[maybe_async]
impl PartitionHandler for Recorder {
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        let id = partition.partition_id();
        for event in events {
            let number = event.sequence_number();
            self.alive()?;
            self.world.note(&self.member, id, What::Began(number));
            match (self.behavior)(id, number, partition.attempt()) {
                Behavior::Handle => {}
                Behavior::HandleAndStop => self.stop.stop(),
                Behavior::Take(duration) => self.world.time.sleep(duration).await,
                Behavior::Fail(error) => return Err(error),
                Behavior::Panic => panic!("a handler panics, as the test wants it"),
            }
            self.alive()?;
            self.world.note_handled_at(&self.member, id, number, partition.attempt());
        }
        if let Some(last) = events.last() {
            self.world.note_done(&self.member, id, last.sequence_number());
        }
        Ok(())
    }

    async fn opened(&self, partition: &PartitionContext) -> Result<(), HandlerError> {
        self.world.note_opened(&self.member, partition.partition_id());
        Ok(())
    }

    async fn closing(&self, partition: &PartitionContext, reason: &CloseReason) {
        self.world.note_closing(&self.member, partition.partition_id(), reason);
    }
}

impl Recorder {
    fn alive(&self) -> Result<(), HandlerError> {
        if self.world.is_dead(&self.member) { Err(HandlerError::stop("killed")) } else { Ok(()) }
    }
}

/// The store of one member: its records are dated by the model, and its calls fail as the test says.
pub struct WorldStore {
    world: World,
    member: String,
    checkpoints: FencedCheckpointStore,
}

fn failed() -> Error {
    Error::new(ErrorKind::Service, "scripted")
}

#[maybe_async]
impl WorldStore {
    /// `Err` if the call is not done.
    async fn begin(&self, call: Call) -> Result<Act> {
        if self.world.is_dead(&self.member) {
            return Err(failed());
        }
        let script = self.world.lock().script.clone();
        let act = script.map_or(Act::Pass, |script| script(&self.member, &call));
        match act {
            Act::Slow(duration) => self.world.time.sleep(duration).await,
            Act::Fail(duration) => {
                if !duration.is_zero() {
                    self.world.time.sleep(duration).await;
                }
                return Err(failed());
            }
            Act::Panic => panic!("a store panics, as the test wants it"),
            Act::Pass | Act::LoseResponse => {}
        }
        // It may have died meanwhile.
        if self.world.is_dead(&self.member) { Err(failed()) } else { Ok(act) }
    }

    async fn change(&self, ownership: &PartitionOwnership, call: Call) -> ClaimOutcome {
        let what = match &call {
            Call::Relinquish(_) => What::Relinquished,
            _ => What::Claimed,
        };
        let act = match self.begin(call).await {
            Ok(act) => act,
            Err(error) => return ClaimOutcome::Failed(ownership.clone(), error),
        };
        let record = match what {
            What::Relinquished => ownership.released(),
            _ => ownership.clone(),
        };
        let claims = self.world.blobs.claim_ownership(std::slice::from_ref(&record)).await;
        match claims.into_iter().next().unwrap() {
            ClaimOutcome::Claimed(record) => {
                let id = record.partition_id().to_owned();
                let now = self.world.time.system_time();
                self.world.lock().written.insert(id.clone(), now);
                if what == What::Relinquished {
                    self.world.lock().given_up.insert(id.clone(), self.member.clone());
                }
                self.world.note(&self.member, &id, what);
                if act == Act::LoseResponse {
                    let error = failed().with_applied(Applied::Unknown);
                    return ClaimOutcome::Failed(ownership.clone(), error);
                }
                ClaimOutcome::Claimed(record.with_last_modified(now))
            }
            other => other,
        }
    }
}

#[maybe_async]
impl CheckpointStore for WorldStore {
    async fn list_ownership(&self, group: &ConsumerGroup) -> Result<Listing<PartitionOwnership>> {
        self.begin(Call::ListOwnership).await?;
        let listing = self.world.blobs.list_ownership(group).await?;
        let shared = self.world.lock();
        let dated = listing.into_items().into_iter().map(|record| {
            let written = shared.written.get(record.partition_id()).copied();
            record.with_last_modified(written.unwrap_or(SystemTime::UNIX_EPOCH))
        });
        Ok(Listing::new(dated.collect(), Vec::new(), self.world.time.system_time()))
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

    async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        self.begin(Call::ListCheckpoints).await?;
        self.checkpoints.list_checkpoints(group).await
    }

    async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        self.begin(Call::GetCheckpoint).await?;
        self.checkpoints.get_checkpoint(group, partition_id).await
    }

    async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointUpdate> {
        let call = Call::Update(checkpoint.partition_id().to_owned());
        let act = self.begin(call).await?;
        let update = self.checkpoints.update_checkpoint(checkpoint).await?;
        if update.is_written() {
            self.world.judge(&self.member, checkpoint);
        }
        if act == Act::LoseResponse {
            return Err(failed().with_applied(Applied::Unknown));
        }
        Ok(update)
    }

    /// One after the other, so that no thread claims of which the model's clock does not know.
    fn claim_concurrency(&self) -> usize {
        1
    }

    fn clock(&self) -> &dyn Clock {
        &self.world.time
    }
}

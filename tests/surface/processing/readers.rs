//! Readers may end together with events, append more than asked for, lose their position, and panic.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhub_checkpointstore::memory::EventHubSource;
use eventhub_checkpointstore::processing::{
    CheckpointOutcome, CheckpointPolicy, EventHubProperties, LastEnqueued, Observer, OpenPartition,
    PartitionProperties, ReadEnd, ReceivedEvent,
};
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, Error, ErrorKind, Result};

use super::super::subject::{EventHubConsumerClient, EventSource, PartitionReader};
use super::world::{Behavior, World};
use super::{SECOND, maybe_async, test};

fn handle(_: &str, _: i64, _: u32) -> Behavior {
    Behavior::Handle
}

/// The action of a reader in a receive, by its number.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// Every third receive ends the link, with the events that it appended, and one loses the position.
    EndsWithEvents,
    /// It appends twice what it is asked for.
    AppendsMore,
    /// Every third receive panics.
    Panics,
    /// Every third call for the properties panics, and so does every third open.
    SourcePanics,
}

/// The event hub in memory with readers that have a habit.
struct Source {
    inner: EventHubSource,
    habit: Habit,
    receives: Arc<AtomicUsize>,
    calls: AtomicUsize,
    /// How often the properties of a partition cannot be read.
    failures: AtomicUsize,
}

struct Reader {
    inner: Box<dyn PartitionReader>,
    habit: Habit,
    receives: Arc<AtomicUsize>,
}

impl Source {
    fn new(world: &World, habit: Habit) -> Self {
        let (receives, calls, failures) =
            (Arc::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inner: world.source(), habit, receives, calls, failures }
    }

    fn call(&self) {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        if matches!(self.habit, Habit::SourcePanics) && number % 3 == 1 {
            panic!("a source panics, as the test wants it");
        }
    }
}

#[maybe_async]
impl EventSource for Source {
    fn group(&self) -> &ConsumerGroup {
        self.inner.group()
    }

    async fn properties(&self) -> Result<EventHubProperties> {
        self.call();
        self.inner.properties().await
    }

    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err(broken());
        }
        self.inner.partition_properties(partition_id).await
    }

    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>> {
        self.call();
        let inner = self.inner.open(request).await?;
        let (habit, receives) = (self.habit, Arc::clone(&self.receives));
        Ok(Box::new(Reader { inner, habit, receives }))
    }
}

#[maybe_async]
impl PartitionReader for Reader {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd> {
        let max = if matches!(self.habit, Habit::AppendsMore) { 2 * max } else { max };
        self.inner.receive(events, max, wait).await?;
        if events.is_empty() {
            return Ok(());
        }
        let number = self.receives.fetch_add(1, Ordering::SeqCst);
        match self.habit {
            Habit::EndsWithEvents if number % 3 == 1 => {
                Err(ReadEnd::Failed(Error::new(ErrorKind::Network, "the link broke")))
            }
            Habit::EndsWithEvents if number == 5 => {
                Err(ReadEnd::PositionLost("it is not known".to_owned()))
            }
            Habit::Panics if number % 3 == 1 => panic!("a reader panics, as the test wants it"),
            _ => Ok(()),
        }
    }

    fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.inner.last_enqueued()
    }

    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        self.inner.interrupter()
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.inner.close().await
    }
}

#[maybe_async]
#[test]
async fn no_habit_of_a_reader_skips_an_event() {
    for habit in [Habit::EndsWithEvents, Habit::AppendsMore, Habit::Panics, Habit::SourcePanics] {
        let world = World::new(2);
        let builder = EventHubConsumerClient::builder(Source::new(&world, habit), world.store("a"));
        let builder = world.time.build(builder.owner_id("a")).max_batch_size(7).max_in_flight(10);
        let policy = CheckpointPolicy::every_event();
        let member = world.run("a", builder.checkpoint_policy(policy), handle);
        for round in 1..=20 {
            world.publish_to_all(5 * round);
            world.time.sleep(20 * SECOND).await;
        }
        let what = format!("all is handled: {habit:?}");
        world.until(&what, |world| world.handled().0 >= 2_100).await;
        member.stop().await;
        assert_eq!(world.handled().0, 2_100);
        assert_eq!(world.handled().1, 0, "and none is handled again");
        assert_eq!((world.stored("0"), world.stored("1")), (Some(1_049), Some(1_049)));
        world.assert_no_violation();
    }
}

#[maybe_async]
#[test]
async fn events_beyond_the_limit_wait_in_the_reader() {
    let world = World::new(1);
    world.publish("0", 50);
    let source = Source::new(&world, Habit::AppendsMore);
    let builder = EventHubConsumerClient::builder(source, world.store("a")).owner_id("a");
    let mut streams = world.time.build(builder).max_in_flight(12).build_streams().unwrap();
    let mut partition = streams.next_partition().await.unwrap().unwrap();
    let acknowledger = partition.acknowledger();
    let mut received = 0;
    while received < 50 {
        let events = partition.next_batch(5).await.unwrap();
        assert!((1..=5).contains(&events.len()), "{}", events.len());
        for event in &events {
            assert_eq!(event.sequence_number(), received);
            received += 1;
        }
        acknowledger.acknowledge(&events);
    }
    partition.close().await;
    let summary = streams.close().await.unwrap();
    assert_eq!(summary.events, 50);
}

/// The outcomes of checkpoints, and the errors that were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|text| text.contains(what)).count()
    }
}

impl Observer for Told {
    fn checkpoint(&self, _: &Checkpoint, _: Duration, outcome: &CheckpointOutcome<'_>) {
        self.0.lock().unwrap().push(format!("{outcome:?}"));
    }

    fn failed(&self, partition_id: Option<&str>, error: &Error) {
        self.0.lock().unwrap().push(format!("{partition_id:?}: {error}"));
    }
}

/// The event hub is deleted and created again, while its consumer runs and while it is down.
#[maybe_async]
#[test]
async fn the_events_of_an_event_hub_that_was_created_again_are_handled_and_what_is_not_stored_is_told()
 {
    for is_down in [false, true] {
        let world = World::new(1);
        world.publish("0", 100);
        let mut member = world.run("a", world.builder("a"), handle);
        world.until_handled(100).await;
        if is_down {
            member.stop().await;
        } else {
            world.until("it is stored", |world| world.stored("0") == Some(99)).await;
            member.stop.abandon();
            drop(member.running.join().await);
        }
        let told = Told::default();
        let policy = CheckpointPolicy::every_event();
        let builder = || {
            let builder = world.builder("b").observer(told.clone()).max_batch_size(1);
            builder.checkpoint_policy(policy)
        };
        if is_down {
            world.hub.recreate("0").unwrap();
            world.publish("0", 5);
            member = world.run("b", builder(), handle);
        } else {
            world.publish("0", 1);
            member = world.run("b", builder(), handle);
            world.until_handled(101).await;
            world.hub.recreate("0").unwrap();
            world.time.sleep(SECOND).await;
            world.publish("0", 5);
        }
        world.until("the new events are handled", |world| world.handled().1 == 5).await;
        world.time.sleep(30 * SECOND).await;
        assert_eq!(world.handled().1, 5, "once each");
        let stored = world.blobs.get_checkpoint(&world.group(), "0").await.unwrap().unwrap();
        let last = if is_down { 99 } else { 100 };
        assert_eq!(stored.sequence_number(), Some(last), "the fence holds the later position");
        assert!(told.count("OutOfOrder") > 0, "{told:?}", told = told.0);
        assert_eq!(told.count("reset or delete its checkpoints"), 1, "once");
        let summary = member.stop().await;
        assert_eq!(summary.unsaved, ["0"], "the next owner begins again");

        // The operator does what the error says.
        world.blobs.delete_checkpoint(&world.group(), "0").await.unwrap();
        let member = world.run("b", builder(), handle);
        world.until("they are handled again", |world| world.handled().1 == 10).await;
        let summary = member.stop().await;
        assert_eq!((world.stored("0"), summary.unsaved), (Some(4), vec![]));
    }
}

/// Whether the numbers have restarted is asked until it is known, so that what was handled is not repeated for want of an
/// answer. A source that never answers keeps nobody from reading on.
#[maybe_async]
#[test]
async fn a_lost_position_repeats_nothing_although_the_properties_cannot_be_read_at_first() {
    for (failures, again) in [(0, 0), (4, 0), (1_000, 10)] {
        let world = World::new(1);
        world.publish("0", 10);
        let source = Source::new(&world, Habit::AppendsMore);
        source.failures.store(failures, Ordering::SeqCst);
        let builder = EventHubConsumerClient::builder(source, world.store("a")).owner_id("a");
        let member = world.run("a", world.time.build(builder), handle);
        world.until_handled(10).await;
        let lost = ReadEnd::PositionLost("it is not known".to_owned());
        world.hub.fail_next_receive("0", lost).unwrap();
        world.publish("0", 5);
        world.until_handled(15).await;
        world.time.sleep(60 * SECOND).await;
        let summary = member.stop().await;
        assert_eq!(world.handled(), (15, again), "{failures}");
        assert_eq!((world.stored("0"), summary.unsaved), (Some(14), vec![]));
    }
}

/// Without `max_wait_time` or with zero, nothing is delivered but events; with a short one, whatever has arrived is.
#[maybe_async]
#[test]
async fn a_wait_however_short_delivers_what_has_arrived() {
    for wait in [None, Some(Duration::ZERO), Some(Duration::from_nanos(1))] {
        let world = World::new(1);
        world.publish("0", 5);
        let mut streams = world.builder("a").max_wait_time(wait).build_streams().unwrap();
        let mut partition = streams.next_partition().await.unwrap().unwrap();
        let events = partition.next_batch(10).await.unwrap();
        assert_eq!(events.len(), 5, "{wait:?}");
        partition.acknowledger().acknowledge(&events);
        partition.close().await;
        streams.close().await.unwrap();
    }
}

/// A stop ends the pause before the next attempt to open, whatever the source does.
#[maybe_async]
#[test]
async fn an_empty_batch_comes_in_time_although_the_link_cannot_be_opened() {
    let world = World::new(1);
    let source = Source::new(&world, Habit::AppendsMore);
    let builder = EventHubConsumerClient::builder(source, world.store("a")).owner_id("a");
    let builder = world.time.build(builder).max_wait_time(Some(SECOND));
    let mut streams = builder.build_streams().unwrap();
    let mut partition = streams.next_partition().await.unwrap().unwrap();
    let batch = partition.next_batch(10).await.unwrap();
    assert!(batch.is_empty());
    world.hub.fail_next_receive("0", ReadEnd::Failed(broken())).unwrap();
    for _ in 0..20 {
        world.hub.fail_next_open("0", broken()).unwrap();
    }
    for _ in 0..10 {
        let began = world.time.elapsed();
        let batch = partition.next_batch(10).await.unwrap();
        assert!(batch.is_empty());
        assert!(world.time.elapsed() - began <= SECOND + SECOND / 10);
    }
    partition.close().await;
    streams.close().await.unwrap();
}

fn broken() -> Error {
    Error::new(ErrorKind::Network, "no network")
}

/// A permanent failure to open ends a consumer that has opened nothing yet: a consumer group that does not exist would
/// keep partitions from everybody.
#[maybe_async]
#[test]
async fn a_permanent_failure_of_the_first_open_ends_the_consumer() {
    let cases = [
        (ErrorKind::AccessDenied, true),
        (ErrorKind::Rejected, true),
        (ErrorKind::Network, false),
        (ErrorKind::Throttled, false),
    ];
    for (kind, is_fatal) in cases {
        for (one, is_opened) in [(false, false), (true, false), (false, true)] {
            let world = World::new(1);
            world.publish("0", 1);
            let error = Error::new(kind, "scripted");
            // The service may open a link before it refuses it.
            if is_opened {
                world.hub.fail_next_receive("0", ReadEnd::Failed(error)).unwrap();
            } else {
                world.hub.fail_next_open("0", error).unwrap();
            }
            let builder = world.builder("a");
            let builder = if one { builder.partition_id("0") } else { builder };
            let member = world.run("a", builder, handle);
            if is_fatal {
                let began = world.time.elapsed();
                let error = member.running.join().await.unwrap_err();
                assert_eq!(error.kind(), kind);
                assert!(world.time.elapsed() - began < SECOND);
                if !one {
                    let next = world.run("b", world.builder("b"), handle);
                    world.until_handled(1).await;
                    assert!(world.time.elapsed() - began < 20 * SECOND, "it is given up");
                    next.stop().await;
                }
            } else {
                world.until_handled(1).await;
                member.stop().await;
            }
        }
    }
}

#[maybe_async]
#[test]
async fn one_partition_that_does_not_exist_ends_the_consumer_and_so_does_a_missing_permission() {
    let world = World::new(2);
    let member = world.run("a", world.builder("a").partition_id("7"), handle);
    let error = member.running.join().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains(r#"partition_id "7""#), "{error}");
    assert!(error.to_string().contains(r#"["0", "1"]"#), "{error}");

    world.hub.fail_next_properties(Error::new(ErrorKind::AccessDenied, "no right to listen"));
    let member = world.run("a", world.builder("a").partition_id("1"), handle);
    let error = member.running.join().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
}

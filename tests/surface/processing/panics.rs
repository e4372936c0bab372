//! Panics of whatever the program gives to a consumer end nothing but themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::processing::{
    CheckpointOutcome, CheckpointPolicy, CloseReason, HandlerError, Observer, ReceivedEvent,
};
use eventhub_checkpointstore::{Checkpoint, Error};

use super::super::subject::{DeadLetterSink, PartitionContext, PartitionHandler};
use super::world::{Act, Behavior, Call, World};
use super::{SECOND, maybe_async, test};

/// Counts the calls of each kind, and panics in all of them.
#[derive(Clone, Default)]
struct Panicking([Arc<AtomicUsize>; 10]);

impl Panicking {
    fn panic(&self, kind: usize) {
        self.0[kind].fetch_add(1, Ordering::SeqCst);
        panic!("an observer panics, as the test wants it");
    }
}

impl Observer for Panicking {
    fn opened(&self, _: &str) {
        self.panic(0);
    }

    fn closed(&self, _: &str, _: &CloseReason) {
        self.panic(1);
    }

    fn received(&self, _: &str, _: usize) {
        self.panic(2);
    }

    fn processed(&self, _: &str, _: usize, _: Duration, _: Option<&HandlerError>) {
        self.panic(3);
    }

    fn retry(&self, _: &str, _: u32, _: Duration) {
        self.panic(4);
    }

    fn dead_lettered(&self, _: &str, _: usize) {
        self.panic(5);
    }

    fn checkpoint(&self, _: &Checkpoint, _: Duration, _: &CheckpointOutcome<'_>) {
        self.panic(6);
    }

    fn round(&self, _: Duration, _: Result<usize, &Error>) {
        self.panic(7);
    }

    fn lag(&self, _: &str, _: i64) {
        self.panic(8);
    }

    fn failed(&self, _: Option<&str>, _: &Error) {
        self.panic(9);
    }
}

/// Panics with every third letter.
struct PanickingSink(World, AtomicUsize);

#[maybe_async]
impl DeadLetterSink for PanickingSink {
    async fn take(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
        _error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if !self.1.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
            for event in events {
                self.0.note_handled("sink", partition.partition_id(), event.sequence_number());
            }
            return Ok(());
        }
        panic!("a sink panics, as the test wants it");
    }
}

#[maybe_async]
#[test]
async fn observers_callbacks_and_sinks() {
    let world = World::new(2);
    world.publish_to_all(10);
    let observer = Panicking::default();
    let builder = world
        .builder("a")
        .observer(observer.clone())
        .dead_letter(PanickingSink(world.clone(), AtomicUsize::new(0)))
        .track_last_enqueued_event_properties(true)
        .max_batch_size(1)
        .checkpoint_policy(CheckpointPolicy::every_event())
        .on_error(|_, _| panic!("on_error"))
        .on_partition_initialize(|_| panic!("on_partition_initialize"))
        .on_partition_close(|_, _| panic!("on_partition_close"));
    let member = world.run("a", builder, |_, number, attempt| match (number, attempt) {
        (3, 1) => Behavior::Fail("not now".into()),
        (3, 2) => Behavior::Panic,
        (5, _) => Behavior::Fail(HandlerError::dead_letter("never")),
        _ => Behavior::Handle,
    });
    world.until_handled(20).await;
    world.script(|_, call| match call {
        Call::ListOwnership => Act::Fail(Duration::ZERO),
        _ => Act::Pass,
    });
    world.time.sleep(20 * SECOND).await;
    world.heal();
    world.publish_to_all(10);
    world.time.sleep(60 * SECOND).await;
    world.until_handled(40).await;
    let summary = member.stop().await;
    assert_eq!((summary.events, summary.dead_lettered, summary.relinquished), (40, 2, 2));
    assert_eq!((world.stored("0"), world.stored("1")), (Some(19), Some(19)));
    let calls = observer.0.map(|count| count.load(Ordering::SeqCst));
    assert!(calls.iter().all(|count| *count > 0), "all were called: {calls:?}");
    world.assert_no_violation();
}

/// Fails to open, and panics whenever it is not processing.
struct Shaky(World, AtomicUsize);

#[maybe_async]
impl PartitionHandler for Shaky {
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        for event in events {
            self.0.note_handled("a", partition.partition_id(), event.sequence_number());
        }
        Ok(())
    }

    async fn opened(&self, _partition: &PartitionContext) -> Result<(), HandlerError> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("a handler panics as it is opened"),
            1 => Err("it is not ready".into()),
            _ => Ok(()),
        }
    }

    async fn closing(&self, _partition: &PartitionContext, _reason: &CloseReason) {
        panic!("a handler panics at its end");
    }
}

#[maybe_async]
async fn run(
    (world, processor): (World, super::super::subject::EventProcessor),
) -> eventhub_checkpointstore::Result<eventhub_checkpointstore::processing::Summary> {
    processor.run(move |_| Shaky(world.clone(), AtomicUsize::new(0))).await
}

#[maybe_async]
#[test]
async fn handlers_at_their_beginning_and_at_their_end() {
    let world = World::new(2);
    world.publish_to_all(10);
    let processor = world.builder("a").build_processor().unwrap();
    let stop = processor.stop_handle();
    let running = world.time.spawn((world.clone(), processor), run);
    world.until_handled(20).await;
    stop.stop();
    let summary = running.join().await.unwrap();
    assert_eq!((summary.events, summary.relinquished), (20, 2));
    assert_eq!((world.stored("0"), world.stored("1")), (Some(9), Some(9)));
}

/// Python's client stops its load balancing silently when a store raises.
#[maybe_async]
#[test]
async fn stores() {
    type Which = fn(&Call) -> bool;
    let calls: [Which; 6] = [
        |call| matches!(call, Call::ListOwnership),
        |call| matches!(call, Call::Claim(_)),
        |call| matches!(call, Call::ListCheckpoints),
        |call| matches!(call, Call::GetCheckpoint),
        |call| matches!(call, Call::Update(_)),
        |_| true,
    ];
    for (index, which) in calls.into_iter().enumerate() {
        let world = World::new(2);
        world.publish_to_all(10);
        let policy = CheckpointPolicy::every_event();
        let panics = move |_: &str, call: &Call| if which(call) { Act::Panic } else { Act::Pass };
        world.script(panics);
        let errors = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&errors);
        let builder = world.builder("a").checkpoint_policy(policy).on_error(move |_, error| {
            assert!(error.to_string().contains("a store panics"), "{error}");
            told.fetch_add(1, Ordering::SeqCst);
        });
        let member = world.run("a", builder, |_, _, _| Behavior::Handle);
        world.time.sleep(30 * SECOND).await;
        world.heal();
        world.until_handled(20).await;
        world.script(panics);
        world.time.sleep(20 * SECOND).await;
        world.publish_to_all(10);
        world.heal();
        world.until_handled(40).await;
        let summary = member.stop().await;
        assert_eq!((world.stored("0"), world.stored("1")), (Some(19), Some(19)), "{index}");
        assert_eq!((summary.relinquished, summary.unsaved.len()), (2, 0), "{index}");
        assert!(errors.load(Ordering::SeqCst) > 0 || matches!(index, 3 | 4), "{index}: told");
        world.assert_no_violation();
    }
}

fn broken(_partition: &PartitionContext) -> Shaky {
    panic!("no handler can be made");
}

/// Without a handler nothing can be done: that ends the consumer, in good order.
#[maybe_async]
#[test]
async fn a_panic_in_the_handler_factory_ends_the_consumer() {
    let world = World::new(2);
    world.publish_to_all(10);
    let processor = world.builder("a").build_processor().unwrap();
    let error = processor.run(broken).await.unwrap_err();
    assert!(error.to_string().contains("handlers panicked"), "{error}");
    let next = world.run("b", world.builder("b"), |_, _, _| Behavior::Handle);
    let began = world.time.elapsed();
    world.until_handled(20).await;
    assert!(world.time.elapsed() - began < 20 * SECOND, "what it had is given up");
    next.stop().await;
}

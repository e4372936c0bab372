//! Without balancing: one partition by its id, and all of them without a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{Observer, ReadEnd};
use eventhub_checkpointstore::{Checkpoint, Error, ErrorKind};

use super::super::subject::EventHubConsumerClient;
use super::world::{Act, Behavior, Call, What, World};
use super::{SECOND, maybe_async, test};

fn handle(_: &str, _: i64, _: u32) -> Behavior {
    Behavior::Handle
}

#[maybe_async]
#[test]
async fn one_partition_is_read_without_ownerships_from_its_checkpoint_on() {
    let world = World::new(3);
    world.publish_to_all(10);
    for number in 0..=6 {
        world.note_handled("before", "1", number);
    }
    let checkpoint = Checkpoint::new(&world.group(), "1", "288", 6).unwrap();
    world.blobs.update_checkpoint(&checkpoint).await.unwrap();
    // The checkpoint cannot be read at first, which is never "there is none".
    world.script(|_, call| match call {
        Call::GetCheckpoint => Act::Fail(SECOND),
        _ => Act::Pass,
    });
    let member = world.run("a", world.builder("a").partition_id("1"), handle);
    world.time.sleep(30 * SECOND).await;
    assert_eq!(world.handled_in_order("1").len(), 7);
    world.heal();
    world.until("the rest is handled", |world| world.handled_in_order("1").len() == 10).await;
    member.stop().await;
    assert_eq!(world.handled_in_order("1")[7..], [7, 8, 9]);
    assert_eq!(world.stored("1"), Some(9));
    assert!(world.handled_in_order("0").is_empty() && world.handled_in_order("2").is_empty());
    assert!(!world.log().iter().any(|entry| entry.what == What::Claimed));
    world.assert_no_violation();
}

#[maybe_async]
#[test]
async fn without_a_store_all_partitions_are_read_beside_other_readers() {
    let world = World::new(3);
    world.publish_to_all(5);
    let builder = || {
        let builder = EventHubConsumerClient::builder_without_store(world.source());
        world.time.build(builder)
    };
    let members = [world.run("a", builder(), handle), world.run("b", builder(), handle)];
    world.until("both have all", |world| world.handled() == (15, 15)).await;
    for member in members {
        let summary = member.stop().await;
        assert_eq!((summary.events, summary.checkpoints, summary.relinquished), (15, 0, 0));
    }
    let latest = builder().starting_position(StartingPosition::Latest);
    let member = world.run("c", latest, handle);
    world.time.sleep(SECOND).await;
    world.publish_to_all(1);
    world.until("the new ones come", |world| world.handled().0 == 18).await;
    member.stop().await;
    assert_eq!(world.handled(), (18, 15));
}

#[maybe_async]
#[test]
async fn without_balancing_the_end_of_the_last_reader_is_the_end() {
    let world = World::new(2);
    let builder = EventHubConsumerClient::builder_without_store(world.source());
    let member = world.run("a", world.time.build(builder.owner_level(1)), handle);
    world.time.sleep(SECOND).await;
    world.hub.steal("0").unwrap();
    world.time.sleep(SECOND).await;
    world.publish("1", 1);
    world.until("the other goes on", |world| world.handled().0 == 1).await;
    assert!(!member.running.is_finished());
    world.hub.steal("1").unwrap();
    let error = member.running.join().await.unwrap_err();
    assert!(error.to_string().contains("another reader took the link"), "{error}");
}

/// A program may close a partition when it likes. That is no failure, and the partition comes again.
#[maybe_async]
#[test]
async fn a_partition_that_the_program_closes_comes_again_without_balancing_too() {
    for with_store in [true, false] {
        let world = World::new(2);
        world.publish_to_all(10);
        let builder = if with_store {
            world.builder("a").partition_id("1")
        } else {
            let builder = EventHubConsumerClient::builder_without_store(world.source());
            world.time.build(builder)
        };
        let mut streams = builder.build_streams().unwrap();
        let mut firsts = Vec::new();
        for _ in 0..3 {
            let mut partition = streams.next_partition().await.unwrap().unwrap();
            let events = partition.next_batch(4).await.unwrap();
            for event in &events {
                world.note_handled("a", partition.partition_id(), event.sequence_number());
            }
            partition.acknowledger().acknowledge(&events);
            firsts.push(events[0].sequence_number());
            partition.close().await;
        }
        let summary = streams.close().await.unwrap();
        if with_store {
            assert_eq!((firsts, summary.events), (vec![0, 4, 8], 10), "behind the checkpoint");
        } else {
            assert_eq!((firsts, summary.events), (vec![0; 3], 12), "there are no checkpoints");
        }
    }
}

#[derive(Clone, Default)]
struct Lag(Arc<AtomicUsize>);

impl Observer for Lag {
    fn lag(&self, _: &str, events: i64) {
        self.0.store(usize::try_from(events).unwrap(), Ordering::SeqCst);
    }
}

#[maybe_async]
#[test]
async fn the_end_of_a_partition_is_told_where_it_is_asked_for() {
    let world = World::new(1);
    world.publish("0", 100);
    let lag = Lag::default();
    let builder = world.builder("a").track_last_enqueued_event_properties(true).max_batch_size(10);
    let mut streams = builder.observer(lag.clone()).build_streams().unwrap();
    let mut partition = streams.next_partition().await.unwrap().unwrap();
    assert_eq!(partition.context().lag(), None);
    let events = partition.next_batch(10).await.unwrap();
    let context = partition.context();
    assert_eq!(context.last_enqueued().map(|last| last.sequence_number), Some(99));
    assert_eq!(context.lag(), Some(100));
    assert_eq!(lag.0.load(Ordering::SeqCst), 100);
    partition.acknowledger().acknowledge(&events);
    assert_eq!(context.lag(), Some(90));
    assert!(context.is_owned());
    drop(partition);
}

#[maybe_async]
#[test]
async fn options_that_cannot_work_are_refused_with_their_values() {
    use eventhub_checkpointstore::processing::Concurrency;
    let world = World::new(1);
    let cases = [
        (world.builder("a").max_batch_size(0), "max_batch_size 0"),
        (world.builder("a").max_in_flight(0), "max_in_flight 0"),
        (world.builder("a").concurrency(Concurrency::ByKey(0)), "concurrency 0"),
        (world.builder("a").load_balancing_interval(SECOND / 2), "500ms"),
        (world.builder("a").partition_ownership_expiration_interval(SECOND), "1s"),
    ];
    for (builder, named) in cases {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[maybe_async]
#[test]
async fn a_reader_that_ends_for_good_is_opened_again_while_the_partition_is_owned() {
    let world = World::new(1);
    world.publish("0", 5);
    let member = world.run("a", world.builder("a"), handle);
    world.until_handled(5).await;
    world.hub.fail_next_receive("0", ReadEnd::Closed).unwrap();
    let error = Error::new(ErrorKind::Service, "busy");
    world.hub.fail_next_open("0", error).unwrap();
    world.publish("0", 5);
    world.until_handled(10).await;
    assert_eq!(world.handled(), (10, 0));
    member.stop().await;
}

/// Which errors were told.
#[derive(Clone, Default)]
struct Errors(Arc<AtomicUsize>);

impl Observer for Errors {
    fn failed(&self, _: Option<&str>, error: &Error) {
        let is_about_it = error.to_string().contains("processed twice");
        self.0.fetch_add(usize::from(is_about_it), Ordering::SeqCst);
    }
}

#[maybe_async]
#[test]
async fn an_owner_id_that_two_processes_use_is_told_and_ends_a_consumer_that_asks_for_it() {
    for ends in [false, true] {
        let world = World::new(2);
        world.publish_to_all(5);
        let errors = Errors::default();
        let builder = |member: &str| {
            let builder = world.builder(member).owner_id("same").observer(errors.clone());
            builder.fail_on_shared_owner_id(ends)
        };
        let first = world.run("a", builder("a"), handle);
        world.until_handled(10).await;
        let second = world.run("b", builder("b"), handle);
        if ends {
            let error = first.running.join().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(r#"owner id "same""#), "{error}");
        } else {
            world.time.sleep(60 * SECOND).await;
            assert!(errors.0.load(Ordering::SeqCst) > 0);
            assert!(!first.running.is_finished() && !second.running.is_finished());
            first.stop().await;
        }
        second.stop.stop();
        drop(second.running.join().await);
    }
}

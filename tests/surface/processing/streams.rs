//! Pulling: batches when they are asked for, acknowledgements from elsewhere, in any order.

use std::sync::Arc;

use eventhub_checkpointstore::processing::{CheckpointPolicy, CloseReason, ReceivedEvent};

use super::super::subject::{Acknowledger, OwnedPartition, PartitionStreams};
use super::world::World;
use super::{SECOND, Time, maybe_async, test};

#[maybe_async]
async fn next(streams: &mut PartitionStreams) -> OwnedPartition {
    streams.next_partition().await.unwrap().expect("not stopped")
}

type Later = (World, Acknowledger, Vec<Arc<ReceivedEvent>>);

/// Acknowledges each for itself, in another order, from elsewhere.
#[maybe_async]
async fn acknowledge_later((world, acknowledger, events): Later) {
    let mut events = events;
    fastrand::Rng::with_seed(7).shuffle(&mut events);
    for event in events {
        world.time.sleep(SECOND / 10).await;
        world.note_handled("elsewhere", "0", event.sequence_number());
        acknowledger.acknowledge([&event]);
    }
}

#[maybe_async]
#[test]
async fn acknowledgements_may_come_later_in_any_order() {
    let world = World::new(1);
    world.publish("0", 100);
    let policy = CheckpointPolicy::every_event();
    let mut streams = world.builder("a").checkpoint_policy(policy).build_streams().unwrap();
    let mut partition = next(&mut streams).await;
    let mut workers = Vec::new();
    for _ in 0..10 {
        let events = partition.next_batch(10).await.unwrap();
        assert_eq!(events.len(), 10);
        let item = (world.clone(), partition.acknowledger(), events);
        workers.push(world.time.spawn(item, acknowledge_later));
    }
    assert_eq!(world.stored("0"), None);
    for worker in workers {
        worker.join().await;
    }
    let reason = partition.close().await;
    assert!(matches!(reason, CloseReason::Stopped));
    assert_eq!(world.stored("0"), Some(99));
    let summary = streams.close().await.unwrap();
    assert_eq!((summary.events, summary.relinquished), (100, 1));
    world.assert_no_violation();
}

#[maybe_async]
async fn acknowledge_all(
    (time, acknowledger, events): (Time, Acknowledger, Vec<Arc<ReceivedEvent>>),
) {
    time.sleep(50 * SECOND).await;
    acknowledger.acknowledge(&events);
}

#[maybe_async]
#[test]
async fn a_batch_waits_while_too_many_are_not_acknowledged() {
    let world = World::new(1);
    world.publish("0", 100);
    let mut streams = world.builder("a").max_in_flight(30).build_streams().unwrap();
    let mut partition = next(&mut streams).await;
    let first = partition.next_batch(1_000).await.unwrap();
    assert_eq!(first.len(), 30);
    let began = world.time.elapsed();
    let item = (world.time.clone(), partition.acknowledger(), first);
    let worker = world.time.spawn(item, acknowledge_all);
    let second = partition.next_batch(1_000).await.unwrap();
    assert_eq!((second.len(), (world.time.elapsed() - began).as_secs()), (30, 50));
    worker.join().await;
    assert_eq!(second[0].sequence_number(), 30);
}

#[maybe_async]
#[test]
async fn a_partition_that_is_dropped_or_closed_early_comes_again_behind_its_checkpoint() {
    let world = World::new(1);
    world.publish("0", 30);
    let mut streams = world.builder("a").build_streams().unwrap();
    let mut partition = next(&mut streams).await;
    let events = partition.next_batch(10).await.unwrap();
    for event in &events {
        world.note_handled("a", "0", event.sequence_number());
    }
    partition.acknowledger().acknowledge(&events);
    partition.close().await;
    assert_eq!(world.stored("0"), Some(9));

    let mut partition = next(&mut streams).await;
    let events = partition.next_batch(10).await.unwrap();
    assert_eq!(events[0].sequence_number(), 10);
    let acknowledger = partition.acknowledger();
    drop(partition);
    acknowledger.acknowledge(&events);
    world.time.sleep(SECOND).await;
    assert_eq!(world.stored("0"), Some(9), "what is dropped is not stored");

    let mut partition = next(&mut streams).await;
    let events = partition.next_batch(10).await.unwrap();
    assert_eq!(events[0].sequence_number(), 10, "it comes again");
    partition.close().await;
    streams.close().await.unwrap();
}

#[maybe_async]
#[test]
async fn a_stop_ends_batches_and_partitions() {
    let world = World::new(2);
    let mut streams = world.builder("a").build_streams().unwrap();
    let mut partition = next(&mut streams).await;
    let stop = streams.stop_handle();
    let stopping = world.time.spawn((world.time.clone(), stop), stop_later);
    let none = partition.next_batch(10).await;
    assert!(none.is_none());
    assert_eq!(world.time.elapsed().as_secs(), 7);
    stopping.join().await;
    let none = streams.next_partition().await.unwrap();
    assert!(none.is_none());
    partition.close().await;
    let summary = streams.close().await.unwrap();
    assert_eq!(summary.relinquished, 2);
}

#[maybe_async]
async fn stop_later((time, stop): (Time, eventhub_checkpointstore::processing::StopHandle)) {
    time.sleep(7 * SECOND).await;
    stop.stop();
}

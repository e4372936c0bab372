//! The checkpointer alone: what it writes, when, and what it leaves out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpointstore::Checkpoint;
use eventhub_checkpointstore::processing::CheckpointPolicy;

use super::world::{Act, Call, What, World};
use super::{SECOND, maybe_async, test};

fn at(world: &World, partition_id: &str, number: i64) -> Checkpoint {
    Checkpoint::new(&world.group(), partition_id, (number * 48).to_string(), number).unwrap()
}

/// A world in which all events of two partitions are handled.
fn handled(count: i64) -> World {
    let world = World::new(2);
    for partition_id in ["0", "1"] {
        for number in 0..count {
            world.note_handled("test", partition_id, number);
        }
    }
    world
}

/// The second of each write, and its number.
fn stored(world: &World, partition_id: &str) -> Vec<(u64, i64)> {
    let log = world.log().into_iter().filter(|entry| entry.partition_id == partition_id);
    log.filter_map(|entry| match entry.what {
        What::Stored(number) => Some((entry.at.as_secs(), number)),
        _ => None,
    })
    .collect()
}

#[maybe_async]
#[test]
async fn it_writes_after_so_many_events_or_so_much_time() {
    let world = handled(1_000);
    let policy = CheckpointPolicy::every(100, 10 * SECOND);
    let checkpointer = world.time.checkpointer(world.store("a"), policy);
    for number in 0..100 {
        checkpointer.update(&at(&world, "0", number));
    }
    world.time.sleep(SECOND).await;
    assert_eq!(stored(&world, "0"), [(0, 99)], "after 100 events");
    for number in 100..150 {
        checkpointer.update(&at(&world, "0", number));
    }
    checkpointer.update(&at(&world, "1", 7));
    world.time.sleep(9 * SECOND).await;
    assert_eq!(stored(&world, "1"), []);
    world.time.sleep(2 * SECOND).await;
    assert_eq!(stored(&world, "0")[1..], [(11, 149)], "10 s after the first that was open");
    assert_eq!(stored(&world, "1"), [(11, 7)]);
    world.time.sleep(100 * SECOND).await;
    assert_eq!(checkpointer.written(), 3, "nothing is written twice");
    world.assert_no_violation();
}

#[maybe_async]
#[test]
async fn one_write_of_a_partition_is_under_way_and_the_newest_position_waits() {
    let world = handled(1_000);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, max) = (Arc::clone(&running), Arc::clone(&most));
    world.script(move |_, call| match call {
        Call::Update(_) => {
            max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Act::Slow(SECOND)
        }
        _ => Act::Pass,
    });
    let policy = CheckpointPolicy::every_event();
    let checkpointer = world.time.checkpointer(world.store("a"), policy);
    for number in 0..1_000 {
        checkpointer.update(&at(&world, "0", number));
        if number % 100 == 99 {
            world.time.sleep(SECOND / 2).await;
            running.store(0, Ordering::SeqCst);
        }
    }
    let unsaved = checkpointer.flush(10 * SECOND).await;
    assert_eq!(unsaved, [""; 0]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let written = stored(&world, "0");
    assert_eq!(written.last().unwrap().1, 999);
    assert!(written.len() <= 8, "{written:?}: one a second");
}

#[maybe_async]
#[test]
async fn identical_and_older_positions_are_not_written() {
    let world = handled(100);
    let checkpointer = world.time.checkpointer(world.store("a"), CheckpointPolicy::every_event());
    for number in [5, 5, 5, 3, 4, 5] {
        checkpointer.update(&at(&world, "0", number));
        world.time.sleep(SECOND).await;
    }
    assert_eq!(stored(&world, "0").len(), 1);
    assert_eq!(world.stored("0"), Some(5));
}

#[maybe_async]
#[test]
async fn a_write_that_fails_is_tried_again_until_it_succeeds() {
    let world = handled(100);
    world.script(|_, call| match call {
        Call::Update(_) => Act::Fail(SECOND),
        _ => Act::Pass,
    });
    let checkpointer = world.time.checkpointer(world.store("a"), CheckpointPolicy::every_event());
    checkpointer.update(&at(&world, "0", 5));
    world.time.sleep(100 * SECOND).await;
    assert_eq!(world.stored("0"), None);
    world.heal();
    world.time.sleep(40 * SECOND).await;
    assert_eq!(world.stored("0"), Some(5), "nobody had to ask again");
    world.script(|_, call| match call {
        Call::Update(_) => Act::LoseResponse,
        _ => Act::Pass,
    });
    checkpointer.update(&at(&world, "0", 6));
    world.time.sleep(SECOND).await;
    assert_eq!(world.stored("0"), Some(6));
    world.heal();
    let unsaved = checkpointer.flush(10 * SECOND).await;
    assert!(unsaved.is_empty(), "a lost response is found out: {unsaved:?}");
}

#[maybe_async]
#[test]
async fn a_flush_ends_at_its_deadline_and_names_what_is_not_saved() {
    let world = handled(100);
    world.script(|_, call| match call {
        Call::Update(id) if id == "0" => Act::Fail(20 * SECOND),
        _ => Act::Pass,
    });
    let checkpointer = world.time.checkpointer(world.store("a"), CheckpointPolicy::manual());
    checkpointer.update(&at(&world, "0", 5));
    checkpointer.update(&at(&world, "1", 6));
    let began = world.time.elapsed();
    let unsaved = checkpointer.flush(5 * SECOND).await;
    assert_eq!(unsaved, ["0"]);
    assert_eq!((world.time.elapsed() - began).as_secs(), 5);
    assert_eq!(world.stored("1"), Some(6), "a partition that hangs keeps no other one");
    world.heal();
    let unsaved = checkpointer.flush(60 * SECOND).await;
    assert!(unsaved.is_empty());
    assert_eq!(world.stored("0"), Some(5));
}

#[maybe_async]
#[test]
async fn a_former_owner_is_fenced_off() {
    let world = handled(100);
    let policy = CheckpointPolicy::every_event();
    let former = world.time.checkpointer(world.store("a"), policy);
    former.update(&at(&world, "0", 5));
    let unsaved = former.flush(SECOND).await;
    assert!(unsaved.is_empty());
    let next = world.time.checkpointer(world.store("b"), policy);
    next.update(&at(&world, "0", 50));
    let unsaved = next.flush(SECOND).await;
    assert!(unsaved.is_empty());
    former.update(&at(&world, "0", 6));
    world.time.sleep(SECOND).await;
    assert!(former.is_stale(&world.group(), "0") && !next.is_stale(&world.group(), "0"));
    former.update(&at(&world, "0", 70));
    world.time.sleep(100 * SECOND).await;
    assert_eq!(world.stored("0"), Some(50));
    // It may get the partition back.
    former.forget(&world.group(), "0");
    former.update(&at(&world, "0", 71));
    world.time.sleep(SECOND).await;
    assert_eq!(world.stored("0"), Some(71));
}

#[maybe_async]
#[test]
async fn forgotten_checkpoints_are_not_written_even_at_the_end() {
    let world = handled(100);
    let checkpointer =
        world.time.checkpointer(world.store("a"), CheckpointPolicy::every(1_000, 10 * SECOND));
    checkpointer.update(&at(&world, "0", 5));
    checkpointer.forget(&world.group(), "0");
    checkpointer.update(&at(&world, "1", 5));
    drop(checkpointer);
    world.time.sleep(100 * SECOND).await;
    assert_eq!((world.stored("0"), world.stored("1")), (None, None));
}

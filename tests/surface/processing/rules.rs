//! The rules of the processor, each of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhub_checkpointstore::ownership::{OwnershipOptions, StartingPosition, StartingPositions};
use eventhub_checkpointstore::processing::{
    CheckpointPolicy, Concurrency, HandlerError, Observer, OnExhausted, ReadEnd, ReceivedEvent,
    RetryPolicy,
};
use eventhub_checkpointstore::{Checkpoint, Error, ErrorKind, PartitionOwnership};

use super::super::subject::{DeadLetterSink, PartitionContext};
use super::world::{Act, Behavior, Call, What, World};
use super::{SECOND, maybe_async, test};

fn handle(_: &str, _: i64, _: u32) -> Behavior {
    Behavior::Handle
}

/// Fails so often with all that it is given.
struct Sink {
    world: World,
    failures: AtomicUsize,
    taken: Arc<Mutex<Vec<i64>>>,
}

#[maybe_async]
impl DeadLetterSink for Sink {
    async fn take(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
        _error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.failures.load(Ordering::SeqCst) > 0 {
            self.failures.fetch_sub(1, Ordering::SeqCst);
            return Err("the sink is full".into());
        }
        for event in events {
            let number = event.sequence_number();
            self.taken.lock().unwrap().push(number);
            self.world.note_handled("sink", partition.partition_id(), number);
        }
        Ok(())
    }
}

// 1

#[maybe_async]
#[test]
async fn a_checkpoint_never_passes_an_event_that_is_not_done() {
    for concurrency in [Concurrency::InOrder, Concurrency::Unordered(4), Concurrency::ByKey(4)] {
        let world = World::new(1);
        for number in 0..200 {
            let event = ReceivedEvent::new(0, "x").with_partition_key((number % 7).to_string());
            world.hub.publish("0", event).unwrap();
        }
        let is_broken = Arc::new(AtomicBool::new(true));
        let broken = Arc::clone(&is_broken);
        let builder = world.builder("a").concurrency(concurrency).max_batch_size(1);
        let policy = CheckpointPolicy::every_event();
        let member = world.run("a", builder.checkpoint_policy(policy), move |_, number, _| {
            match number {
                50 if broken.load(Ordering::SeqCst) => Behavior::Fail("not now".into()),
                // In another order than they came.
                _ => Behavior::Take(Duration::from_millis(fastrand::u64(1..50))),
            }
        });
        world.until("the events before are stored", |world| world.stored("0") == Some(49)).await;
        world.time.sleep(100 * SECOND).await;
        assert_eq!(world.stored("0"), Some(49), "{concurrency:?}");
        is_broken.store(false, Ordering::SeqCst);
        world.until("all is stored", |world| world.stored("0") == Some(199)).await;
        let summary = member.stop().await;
        assert_eq!((summary.events, world.handled()), (200, (200, 0)), "{concurrency:?}");
        world.assert_no_violation();
    }
}

#[maybe_async]
#[test]
async fn a_checkpoint_passes_a_dead_letter_only_when_the_sink_has_it() {
    let world = World::new(1);
    world.publish("0", 10);
    let taken = Arc::new(Mutex::new(Vec::new()));
    let failures = AtomicUsize::new(5);
    let sink = Sink { world: world.clone(), failures, taken: Arc::clone(&taken) };
    let retry =
        RetryPolicy::default().with_attempts(Some(3)).with_on_exhausted(OnExhausted::DeadLetter);
    let builder = world.builder("a").max_batch_size(1).dead_letter(sink).retry(retry);
    let policy = CheckpointPolicy::every_event();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let member =
        world.run("a", builder.checkpoint_policy(policy), move |_, number, _| match number {
            3 => Behavior::Fail(HandlerError::dead_letter("never")),
            6 => {
                counted.fetch_add(1, Ordering::SeqCst);
                Behavior::Fail("again".into())
            }
            _ => Behavior::Handle,
        });
    world.until("all is stored", |world| world.stored("0") == Some(9)).await;
    let summary = member.stop().await;
    assert_eq!(*taken.lock().unwrap(), [3, 6]);
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!((summary.dead_lettered, summary.events), (2, 10));
    world.assert_no_violation();
}

#[maybe_async]
#[test]
async fn a_dead_letter_without_a_sink_ends_the_consumer_and_is_not_passed() {
    let world = World::new(1);
    world.publish("0", 10);
    let builder = world.builder("a").max_batch_size(1);
    let member = world.run("a", builder, |_, number, _| match number {
        4 => Behavior::Fail(HandlerError::dead_letter("never")),
        _ => Behavior::Handle,
    });
    let error = member.running.join().await.unwrap_err();
    assert!(
        error.to_string().contains("partition 0") && error.to_string().contains("never"),
        "{error}"
    );
    assert_eq!(world.stored("0"), Some(3));
}

// 2

#[maybe_async]
#[test]
async fn a_handler_that_fails_or_panics_gets_the_same_events_again_and_others_go_on() {
    let world = World::new(2);
    world.publish_to_all(20);
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (noted, time) = (Arc::clone(&tries), world.time.clone());
    let member =
        world.run("a", world.builder("a").max_batch_size(5), move |id, number, attempt| {
            if (id, number) != ("0", 7) {
                return Behavior::Handle;
            }
            noted.lock().unwrap().push((attempt, time.elapsed()));
            match attempt {
                1 | 3 | 5 => Behavior::Fail("not now".into()),
                2 | 4 => Behavior::Panic,
                _ => Behavior::Handle,
            }
        });
    world
        .until("the other partition goes on", |world| world.handled_in_order("1").len() == 20)
        .await;
    world
        .until("nothing is skipped", |world| world.handled_in_order("0").last() == Some(&19))
        .await;
    let summary = member.stop().await;
    let tries = tries.lock().unwrap().clone();
    assert_eq!(tries.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let pauses: Vec<_> = tries.windows(2).map(|two| two[1].1 - two[0].1).collect();
    for (pause, millis) in pauses.iter().zip([100, 200, 400, 800, 1_600]) {
        let longest = Duration::from_millis(millis);
        assert!(*pause >= longest * 3 / 4 && *pause <= longest + SECOND / 20, "{pauses:?}");
    }
    assert_eq!(summary.events, 40);
    // The batch comes again as it was: 5 to 9.
    let again = world.handled_in_order("0").iter().filter(|number| **number == 5).count();
    assert_eq!(again, 6);
}

#[maybe_async]
#[test]
async fn a_handler_that_says_stop_or_has_failed_often_enough_ends_the_consumer() {
    for error in [HandlerError::stop as fn(&'static str) -> HandlerError, HandlerError::retry] {
        let world = World::new(2);
        world.publish_to_all(10);
        let retry = RetryPolicy::default().with_attempts(Some(4));
        let builder = world.builder("a").max_batch_size(1).retry(retry);
        let member = world.run("a", builder, move |id, number, _| match (id, number) {
            ("1", 5) => Behavior::Fail(error("enough")),
            _ => Behavior::Handle,
        });
        let end = member.running.join().await.unwrap_err();
        assert!(end.to_string().contains("enough"), "{end}");
        assert_eq!(world.stored("1"), Some(4), "what was done is stored");
        let given_up = world.log().iter().filter(|entry| entry.what == What::Relinquished).count();
        assert_eq!(given_up, 2);
    }
}

// 3

#[maybe_async]
#[test]
async fn nothing_is_stored_after_a_loss() {
    let world = World::new(1);
    world.publish("0", 100);
    let policy = CheckpointPolicy::every_event();
    let builder = world.builder("a").max_batch_size(1).checkpoint_policy(policy);
    let member = world.run("a", builder, |_, _, _| Behavior::Take(SECOND));
    world.until("it works", |world| world.stored("0").is_some_and(|number| number >= 5)).await;

    let rival = world.store("rival");
    claim_as(&world, &rival, "0").await;
    world
        .until("it leaves", |world| {
            world.log_of("0").iter().any(|what| matches!(what, What::Closing(_)))
        })
        .await;
    let stored = world.stored("0");
    world.time.sleep(100 * SECOND).await;
    assert_eq!(world.stored("0"), stored, "nothing is stored after a loss");
    let log = world.log();
    let closing = log.iter().find(|entry| matches!(entry.what, What::Closing(_))).unwrap();
    assert_eq!(closing.what, What::Closing("lost: another consumer claimed it".into()));
    assert!(
        log.iter().all(|entry| entry.at <= closing.at || !matches!(entry.what, What::Stored(_)))
    );
    member.stop().await;
}

/// Takes a partition as another consumer would.
#[maybe_async]
async fn claim_as(
    world: &World,
    rival: &impl super::super::subject::CheckpointStore,
    partition_id: &str,
) {
    let listing = rival.list_ownership(&world.group()).await.unwrap();
    let record: &PartitionOwnership =
        listing.iter().find(|record| record.partition_id() == partition_id).unwrap();
    let claims = rival.claim_ownership(&[record.claimed_by("rival").unwrap()]).await;
    assert!(claims.all_claimed());
}

#[maybe_async]
#[test]
async fn a_checkpoint_of_another_that_is_ahead_counts_as_a_loss() {
    let world = World::new(1);
    world.publish("0", 100);
    let policy = CheckpointPolicy::every_event();
    let builder = world.builder("a").max_batch_size(1).checkpoint_policy(policy);
    let member = world.run("a", builder, |_, _, _| Behavior::Take(SECOND));
    world.until("it works", |world| world.stored("0").is_some_and(|number| number >= 5)).await;

    let ahead = Checkpoint::new(&world.group(), "0", (90 * 48).to_string(), 90).unwrap();
    world.blobs.update_checkpoint(&ahead).await.unwrap();
    world
        .until("it leaves", |world| {
            world.log_of("0").iter().any(|what| matches!(what, What::Closing(_)))
        })
        .await;
    let ours = world.stored("0").unwrap();
    assert!(ours < 90);
    let leaving = world.log_of("0");
    assert!(
        leaving.contains(&What::Closing("lost: another consumer's checkpoint is ahead".into()))
    );
    // The ownership stands, so it is read again, behind the other's checkpoint.
    world.until("it resumes there", |world| world.handled_in_order("0").last() == Some(&99)).await;
    let after: Vec<_> = world.handled_in_order("0").into_iter().filter(|n| *n > ours + 2).collect();
    assert_eq!(after, (91..100).collect::<Vec<_>>());
    member.stop().await;
}

// 4

#[derive(Clone, Default)]
struct Received(Arc<AtomicUsize>);

impl Observer for Received {
    fn received(&self, _: &str, events: usize) {
        self.0.fetch_add(events, Ordering::SeqCst);
    }
}

#[maybe_async]
#[test]
async fn a_partition_pauses_at_its_limit_of_events_in_flight() {
    for concurrency in [Concurrency::InOrder, Concurrency::Unordered(3)] {
        let world = World::new(2);
        world.publish_to_all(1_000);
        let received = Received::default();
        let builder = world.builder("a").concurrency(concurrency).observer(received.clone());
        let is_open = Arc::new(AtomicBool::new(false));
        let open = Arc::clone(&is_open);
        let member = world.run("a", builder.max_in_flight(25), move |_, number, _| {
            if number >= 100 && !open.load(Ordering::SeqCst) {
                return Behavior::Fail("full".into());
            }
            Behavior::Handle
        });
        world.time.sleep(200 * SECOND).await;
        let held = received.0.load(Ordering::SeqCst);
        assert!(held <= 2 * (100 + 25), "{concurrency:?}: {held} received");
        is_open.store(true, Ordering::SeqCst);
        world.until_handled(2_000).await;
        member.stop().await;
    }
}

// 5

#[maybe_async]
#[test]
async fn a_slow_handler_delays_no_renewal_and_is_not_cancelled_by_a_loss() {
    let world = World::new(2);
    world.publish_to_all(3);
    let hour = Duration::from_secs(3_600);
    let member = world.run("a", world.builder("a"), move |_, _, _| Behavior::Take(hour));
    world.time.sleep(100 * SECOND).await;
    let other = world.run(
        "b",
        world
            .builder("b")
            .load_balancing_interval(10 * SECOND)
            .partition_ownership_expiration_interval(60 * SECOND),
        handle,
    );
    // Its share is taken from us, not what has expired: our renewals go on.
    world.time.sleep(20 * 60 * SECOND).await;
    let log = world.log();
    let claims = |member: &str, id: &str| {
        log.iter()
            .filter(|e| e.member == member && e.partition_id == id && e.what == What::Claimed)
            .count()
    };
    let kept = if claims("b", "0") == 0 { "0" } else { "1" };
    assert_eq!(claims("b", kept), 0, "a slow handler keeps its partition");
    assert!(claims("a", kept) > 60, "renewed all the time");
    // What was lost during its handler was handled all the same, and reported as lost at the end.
    world.time.sleep(4 * hour).await;
    let lost = if kept == "0" { "1" } else { "0" };
    let first = world
        .log()
        .into_iter()
        .find(|e| e.member == "a" && e.partition_id == lost && matches!(e.what, What::Closing(_)));
    let first = first.expect("it has left");
    assert!(first.at >= hour, "the handler went on to its end");
    assert_eq!(first.what, What::Closing("lost: another consumer claimed it".into()));
    other.stop().await;
    member.stop().await;
}

// 6

#[maybe_async]
#[test]
async fn a_stop_drains_closes_stores_and_gives_up_in_this_order() {
    let world = World::new(3);
    world.publish_to_all(50);
    let manual = CheckpointPolicy::manual();
    let builder = world.builder("a").checkpoint_policy(manual).max_batch_size(1);
    let member = world.run("a", builder, |_, number, _| match number {
        10 => Behavior::Take(7 * SECOND),
        _ => Behavior::Handle,
    });
    world
        .until("all are in the middle", |world| {
            ["0", "1", "2"].iter().all(|id| world.log_of(id).contains(&What::Began(10)))
        })
        .await;
    let stopped = world.time.elapsed();
    let summary = member.stop().await;
    let took = world.time.elapsed() - stopped;
    assert!(took <= 8 * SECOND, "{took:?}: as long as the handlers, no more");
    for id in ["0", "1", "2"] {
        let log = world.log_of(id);
        let expected = [
            What::Handled(10),
            What::Closing("stopped".into()),
            What::Stored(10),
            What::Relinquished,
        ];
        assert_eq!(log[log.len() - 4..], expected, "partition {id}");
        assert_eq!(world.hub.readers(id), 0);
    }
    assert_eq!((summary.events, summary.checkpoints, summary.relinquished), (33, 3, 3));
    assert!(summary.unsaved.is_empty() && summary.unfinished.is_empty());

    // The next owner repeats nothing, and loses nothing.
    let next = world.run("b", world.builder("b"), handle);
    world.until_handled(150).await;
    next.stop().await;
    assert_eq!(world.handled(), (150, 0));
}

#[maybe_async]
#[test]
async fn a_stop_does_not_wait_for_a_handler_beyond_the_timeout_nor_for_a_round() {
    let world = World::new(2);
    world.publish_to_all(50);
    let builder = world.builder("a").shutdown_timeout(10 * SECOND).max_batch_size(1);
    let member = world.run("a", builder, |id, number, _| match (id, number) {
        ("0", 3) => Behavior::Take(Duration::from_secs(100_000)),
        _ => Behavior::Handle,
    });
    world.until("one hangs, the other is done", |world| world.handled().0 == 53).await;
    let stopped = world.time.elapsed();
    let summary = member.stop().await;
    let took = world.time.elapsed() - stopped;
    assert!(took >= 10 * SECOND && took <= 12 * SECOND, "{took:?}");
    assert_eq!(summary.unfinished, ["0"]);
    assert_eq!((summary.relinquished, world.stored("1")), (2, Some(49)));
    assert_eq!(world.stored("0"), Some(2), "what was acknowledged before is stored");
    assert_eq!(summary.unsaved, [""; 0]);

    let idle = World::new(4);
    let member = idle.run("a", idle.builder("a"), handle);
    idle.time.sleep(20 * SECOND).await;
    let stopped = idle.time.elapsed();
    let summary = member.stop().await;
    assert_eq!(summary.relinquished, 4);
    let took = idle.time.elapsed() - stopped;
    assert!(took < SECOND, "{took:?}: nobody waits for a round or a receive");
}

#[maybe_async]
#[test]
async fn a_stop_with_a_storage_that_hangs_ends_in_time_and_says_what_is_not_saved() {
    let world = World::new(1);
    world.publish("0", 10);
    let builder = world.builder("a").shutdown_timeout(10 * SECOND);
    let member = world.run("a", builder.checkpoint_policy(CheckpointPolicy::manual()), handle);
    world.until_handled(10).await;
    world.script(|_, call| match call {
        Call::Update(_) => Act::Fail(20 * SECOND),
        _ => Act::Pass,
    });
    let stopped = world.time.elapsed();
    let summary = member.stop().await;
    let took = world.time.elapsed() - stopped;
    assert!(took >= 10 * SECOND && took <= 31 * SECOND, "{took:?}");
    assert_eq!((summary.unsaved, summary.relinquished), (vec!["0".to_owned()], 1));
}

#[maybe_async]
#[test]
async fn a_stop_keeps_the_ownerships_of_running_handlers_and_says_what_it_could_not_save() {
    for has_failed in [false, true] {
        let world = World::new(2);
        world.publish("0", 10);
        let options = OwnershipOptions::new(10 * SECOND, 40 * SECOND).unwrap();
        let builder = world.builder("a").ownership_options(options).max_batch_size(1);
        let builder = builder.shutdown_timeout(1_000 * SECOND);
        let policy = CheckpointPolicy::manual();
        let member =
            world.run("a", builder.checkpoint_policy(policy), |_, number, _| match number {
                5 => Behavior::Take(100 * SECOND),
                _ => Behavior::Handle,
            });
        world.until_handled(5).await;
        let stopped = world.time.elapsed();
        world.script(move |_, call| match call {
            Call::Claim(_) if has_failed => Act::Fail(SECOND),
            _ => Act::Pass,
        });
        let summary = member.stop().await;
        let stored = if has_failed { (None, 1, 2) } else { (Some(5), 0, 2) };
        assert_eq!((world.stored("0"), summary.unsaved.len(), summary.relinquished), stored);
        assert_eq!((summary.events, summary.unfinished), (6, vec![]));
        let claims = world
            .log()
            .into_iter()
            .filter(|entry| entry.at > stopped && entry.what == What::Claimed);
        let claimed: Vec<_> = claims.map(|entry| entry.partition_id).collect();
        assert!(
            claimed.iter().all(|id| id == "0"),
            "{claimed:?}: only what is still read is renewed"
        );
        assert_eq!(claimed.is_empty(), has_failed, "{claimed:?}");
        world.assert_no_violation();
    }
}

/// A handler that takes long does not keep the other partitions from their next owner.
#[maybe_async]
#[test]
async fn a_stop_gives_each_partition_up_as_soon_as_it_is_drained() {
    let world = World::new(4);
    world.publish_to_all(10);
    let builder = world.builder("a").max_batch_size(1).shutdown_timeout(60 * SECOND);
    let member = world.run("a", builder, |id, number, _| match (id, number) {
        ("0", 5) => Behavior::Take(50 * SECOND),
        _ => Behavior::Handle,
    });
    world.until_handled(35).await;
    let stopped = world.time.elapsed();
    member.stop.stop();
    world.time.sleep(5 * SECOND).await;
    let of = |what: What| {
        let log = world.log().into_iter().filter(move |entry| entry.what == what);
        log.map(|entry| (entry.partition_id, entry.at - stopped)).collect::<Vec<_>>()
    };
    let mut early = of(What::Relinquished);
    early.sort();
    let ids: Vec<_> = early.iter().map(|(id, _)| &**id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert!(early.iter().all(|(_, after)| *after < 2 * SECOND), "{early:?}");
    let next = world.run("b", world.builder("b"), handle);
    world.time.sleep(20 * SECOND).await;
    world.publish_to_all(1);
    // It takes its share: one of the two consumers is still there.
    world.until("the next owner reads them", |world| world.handled().0 >= 37).await;
    assert!(!member.running.is_finished());
    let summary = member.running.join().await.unwrap();
    assert_eq!((summary.relinquished, summary.unfinished), (4, vec![]));
    world.until_handled(44).await;
    next.stop().await;
    assert_eq!(world.handled(), (44, 0), "nothing is repeated");
    world.assert_no_violation();
}

#[maybe_async]
#[test]
async fn a_stop_without_a_limit_waits_for_the_handler() {
    let world = World::new(1);
    world.publish("0", 10);
    let builder = world.builder("a").shutdown_timeout(Duration::MAX).max_batch_size(1);
    let member = world.run("a", builder, |_, number, _| match number {
        5 => Behavior::Take(60 * SECOND),
        _ => Behavior::Handle,
    });
    world.until_handled(5).await;
    let summary = member.stop().await;
    assert_eq!((summary.events, world.stored("0")), (6, Some(5)));
    assert_eq!((summary.unfinished, summary.unsaved), (vec![], vec![]));
}

#[maybe_async]
#[test]
async fn a_retry_without_a_pause_does_not_keep_a_stop_from_coming() {
    let world = World::new(1);
    world.publish("0", 1);
    let retry = RetryPolicy::default().with_initial(Duration::ZERO).with_max(Duration::ZERO);
    let member = world.run("a", world.builder("a").retry(retry), |_, _, _| {
        Behavior::Fail(HandlerError::retry("never"))
    });
    world.time.sleep(SECOND).await;
    let summary = member.stop().await;
    assert_eq!((summary.events, summary.relinquished), (0, 1));
}

#[maybe_async]
#[test]
async fn a_stop_before_the_start_ends_at_once() {
    let world = World::new(1);
    world.publish("0", 10);
    let processor = world.builder("a").build_processor().unwrap();
    let stop = processor.stop_handle();
    stop.stop();
    let recorder = world.recorder("a", stop, handle);
    let summary = processor.run(move |_| recorder.clone()).await.unwrap();
    assert_eq!(summary.events, 0);
}

#[maybe_async]
#[test]
async fn a_consumer_that_is_abandoned_leaves_what_a_crash_leaves() {
    let world = World::new(2);
    world.publish_to_all(50);
    let builder = world.builder("a").checkpoint_policy(CheckpointPolicy::manual());
    let member = world.run("a", builder.max_batch_size(1), |_, number, _| match number {
        20 => Behavior::Take(SECOND),
        _ => Behavior::Handle,
    });
    world.until("both are in the middle", |world| world.handled().0 == 40).await;
    member.stop.abandon();
    let summary = member.running.join().await.unwrap();
    assert_eq!((summary.checkpoints, summary.relinquished), (0, 0));
    world.time.sleep(10 * SECOND).await;
    let given_up = |what: &What| matches!(what, What::Relinquished | What::Stored(_));
    assert!(!world.log().iter().any(|entry| given_up(&entry.what)));
    let next = world.run("b", world.builder("b"), handle);
    world.until_handled(100).await;
    next.stop().await;
}

// 8

#[maybe_async]
#[test]
async fn no_fault_of_the_storage_or_the_hub_ends_a_consumer_that_runs() {
    let world = World::new(2);
    world.publish_to_all(10);
    let errors = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&errors);
    let builder = world.builder("a").on_error(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let member = world.run("a", builder, handle);
    world.until_handled(20).await;
    for kind in [ErrorKind::AccessDenied, ErrorKind::ContainerNotFound, ErrorKind::Service] {
        let denied = move || Error::new(kind, "scripted");
        for id in ["0", "1"] {
            world.hub.fail_next_open(id, denied()).unwrap();
            world.hub.fail_next_receive(id, ReadEnd::Failed(denied())).unwrap();
        }
        world.hub.fail_next_properties(denied());
        world.script(|_, _| Act::Fail(SECOND));
        world.time.sleep(400 * SECOND).await;
        world.heal();
        world.time.sleep(200 * SECOND).await;
    }
    assert!(!member.running.is_finished());
    assert!(errors.load(Ordering::SeqCst) > 10);
    world.publish_to_all(10);
    world.until_handled(40).await;
    let summary = member.stop().await;
    assert_eq!(summary.unsaved, [""; 0]);
    world.assert_no_violation();
}

#[maybe_async]
#[test]
async fn a_fault_of_the_configuration_ends_a_consumer_that_starts_and_no_other_fault_does() {
    for (kind, is_fatal) in [
        (ErrorKind::AccessDenied, true),
        (ErrorKind::Rejected, true),
        (ErrorKind::Service, false),
        (ErrorKind::Network, false),
        (ErrorKind::Throttled, false),
    ] {
        let world = World::new(1);
        world.publish("0", 1);
        world.hub.fail_next_properties(Error::new(kind, "scripted"));
        let member = world.run("a", world.builder("a"), handle);
        if is_fatal {
            let error = member.running.join().await.unwrap_err();
            assert_eq!(error.kind(), kind);
        } else {
            world.until_handled(1).await;
            member.stop().await;
        }
    }
}

// 9

#[maybe_async]
#[test]
async fn a_reconnect_goes_on_behind_the_last_received_event() {
    let world = World::new(1);
    let member =
        world.run("a", world.builder("a"), |_, _, _| Behavior::Take(Duration::from_millis(10)));
    for fault in 0..20 {
        world.publish("0", 30);
        world.time.sleep(Duration::from_millis(137)).await;
        let error = Error::new(ErrorKind::Network, format!("cut {fault}"));
        world.hub.fail_next_receive("0", ReadEnd::Failed(error)).unwrap();
        world.time.sleep(3 * SECOND).await;
    }
    world.until_handled(600).await;
    assert_eq!(world.handled_in_order("0"), (0..600).collect::<Vec<_>>());
    member.stop().await;
}

#[maybe_async]
#[test]
async fn a_partition_that_another_reader_took_is_left_at_once_and_read_again_while_it_is_owned() {
    let world = World::new(1);
    world.publish("0", 10);
    let member = world.run("a", world.builder("a"), handle);
    world.until_handled(10).await;
    let stolen = world.time.elapsed();
    world.hub.steal("0").unwrap();
    world
        .until("it leaves", |world| {
            world.log_of("0").contains(&What::Closing("lost: another reader took the link".into()))
        })
        .await;
    assert!(world.time.elapsed() - stolen < SECOND, "no round is waited for");
    world.publish("0", 10);
    world.until_handled(20).await;
    assert!(!member.running.is_finished());
    member.stop().await;
}

#[maybe_async]
#[test]
async fn a_lost_position_means_the_earliest_event_or_the_end() {
    for stops in [false, true] {
        let world = World::new(1);
        world.publish("0", 10);
        let member = world.run("a", world.builder("a").stop_at_lost_position(stops), handle);
        world.until_handled(10).await;
        world.publish("0", 10);
        world.hub.fail_next_receive("0", ReadEnd::PositionLost("expired".into())).unwrap();
        if stops {
            let error = member.running.join().await.unwrap_err();
            assert!(error.to_string().contains("expired"), "{error}");
        } else {
            world.until_handled(20).await;
            assert_eq!(world.handled(), (20, 0), "what was received before is not handled again");
            member.stop().await;
        }
    }
}

// 10

#[maybe_async]
#[test]
async fn an_inclusive_starting_position_does_not_apply_to_checkpoints() {
    let world = World::new(1);
    world.publish("0", 20);
    let inclusive = StartingPosition::SequenceNumber { sequence_number: 5, inclusive: true };
    for last in [10, 20] {
        let builder = world.builder("a").starting_position(inclusive.clone());
        let builder = builder.checkpoint_policy(CheckpointPolicy::every_event()).max_batch_size(1);
        let member = world.run("a", builder, move |_, number, _| {
            if number == last - 1 { Behavior::HandleAndStop } else { Behavior::Handle }
        });
        member.running.join().await.unwrap();
    }
    assert_eq!(world.handled_in_order("0"), (5..20).collect::<Vec<_>>());
}

#[maybe_async]
#[test]
async fn a_map_of_positions_falls_back_to_its_default_and_the_default_is_the_earliest() {
    let world = World::new(3);
    world.publish_to_all(4);
    let at = StartingPosition::SequenceNumber { sequence_number: 2, inclusive: false };
    let positions = StartingPositions::new(StartingPosition::Latest).with_partition("1", at);
    let member = world.run("a", world.builder("a").starting_positions(positions), handle);
    world.time.sleep(30 * SECOND).await;
    world.publish_to_all(1);
    world.time.sleep(10 * SECOND).await;
    assert_eq!(world.handled_in_order("0"), [4]);
    assert_eq!(world.handled_in_order("1"), [3, 4]);
    member.stop().await;

    let world = World::new(1);
    world.publish("0", 3);
    let member = world.run("a", world.builder("a"), handle);
    world.until_handled(3).await;
    member.stop().await;
}

#[maybe_async]
#[test]
async fn a_checkpoint_with_only_a_sequence_number_resumes_there() {
    let world = World::new(1);
    world.publish("0", 10);
    let checkpoint = Checkpoint::with_position(&world.group(), "0", None, Some(6)).unwrap();
    world.blobs.update_checkpoint(&checkpoint).await.unwrap();
    let builder = world.builder("a").starting_position(StartingPosition::Latest);
    let member = world.run("a", builder, handle);
    world.until("the rest is handled", |world| world.handled_in_order("0").len() == 3).await;
    assert_eq!(world.handled_in_order("0"), [7, 8, 9]);
    member.stop().await;
}

// 11: see `panics.rs`

// 12

#[maybe_async]
#[test]
async fn a_fleet_of_a_thousand_partitions_works() {
    let world = World::new(1_000);
    world.without_log();
    world.publish_to_all(3);
    let options = OwnershipOptions::default();
    let builder = world.builder("a").ownership_options(options);
    let member = world.run("a", builder, handle);
    world.until_handled(3_000).await;
    let summary = member.stop().await;
    assert_eq!((summary.events, summary.relinquished), (3_000, 1_000));
    assert_eq!(world.handled(), (3_000, 0));
    world.assert_no_violation();
}

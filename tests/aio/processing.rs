//! Features of the async surface alone: futures that are dropped, and a runtime that may be missing.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, Checkpointer, EventHubConsumerClient,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::{CheckpointPolicy, Concurrency};

use crate::surface::processing::world::{Behavior, What, World};

const SECOND: Duration = Duration::from_secs(1);

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn a_dropped_run_leaves_only_ownerships_that_expire() {
    for polls in 0..60 {
        let world = World::new(2);
        world.publish_to_all(20);
        let before = alive();
        let policy = CheckpointPolicy::every_event();
        let processor = world
            .builder("a")
            .checkpoint_policy(policy)
            .max_batch_size(3)
            .build_processor()
            .unwrap();
        let recorder = world.recorder("a", processor.stop_handle(), |_, _, _| {
            Behavior::Take(Duration::from_millis(50))
        });
        {
            let mut run = pin!(processor.run(move |_| recorder.clone()));
            for _ in 0..polls {
                assert!(futures_util::poll!(&mut run).is_pending());
                world.time.sleep(Duration::from_millis(17)).await;
            }
        }
        world.time.sleep(Duration::from_millis(1)).await;
        assert_eq!(alive(), before, "{polls} polls: its tasks have ended with it");
        let log = world.log().len();
        world.time.sleep(10 * SECOND).await;
        assert_eq!(world.log().len(), log, "{polls} polls: nothing goes on");
        assert!(!world.log().iter().any(|entry| entry.what == What::Relinquished));
        let next = world.run("b", world.builder("b"), |_, _, _| Behavior::Handle);
        world.until_handled(40).await;
        next.stop().await;
        world.assert_no_violation();
    }
}

/// As `tokio::spawn` requires.
fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn the_futures_can_be_spawned_and_closures_receive() {
    tokio::time::pause();
    let hub = EventHub::new(2);
    for id in ["0", "1"] {
        for _ in 0..10 {
            hub.publish(id, "x").unwrap();
        }
    }
    let store = BlobCheckpointStore::in_memory();
    let build = || {
        let source = hub.consumer_group("$Default").unwrap();
        EventHubConsumerClient::builder(source, store.clone()).build().unwrap()
    };
    let client = build();
    let stop = client.stop_handle();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let receiving = is_send(async move {
        client
            .receive(move |partition, event| {
                let (counted, stop) = (counted.clone(), stop.clone());
                async move {
                    assert!(partition.is_owned() && event.body().to_text() == "x");
                    if counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 19 {
                        stop.stop();
                    }
                    Ok(())
                }
            })
            .await
    });
    let summary = tokio::spawn(receiving).await.unwrap().unwrap();
    assert_eq!(summary.events, 20);
    // A batch at a time, with an empty one when nothing came.
    hub.publish("0", "y").unwrap();
    let source = hub.consumer_group("$Default").unwrap();
    let builder = EventHubConsumerClient::builder(source, store);
    let client = builder.max_wait_time(Some(SECOND)).build().unwrap();
    let stop = client.stop_handle();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let noted = sizes.clone();
    let summary = client
        .receive_batch(move |_, events| {
            let mut sizes = noted.lock().unwrap();
            sizes.push(events.len());
            if sizes.len() == 5 {
                stop.stop();
            }
            async { Ok(()) }
        })
        .await
        .unwrap();
    assert_eq!(summary.events, 1);
    let sizes = sizes.lock().unwrap();
    assert!(sizes.contains(&1) && sizes.contains(&0), "{sizes:?}");
}

#[tokio::test]
async fn a_client_receives_once_at_a_time() {
    tokio::time::pause();
    let source = EventHub::new(1).consumer_group("$Default").unwrap();
    let store = BlobCheckpointStore::in_memory();
    let client = EventHubConsumerClient::builder(source, store).build().unwrap();
    let mut first = pin!(client.receive(|_, _| async { Ok(()) }));
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = client.receive(|_, _| async { Ok(()) }).await;
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn receiving_outside_tokio_is_a_clear_error() {
    let store = BlobCheckpointStore::in_memory();
    let source = EventHub::new(1).consumer_group("$Default").unwrap();
    let client = EventHubConsumerClient::builder(source, store.clone()).build().unwrap();
    let receiving = client.receive(|_, _| async { Ok(()) });
    let result = futures_util::FutureExt::now_or_never(receiving).unwrap();
    let error = result.unwrap_err();
    assert!(
        error.kind() == ErrorKind::Configuration && error.to_string().contains("tokio"),
        "{error}"
    );
    let error = Checkpointer::new(store, CheckpointPolicy::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// Runs something when it is woken, once.
#[derive(Default)]
struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        let work = self.0.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
    }
}

/// A thread may be so slow that its partition is opened again by another one while it still closes it.
#[tokio::test]
async fn a_partition_that_is_opened_again_while_its_former_reader_closes_keeps_its_checkpoints() {
    let world = World::new(1);
    world.publish("0", 10);
    let mut streams = world.builder("a").build_streams().unwrap();
    let mut first = streams.next_partition().await.unwrap().unwrap();
    assert_eq!(first.next_batch(10).await.unwrap().len(), 10);
    world.hub.steal("0").unwrap();
    assert!(first.next_batch(10).await.is_none());
    // The ownership is still held, so the partition is won again, and waits for the end of its former reader.
    world.time.sleep(60 * SECOND).await;

    let second = Arc::new(Mutex::new(None));
    let hook = Arc::new(Hook::default());
    let mut next = Box::pin(async move {
        let partition = streams.next_partition().await.unwrap().unwrap();
        (streams, partition)
    });
    let waker = Waker::from(Arc::clone(&hook));
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let opened = Arc::clone(&second);
    *hook.0.lock().unwrap() = Some(Box::new(move || {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(won) = next.as_mut().poll(&mut context) {
            *opened.lock().unwrap() = Some(won);
        }
    }));
    first.close().await;

    let (streams, mut second) = second.lock().unwrap().take().expect("opened while it closes");
    let events = second.next_batch(10).await.unwrap();
    for event in &events {
        world.note_handled("a", "0", event.sequence_number());
    }
    second.acknowledger().acknowledge(&events);
    second.close().await;
    assert_eq!(world.stored("0"), Some(9));
    streams.close().await.unwrap();
}

/// A task that another thread runs while `run` is dropped may start more tasks. Nothing else would end them.
#[test]
fn a_dropped_run_leaves_no_task_on_any_thread() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    for round in 0..200_u64 {
        let hub = EventHub::new(4);
        for _ in 0..500 {
            for id in hub.partition_ids() {
                hub.publish(&id, "x").unwrap();
            }
        }
        let builder = EventHubConsumerClient::builder(
            hub.consumer_group("$Default").unwrap(),
            BlobCheckpointStore::in_memory(),
        );
        let policy = CheckpointPolicy::every_event();
        let client = builder
            .concurrency(Concurrency::Unordered(8))
            .checkpoint_policy(policy)
            .build()
            .unwrap();
        runtime.block_on(async {
            let receiving = client.receive(|_, _| async {
                tokio::task::yield_now().await;
                Ok(())
            });
            let limit = Duration::from_micros(200 + round * 37 % 3_000);
            assert!(tokio::time::timeout(limit, receiving).await.is_err());
        });
        drop(client);
        let until = Instant::now() + Duration::from_secs(20);
        while runtime.metrics().num_alive_tasks() > 0 {
            assert!(Instant::now() < until, "round {round}: tasks are left");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn receiving_without_timers_is_a_clear_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = BlobCheckpointStore::in_memory();
    let source = EventHub::new(1).consumer_group("$Default").unwrap();
    let client = EventHubConsumerClient::builder(source, store.clone()).build().unwrap();
    let error = runtime.block_on(client.receive(|_, _| async { Ok(()) })).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("enable_all()"), "{error}");
    let made = runtime.block_on(async { Checkpointer::new(store, CheckpointPolicy::default()) });
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Configuration);
}

//! What only the blocking surface has: closures with references, real threads, and no runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, EventHubConsumerClient};
use eventhub_checkpointstore::memory::{EventHub, TestClock};

const SECOND: Duration = Duration::from_secs(1);

/// By the real clock.
#[test]
fn closures_receive_and_a_stop_from_another_thread_ends_it_at_once() {
    let hub = EventHub::new(4);
    let source = hub.consumer_group("$Default").unwrap();
    let store = BlobCheckpointStore::in_memory();
    let client = EventHubConsumerClient::builder(source, store.clone()).build().unwrap();
    let stop = client.stop_handle();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let receiving = std::thread::spawn(move || {
        client.receive(move |partition, event| {
            assert!(partition.is_owned() && event.body().to_text() == "x");
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    for number in 0..100 {
        hub.publish_by_key(&number.to_string(), "x");
    }
    while count.load(Ordering::SeqCst) < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // The partitions wait in their receives now.
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    stop.stop();
    let summary = receiving.join().unwrap().unwrap();
    assert!(
        began.elapsed() < 3 * SECOND,
        "{:?}: it waits neither for a receive nor a round",
        began.elapsed()
    );
    assert_eq!((summary.events, summary.relinquished), (100, 4));
}

#[test]
fn batches_are_empty_if_nothing_arrives_in_time() {
    let clock = TestClock::new();
    let hub = EventHub::with_clock(1, &clock);
    hub.publish("0", "y").unwrap();
    let source = hub.consumer_group("$Default").unwrap();
    let builder = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory());
    let client = builder.test_clock(&clock).max_wait_time(Some(SECOND)).build().unwrap();
    let stop = client.stop_handle();
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&sizes);
    let summary = client
        .receive_batch(move |_, events| {
            let mut sizes = noted.lock().unwrap();
            sizes.push(events.len());
            if sizes.len() == 5 {
                stop.stop();
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(summary.events, 1);
    assert_eq!(*sizes.lock().unwrap(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_client_receives_once_at_a_time() {
    let source = EventHub::new(1).consumer_group("$Default").unwrap();
    let store = BlobCheckpointStore::in_memory();
    let (sender, opened) = std::sync::mpsc::channel();
    let builder = EventHubConsumerClient::builder(source, store);
    let builder = builder.on_partition_initialize(move |_| {
        let _ = sender.send(());
    });
    let client = Arc::new(builder.build().unwrap());
    let first = Arc::clone(&client);
    let receiving = std::thread::spawn(move || first.receive(|_, _| Ok(())));
    opened.recv_timeout(60 * SECOND).unwrap();
    let second = client.receive(|_, _| Ok(()));
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Configuration);
    client.stop_handle().stop();
    receiving.join().unwrap().unwrap();
}

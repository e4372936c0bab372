//! What only threads do: they wait, are woken, and belong to a runtime perhaps.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob::EventSource;
use eventhub_checkpointstore::processing::ReadEnd;

use crate::suite::{PATIENCE, config, earliest, hub, receive, start};

#[test]
fn a_waiting_receive_is_woken() {
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).unwrap();
    let wake = reader.interrupter().unwrap();
    let begun = Instant::now();
    let waker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        wake();
    });
    let mut events = Vec::new();
    reader.receive(&mut events, 10, 2 * PATIENCE).unwrap();
    assert!(events.is_empty() && begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    waker.join().unwrap();
    double.append("0", "event");
    receive(&mut *reader, 1);
}

#[test]
fn a_wake_before_the_receive_ends_the_next_one_and_no_other() {
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).unwrap();
    let wake = reader.interrupter().unwrap();
    for _ in 0..3 {
        wake();
        let (mut events, begun) = (Vec::new(), Instant::now());
        reader.receive(&mut events, 10, 2 * PATIENCE).unwrap();
        assert!(events.is_empty() && begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
    // It was used up: this one waits for the event.
    let appending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        double.append("0", "event");
        double
    });
    let mut events = Vec::new();
    reader.receive(&mut events, 10, 2 * PATIENCE).unwrap();
    assert_eq!(events.len(), 1);
    appending.join().unwrap();
}

/// Another thread closes the hub: nobody waits for the end of a wait.
#[test]
fn a_waiting_receive_ends_with_the_hub() {
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).unwrap();
    let begun = Instant::now();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        hub.close().unwrap();
    });
    let end = reader.receive(&mut Vec::new(), 10, 10 * PATIENCE).unwrap_err();
    assert!(matches!(end, ReadEnd::Closed), "{end:?}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    closing.join().unwrap();
}

/// tokio's own blocking calls panic there.
#[test]
fn it_may_be_used_on_a_thread_of_a_runtime() {
    let double = start(config(1));
    double.append("0", "event");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let hub = hub(&double);
        assert_eq!(hub.properties().unwrap().partition_ids.len(), 1);
        let mut reader = hub.open(earliest("0")).unwrap();
        receive(&mut *reader, 1);
        reader.close().unwrap();
    });
}

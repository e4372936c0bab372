//! What breaks is healed inside the reader: each event once and in order, and the other partitions undisturbed.

use super::subject::{BlobCheckpointStore, EventHubConsumerClient};
use super::test;
use super::*;
use eventhub_checkpointstore::{Checkpoint, ErrorKind};
use eventhubs_double::{AttachFault, ReplyFault};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The page with the table of faults. Its seconds are those of one run.
const PAGE: &str = include_str!("../../../../src/docs/recovery.md");

const ALL: &[&str] = &["0", "1", "2", "3"];

/// Reads all partitions while events flow and a fault happens to some of them.
///
/// Each partition has 300 events before the fault and 300 after it. Each is received once and in order. The partitions
/// with the fault open one link each, and the others none. Prints the row of the page and the seconds.
#[maybe_async]
async fn survives(
    hub: &EventHub,
    double: &Arc<EventHubsDouble>,
    name: &str,
    hit: &[&str],
    fault: impl FnOnce(),
) {
    let ids: Vec<String> = hub.properties().await.unwrap().partition_ids;
    let fill = |part: &str| {
        for id in &ids {
            double.fill(id, (0..300).map(|number| format!("{part} {number}")));
        }
    };
    fill("before");
    let mut readers = Vec::new();
    for id in &ids {
        let mut reader = hub.open(earliest(id)).await.unwrap();
        let received = receive(&mut *reader, 200).await;
        assert_eq!(numbers(&received), (0..200).collect::<Vec<_>>());
        readers.push(reader);
    }
    let before = double.counters().opened_by_partition;
    let begun = Instant::now();
    fault();
    fill("behind");
    let received = in_parallel(readers, |mut reader| async move {
        let mut events = receive(&mut *reader, 400).await;
        reader.receive(&mut events, 10, Duration::from_millis(50)).await.unwrap();
        numbers(&events)
    });
    let (received, took) = (received.await, begun.elapsed());

    let expected: Vec<i64> = (200..600).collect();
    let (mut events, mut gaps, mut repeats) = (0, 0, 0);
    for numbers in &received {
        events += 200 + numbers.len();
        let distinct: BTreeSet<_> = numbers.iter().collect();
        gaps += expected.iter().filter(|number| !distinct.contains(number)).count();
        repeats += numbers.len() - distinct.len();
    }
    let opened = double.counters().opened_by_partition;
    let opened_by = |is_hit: bool| -> u64 {
        let wanted = ids.iter().filter(|id| hit.contains(&id.as_str()) == is_hit);
        wanted.map(|id| opened[id] - before[id]).sum()
    };
    let (here, elsewhere) = (opened_by(true), opened_by(false));
    let row = format!(
        "| {name} | {} of {} | {events} | {gaps} | {repeats} | {here} | {elsewhere} |",
        hit.len(),
        ids.len()
    );
    println!("{row} {:.1} {SURFACE} |", took.as_secs_f64());
    for numbers in received {
        assert_eq!(numbers, expected, "{row}");
    }
    assert_eq!((here, elsewhere), (hit.len() as u64, 0), "{row}");
    assert_eq!(PAGE.matches(&row).count(), 1, "the page has no such row: {row}");
}

#[maybe_async]
#[test]
async fn a_cut_connection() {
    let double = start(config(4));
    let hub = hub(&double);
    survives(&hub, &double, "the connection is cut", ALL, || double.cut_connections()).await;
    assert_eq!(double.counters().connections, 2);
}

#[maybe_async]
#[test]
async fn a_link_that_is_detached() {
    for condition in [
        "amqp:link:detach-forced",
        "amqp:link:redirect",
        "amqp:internal-error",
        "com.microsoft:timeout",
    ] {
        let double = start(config(4));
        let hub = hub(&double);
        let fault = || double.detach("2", condition);
        survives(&hub, &double, "one link is detached", &["2"], fault).await;
        assert_eq!(double.counters().connections, 1, "{condition}");
    }
}

#[maybe_async]
#[test]
async fn all_links_detached() {
    let double = start(config(4));
    let hub = hub(&double);
    let fault = || double.detach_all("amqp:link:detach-forced");
    survives(&hub, &double, "all links are detached", ALL, fault).await;
    assert_eq!(double.counters().connections, 1);
}

#[maybe_async]
#[test]
async fn a_restart_of_the_service() {
    let double = start(config(4));
    let hub = hub(&double);
    let restart = || {
        double.stop();
        std::thread::sleep(Duration::from_millis(500));
        on_double(double.start_again()).unwrap();
    };
    survives(&hub, &double, "the service restarts within 0.5 s", ALL, restart).await;
}

#[maybe_async]
#[test]
async fn a_connection_that_falls_silent() {
    let double = start(config(4));
    let hub = builder(&double).idle_timeout(Duration::from_secs(2)).build().unwrap();
    let fault = || double.silence_connections();
    let name = "the connection falls silent (`idle_timeout` of 2 s)";
    survives(&hub, &double, name, ALL, fault).await;
    assert_eq!(double.counters().connections, 2);
}

#[maybe_async]
#[test]
async fn an_attach_that_gets_no_response() {
    let double = start(config(4));
    let hub = builder(&double).request_timeout(Duration::from_secs(1)).build().unwrap();
    let fault = || {
        double.fail_attach(AttachFault::Silence);
        double.detach("1", "amqp:link:detach-forced");
    };
    let name = "an attach is not answered (`request_timeout` of 1 s)";
    survives(&hub, &double, name, &["1"], fault).await;
    assert_eq!(double.counters().connections, 1);
}

#[maybe_async]
#[test]
async fn an_attach_that_is_refused_for_a_while() {
    for condition in ["amqp:not-found", "amqp:unauthorized-access", "amqp:resource-limit-exceeded"]
    {
        let double = start(config(4));
        let hub = hub(&double);
        let fault = || {
            for _ in 0..3 {
                double.fail_attach(AttachFault::Refuse(condition.into(), "for a while".into()));
            }
            double.detach("1", "amqp:link:detach-forced");
        };
        survives(&hub, &double, "an attach is refused three times", &["1"], fault).await;
    }
}

#[maybe_async]
#[test]
async fn a_token_that_is_refused_or_late_after_a_cut() {
    for (reply, fault) in [
        ("refused", ReplyFault::Status(401)),
        ("answered with 503", ReplyFault::Status(503)),
        ("not answered (`request_timeout` of 1 s)", ReplyFault::Silence),
        ("answered after 0.3 s", ReplyFault::Delay(Duration::from_millis(300))),
    ] {
        let double = start(config(4));
        let hub = builder(&double).request_timeout(Duration::from_secs(1)).build().unwrap();
        let cut = || {
            double.fail_token(fault.clone());
            double.cut_connections();
        };
        let name = format!("the connection is cut, and the next token is {reply}");
        survives(&hub, &double, &name, ALL, cut).await;
    }
}

#[maybe_async]
#[test]
async fn a_reader_that_is_refused_for_good_ends_and_says_why() {
    let double = start(config(1));
    let hub = builder(&double).open_timeout(Duration::from_secs(1)).build().unwrap();
    double.append("0", "event");
    let mut reader = hub.open(earliest("0")).await.unwrap();
    receive(&mut *reader, 1).await;
    for _ in 0..100 {
        double.fail_attach(AttachFault::Refuse("amqp:not-found".into(), "it was deleted".into()));
    }
    double.detach("0", "amqp:link:detach-forced");
    match end_of(&mut *reader).await {
        ReadEnd::Failed(error) => {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some("amqp:not-found")));
            assert!(error.to_string().contains("it was deleted"), "{error}");
        }
        end => panic!("it ended with {end:?}"),
    }
    let received = end_of(&mut *reader).await;
    assert!(matches!(received, ReadEnd::Closed));
}

#[maybe_async]
#[test]
async fn a_higher_owner_level_displaces_a_reader_which_does_not_come_back() {
    let double = start(config(1));
    double.fill("0", ["a", "b"]);
    let (hub, rival) = (hub(&double), hub(&double));
    let mut reader = hub.open(earliest("0").with_owner_level(Some(1))).await.unwrap();
    let received = receive(&mut *reader, 2).await;
    assert_eq!(received.len(), 2);
    let mut winner = rival.open(earliest("0").with_owner_level(Some(2))).await.unwrap();
    let received = end_of(&mut *reader).await;
    assert!(matches!(received, ReadEnd::Displaced(_)));
    let received = receive(&mut *winner, 2).await;
    assert_eq!(received.len(), 2);
    let end = refusal(&hub, earliest("0").with_owner_level(Some(1))).await;
    assert!(matches!(end, ReadEnd::Displaced(_)), "{end:?}");
    assert_eq!(attached(&double)["0"], 1);
    assert_eq!(double.counters().opened_links, 2);
}

#[maybe_async]
#[test]
async fn an_offset_that_is_refused_falls_back_to_the_sequence_number() {
    let double = start(config(1));
    double.fill("0", ["a", "b", "c"]);
    let hub = hub(&double);
    let lost = StartingPosition::Offset { offset: "no offset".into(), inclusive: false };
    let request = OpenPartition::new("0", lost).with_sequence_number(Some(1));
    let mut reader = hub.open(request.clone()).await.unwrap();
    let received = receive(&mut *reader, 1).await;
    assert_eq!(numbers(&received), [2]);
    double.fail_attach(AttachFault::Refuse(
        "com.microsoft:argument-error".into(),
        "The supplied offset '5' is invalid. The last offset in the system is '3'".into(),
    ));
    let end = refusal(&hub, request.with_sequence_number(None)).await;
    assert!(matches!(end, ReadEnd::PositionLost(_)), "{end:?}");
    assert!(end.to_string().contains("last offset in the system"), "{end}");
}

/// The event hub was created again, for example, and the checkpoint is of the former one.
#[maybe_async]
#[test]
async fn a_consumer_whose_position_does_not_exist_continues_at_the_earliest_event() {
    let double = start(config(1));
    double.fill("0", ["a", "b", "c"]);
    let (hub, store) = (hub(&double), BlobCheckpointStore::in_memory());
    let checkpoint = Checkpoint::new(hub.group(), "0", "77777", 900).unwrap();
    store.update_checkpoint(&checkpoint).await.unwrap();
    // By the offset, then by the sequence number.
    for _ in 0..2 {
        double.fail_attach(AttachFault::Refuse(
            "com.microsoft:argument-error".into(),
            "The supplied offset '77777' is invalid. The last offset in the system is '3'".into(),
        ));
    }
    let builder = EventHubConsumerClient::builder(hub, store).max_wait_time(Some(PATIENCE));
    let mut streams = builder.build_streams().unwrap();
    let mut partition = streams.next_partition().await.unwrap().unwrap();
    let mut received = Vec::new();
    while received.len() < 3 {
        let events = partition.next_batch(10).await.unwrap();
        assert!(!events.is_empty(), "only {received:?} in time");
        received.extend(events.iter().map(|event| event.sequence_number()));
    }
    assert_eq!(received, [0, 1, 2]);
    partition.close().await;
    streams.close().await.unwrap();
}

/// Whatever listens on a port instead of the service: counts who comes, and hangs up.
struct Impostor {
    attempts: Arc<AtomicU32>,
}

impl Impostor {
    fn start(port: u16) -> Self {
        let begun = Instant::now();
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => break listener,
                // The double is on its way out.
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(client);
            }
        });
        Self { attempts }
    }
}

/// No service, no busy loop: one attempt serves all readers, the pauses double, and the close does not wait for one.
#[maybe_async]
#[test]
async fn without_a_service_attempts_are_few_and_a_close_is_quick() {
    let double = start(config(8));
    let hub = hub(&double);
    let mut readers = Vec::new();
    for id in 0..8 {
        readers.push(hub.open(earliest(&id.to_string())).await.unwrap());
    }
    double.stop();
    let impostor = Impostor::start(double.port());
    let begun = Instant::now();
    eventually("four attempts", || impostor.attempts.load(Ordering::SeqCst) >= 4).await;
    pause(Duration::from_secs(2)).await;
    let attempts = impostor.attempts.load(Ordering::SeqCst);
    // The shortest pauses are 50, 100, 200 ms and so on; the first attempt comes at once.
    let most = 2.0 + (begun.elapsed().as_secs_f64() / 0.05 + 1.0).log2();
    assert!(f64::from(attempts) <= most, "{attempts} attempts in {:?}", begun.elapsed());
    let begun = Instant::now();
    for reader in readers {
        reader.close().await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

/// A receive that already waits gets the events that follow a cut long before its wait is over.
#[maybe_async]
#[test]
async fn a_receive_that_waits_when_the_connection_is_cut_returns_with_the_next_event() {
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let cutting = Arc::clone(&double);
    let cut = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        cutting.cut_connections();
        // The cut takes a moment, in which the old connection could still carry the event.
        while cutting.counters().connections < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        cutting.append("0", "behind the cut");
    });
    let (begun, mut events) = (Instant::now(), Vec::new());
    reader.receive(&mut events, 10, 10 * PATIENCE).await.unwrap();
    assert_eq!(numbers(&events), [0]);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    cut.join().unwrap();
    assert_eq!(double.counters().connections, 2);
}

#[maybe_async]
#[test]
async fn an_open_without_a_service_fails_in_time() {
    let double = start(config(1));
    let hub = builder(&double).open_timeout(Duration::from_millis(500)).build().unwrap();
    double.stop();
    let begun = Instant::now();
    let error = hub.open(earliest("0")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.to_string().contains(&double.port().to_string()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[maybe_async]
#[test]
async fn a_closed_hub_ends_its_readers() {
    let double = start(config(2));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    hub.close().await.unwrap();
    let received = end_of(&mut *reader).await;
    assert!(matches!(received, ReadEnd::Closed));
    let received = hub.open(earliest("1")).await;
    assert!(received.is_err());
    eventually("no receiver is left", || double.receivers().is_empty()).await;
}

/// A reader that is dropped in mid-stream, as often as one likes, costs the others nothing.
#[maybe_async]
#[test]
async fn dropped_readers_leave_the_others_alone() {
    let double = start(config(2));
    double.fill("0", (0..2_000).map(|_| "event"));
    double.fill("1", (0..2_000).map(|_| "event"));
    let hub = hub(&double);
    let mut steady = hub.open(earliest("0")).await.unwrap();
    for _ in 0..20 {
        let mut reader = hub.open(earliest("1")).await.unwrap();
        receive(&mut *reader, 10).await;
        drop(reader);
        receive(&mut *steady, 50).await;
    }
    receive(&mut *steady, 1_000).await;
    assert_eq!(double.counters().connections, 1);
    assert_eq!(double.counters().opened_by_partition["0"], 1);
    eventually("the dropped ones are gone", || !attached(&double).contains_key("1")).await;
}

/// The service never responds to the end of a link and goes on sending; the connection stays usable.
#[maybe_async]
#[test]
async fn an_end_without_a_response_does_not_cost_others_the_connection() {
    let double = start(config(2));
    double.fill("0", (0..10).map(|_| "event"));
    let hub = hub(&double);
    let mut steady = hub.open(earliest("1")).await.unwrap();
    let mut reader = hub.open(earliest("0").with_prefetch(100)).await.unwrap();
    receive(&mut *reader, 10).await;
    hub.properties().await.unwrap();
    double.ignore_ends();
    let begun = Instant::now();
    reader.close().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "a close does not wait for the response");
    pause(Duration::from_secs(6)).await;
    let delivered = || double.counters().delivered["0"];
    let before = delivered();
    double.fill("0", (0..50).map(|_| "event for nobody"));
    eventually("the link goes on", || delivered() > before).await;
    double.append("1", "event");
    receive(&mut *steady, 1).await;
    let begun = Instant::now();
    assert_eq!(double.counters().connections, 1);
    hub.close().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "nor does the close of the hub");
}

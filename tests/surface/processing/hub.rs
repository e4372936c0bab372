//! The event hub in memory: what the real one promises, and the faults that a test asks for.

use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::memory::{EventHub, EventHubSource};
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{OpenPartition, ReadEnd, ReceivedEvent};
use eventhub_checkpointstore::{Error, ErrorKind};

use super::super::subject::{EventSource, PartitionReader};
use super::{SECOND, Time, maybe_async, test};

fn filled(time: &Time, count: usize) -> (EventHub, EventHubSource) {
    let hub = time.hub(2);
    for _ in 0..count {
        hub.publish("0", "x").unwrap();
        hub.advance(SECOND);
    }
    let source = hub.consumer_group("$Default").unwrap();
    (hub, source)
}

#[maybe_async]
async fn numbers(reader: &mut Box<dyn PartitionReader>) -> Vec<i64> {
    let mut events: Vec<ReceivedEvent> = Vec::new();
    reader.receive(&mut events, 1_000, Duration::ZERO).await.unwrap();
    events.iter().map(ReceivedEvent::sequence_number).collect()
}

#[maybe_async]
async fn open(source: &EventHubSource, position: StartingPosition) -> Box<dyn PartitionReader> {
    EventSource::open(source, OpenPartition::new("0", position)).await.unwrap()
}

#[maybe_async]
#[test]
async fn every_position_begins_where_it_says() {
    let time = Time::new();
    let (hub, source) = filled(&time, 10);
    let third = hub.now() - 7 * SECOND;
    let offset =
        |offset: &str, inclusive| StartingPosition::Offset { offset: offset.into(), inclusive };
    let number = |sequence_number, inclusive| StartingPosition::SequenceNumber {
        sequence_number,
        inclusive,
    };
    let at = |enqueued_time: SystemTime, inclusive| StartingPosition::EnqueuedTime {
        enqueued_time,
        inclusive,
    };
    for (position, first) in [
        (StartingPosition::Earliest, 0),
        (StartingPosition::Latest, 10),
        (offset("144", false), 4),
        (offset("144", true), 3),
        (number(5, false), 6),
        (number(5, true), 5),
        (at(third - SECOND / 2, true), 3),
        (at(third + 100 * SECOND, true), 10),
    ] {
        let mut reader = open(&source, position.clone()).await;
        let read = numbers(&mut reader).await;
        assert_eq!(read, (first..10).collect::<Vec<_>>(), "{position:?}");
    }
    let refused = EventSource::open(&source, OpenPartition::new("0", offset("x", true))).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::InvalidInput));
    let nowhere = OpenPartition::new("7", StartingPosition::Earliest);
    let refused = EventSource::open(&source, nowhere).await;
    assert!(refused.err().is_some_and(|error| error.to_string().contains('7')));
}

#[maybe_async]
#[test]
async fn expired_events_are_skipped() {
    let time = Time::new();
    let (hub, source) = filled(&time, 10);
    let mut reader = open(&source, StartingPosition::Earliest).await;
    hub.expire_until("0", 4).unwrap();
    let read = numbers(&mut reader).await;
    assert_eq!(read, [4, 5, 6, 7, 8, 9]);
    hub.expire_after(3 * SECOND + SECOND / 2);
    let number = StartingPosition::SequenceNumber { sequence_number: 1, inclusive: true };
    let mut reader = open(&source, number).await;
    let read = numbers(&mut reader).await;
    assert_eq!(read, [7, 8, 9]);
    hub.advance(60 * SECOND);
    let properties = EventSource::partition_properties(&source, "0").await.unwrap();
    assert!(properties.is_empty);
    assert_eq!(properties.beginning_sequence_number, 10);
}

#[maybe_async]
#[test]
async fn a_higher_owner_level_displaces_and_a_lower_one_is_sent_away() {
    let time = Time::new();
    let (hub, source) = filled(&time, 1);
    let with = |level| OpenPartition::new("0", StartingPosition::Earliest).with_owner_level(level);
    let mut events = Vec::new();
    let mut plain = EventSource::open(&source, with(None)).await.unwrap();
    let mut other_group =
        EventSource::open(&hub.consumer_group("audit").unwrap(), with(None)).await.unwrap();
    let mut first = EventSource::open(&source, with(Some(1))).await.unwrap();
    let end = plain.receive(&mut events, 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::Displaced(_))), "{end:?}");
    let mut late = EventSource::open(&source, with(Some(0))).await.unwrap();
    let end = late.receive(&mut events, 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::Displaced(_))), "{end:?}");
    let read = numbers(&mut first).await;
    assert_eq!(read, [0]);
    let mut same = EventSource::open(&source, with(Some(1))).await.unwrap();
    let end = first.receive(&mut events, 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::Displaced(_))), "{end:?}");
    let read = numbers(&mut same).await;
    assert_eq!(read, [0]);
    let read = numbers(&mut other_group).await;
    assert_eq!(read, [0], "another group is not concerned");
    hub.steal("0").unwrap();
    let end = same.receive(&mut events, 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::Displaced(_))), "{end:?}");
    drop((plain, late, first, same, other_group));
    assert_eq!(hub.readers("0"), 0);
}

#[maybe_async]
async fn publish_later((hub, time): (EventHub, Time)) {
    time.sleep(3 * SECOND).await;
    hub.publish("0", "later").unwrap();
}

#[maybe_async]
#[test]
async fn a_receive_waits_for_an_event_and_no_longer_than_it_may() {
    let time = Time::new();
    let (hub, source) = filled(&time, 0);
    let mut reader = open(&source, StartingPosition::Earliest).await;
    let mut events = Vec::new();
    let began = time.elapsed();
    reader.receive(&mut events, 10, 2 * SECOND).await.unwrap();
    assert_eq!((events.len(), (time.elapsed() - began).as_secs()), (0, 2));
    let publishing = time.spawn((hub, time.clone()), publish_later);
    reader.receive(&mut events, 10, 60 * SECOND).await.unwrap();
    assert_eq!((events.len(), (time.elapsed() - began).as_secs()), (1, 5));
    publishing.join().await;
    assert_eq!(events[0].body().to_text(), "later");
    let interrupt = reader.interrupter().unwrap();
    interrupt();
    events.clear();
    reader.receive(&mut events, 10, 60 * SECOND).await.unwrap();
    assert_eq!((events.len(), (time.elapsed() - began).as_secs()), (0, 5), "it was interrupted");
}

#[maybe_async]
#[test]
async fn faults_come_when_they_are_asked_for_and_once() {
    let time = Time::new();
    let (hub, source) = filled(&time, 3);
    let error = || Error::new(ErrorKind::Network, "cut");
    hub.fail_next_properties(error());
    let properties = EventSource::properties(&source).await;
    assert_eq!(properties.unwrap_err().kind(), ErrorKind::Network);
    let properties = EventSource::properties(&source).await.unwrap();
    assert_eq!(properties.partition_ids, ["0", "1"]);
    hub.fail_next_open("0", error()).unwrap();
    let request = || OpenPartition::new("0", StartingPosition::Earliest);
    let refused = EventSource::open(&source, request()).await;
    assert!(refused.is_err());
    let mut reader = EventSource::open(&source, request()).await.unwrap();
    hub.fail_next_receive("0", ReadEnd::PositionLost("gone".into())).unwrap();
    let end = reader.receive(&mut Vec::new(), 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::PositionLost(_))));
    let end = reader.receive(&mut Vec::new(), 1, Duration::ZERO).await;
    assert!(matches!(end, Err(ReadEnd::Closed)), "the link is gone with it");
}

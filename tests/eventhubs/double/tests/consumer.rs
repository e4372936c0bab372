//! The official consumer client reads from the double.

mod support;

use std::time::{Duration, SystemTime};

use azure_messaging_eventhubs::{ConsumerClient, StartLocation};
use eventhubs_double::{Config, EventHubsDouble, OffsetStyle};
use futures::StreamExt;
use support::{
    HUB, NAMESPACE, PATIENCE, client, client_of, eventually, from, receive, sequence_numbers, start,
};

#[tokio::test]
async fn properties_of_the_hub_and_of_its_partitions() {
    let double = start(3).await;
    double.fill("1", ["a", "b", "c"]);
    let client = client(&double).await;

    let hub = client.get_eventhub_properties().await.expect("hub properties");
    assert_eq!(
        (hub.name.as_str(), hub.partition_ids),
        (HUB, vec!["0".into(), "1".into(), "2".into()])
    );
    assert!(hub.created_on.is_some_and(|created| created <= SystemTime::now()));

    let filled = client.get_partition_properties("1").await.expect("partition properties");
    assert_eq!((filled.id.as_str(), filled.eventhub.as_str(), filled.is_empty), ("1", HUB, false));
    assert_eq!((filled.beginning_sequence_number, filled.last_enqueued_sequence_number), (0, 2));
    assert_eq!(Some(filled.last_enqueued_offset), double.offset("1", 2));

    let empty = client.get_partition_properties("2").await.expect("partition properties");
    assert_eq!((empty.is_empty, empty.last_enqueued_sequence_number), (true, -1));
    assert_eq!(empty.last_enqueued_offset, "-1");

    client.get_partition_properties("3").await.expect_err("there is no such partition");
    client.close().await.expect("the connection closes");
}

#[tokio::test]
async fn events_from_the_earliest_with_body_and_annotations() {
    let double = start(1).await;
    double.fill("0", ["zero", "one", "two"]);
    let client = client(&double).await;

    let events = receive(&client, from(StartLocation::Earliest, false), 3).await;
    assert_eq!(sequence_numbers(&events), [0, 1, 2]);
    for (event, body) in events.iter().zip(["zero", "one", "two"]) {
        assert_eq!(event.event_data().body(), Some(body.as_bytes()));
        assert_eq!(*event.offset(), double.offset("0", event.sequence_number().unwrap_or(-1)));
        let age = event.enqueued_time().and_then(|time| time.elapsed().ok());
        assert!(age.is_some_and(|age| age < PATIENCE));
    }
    assert_eq!(double.counters().delivered["0"], 3);
}

#[tokio::test]
async fn events_from_an_offset_a_sequence_number_and_a_time() {
    let double = start(1).await;
    double.fill("0", (0..10).map(|number| format!("event {number}")));
    let offset = double.offset("0", 4).expect("event 4");
    let client = client(&double).await;

    for (location, inclusive, first) in [
        (StartLocation::Offset(offset.clone()), false, 5),
        (StartLocation::Offset(offset), true, 4),
        (StartLocation::SequenceNumber(7), false, 8),
        (StartLocation::SequenceNumber(7), true, 7),
        (StartLocation::EnqueuedTime(SystemTime::now() - Duration::from_secs(3600)), false, 0),
    ] {
        let what = format!("{location:?}, inclusive: {inclusive}");
        let events = receive(&client, from(location, inclusive), 2).await;
        assert_eq!(sequence_numbers(&events), [first, first + 1], "{what}");
    }
}

#[tokio::test]
async fn events_that_come_later_reach_a_receiver_at_the_end() {
    let double = start(1).await;
    double.fill("0", ["old", "older"]);
    let client = client(&double).await;

    let receiver =
        client.open_receiver_on_partition("0".to_string(), None).await.expect("a receiver");
    let mut events = receiver.stream_events();
    let append_when_attached = async {
        eventually("a receiver is attached", || !double.receivers().is_empty()).await;
        double.append("0", "new")
    };
    let both = futures::future::join(events.next(), append_when_attached);
    let (event, sequence_number) =
        tokio::time::timeout(PATIENCE, both).await.expect("an event in time");
    let event = event.expect("an open stream").expect("an event");
    assert_eq!(event.sequence_number(), Some(sequence_number));
    assert_eq!(event.event_data().body(), Some(&b"new"[..]));
}

#[tokio::test]
async fn offsets_stay_opaque_on_a_geo_replicated_hub() {
    let config = Config::new(HUB, 1).offset_style(OffsetStyle::GeoReplicated);
    let double = EventHubsDouble::start(config).await.expect("a free port");
    double.fill("0", ["a", "b", "c"]);
    let client = client(&double).await;

    let events = receive(&client, from(StartLocation::Earliest, false), 2).await;
    let offset = events[1].offset().clone().expect("an offset");
    assert_eq!(offset, "1:65:1");
    let rest = receive(&client, from(StartLocation::Offset(offset), false), 1).await;
    assert_eq!(sequence_numbers(&rest), [2]);
}

#[tokio::test]
async fn names_compare_case_insensitively() {
    let double = start(1).await;
    double.append("0", "event");
    let client = client_of(&double, "TELEMETRY", "$DEFAULT").await;
    assert!(client.get_eventhub_properties().await.is_ok());
    assert_eq!(receive(&client, from(StartLocation::Earliest, false), 1).await.len(), 1);
}

#[tokio::test]
async fn a_connection_string_opens_a_client() {
    let double = start(1).await;
    double.append("0", "event");
    let connection_string = format!(
        "Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=reader;SharedAccessKey=d29ydGhsZXNz;EntityPath={HUB}"
    );
    let client = ConsumerClient::builder()
        .with_custom_endpoint(double.endpoint())
        .open_with_connection_string(&connection_string, None)
        .await
        .expect("the double accepts the connection");
    assert_eq!(receive(&client, from(StartLocation::Earliest, false), 1).await.len(), 1);
    assert!(double.counters().put_tokens > 0);
}

#[tokio::test]
async fn a_bad_offset_and_an_unknown_hub_are_refused() {
    let double = start(1).await;
    let bad_offset = from(StartLocation::Offset("no offset".to_string()), false);
    for (hub, options) in [(HUB, bad_offset), ("unknown", from(StartLocation::Earliest, false))] {
        let client = client_of(&double, hub, "$Default").await;
        let receiver =
            client.open_receiver_on_partition("0".to_string(), options).await.expect("a receiver");
        let mut events = receiver.stream_events();
        let first = tokio::time::timeout(PATIENCE, events.next());
        assert!(
            first.await.expect("a response in time").is_some_and(|event| event.is_err()),
            "{hub}"
        );
    }
    assert!(double.receivers().is_empty());
    assert_eq!((double.counters().refused_links, double.counters().opened_links), (2, 0));
}

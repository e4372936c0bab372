//! Events as they come: from every position, in every form, within the bounds of the prefetch.

use super::test;
use super::*;
use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::processing::{AmqpValue, EventBody};
use eventhubs_double::{Content, OffsetStyle};
use fe2o3_amqp_types::messaging::{
    AmqpSequence, AmqpValue as ValueSection, ApplicationProperties, Batch, Body, Data, Message,
    MessageAnnotations, Properties,
};
use fe2o3_amqp_types::primitives::{Binary, Symbol, Value};

#[maybe_async]
#[test]
async fn every_event_comes_once_and_in_order() {
    let double = start(config(2));
    double.fill("1", (0..1_000).map(|number| format!("event {number}")));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("1")).await.unwrap();
    let events = receive(&mut *reader, 1_000).await;
    assert_eq!(numbers(&events), (0..1_000).collect::<Vec<_>>());
    assert_eq!(events[7].body().to_text(), "event 7");
    assert_eq!(events[7].offset(), double.offset("1", 7).as_deref());
    assert!(events[7].enqueued_time().elapsed().unwrap() < PATIENCE);
    double.append("1", "late");
    let late = receive(&mut *reader, 1).await;
    assert_eq!(late[0].body().to_text(), "late");
    reader.close().await.unwrap();
    eventually("the link is detached", || double.receivers().is_empty()).await;
    hub.close().await.unwrap();
}

#[maybe_async]
#[test]
async fn the_position_decides_where_reading_begins() {
    for style in [OffsetStyle::BytePosition, OffsetStyle::GeoReplicated] {
        let double = start(config(1).offset_style(style));
        double.fill("0", ["a", "b", "c", "d"]);
        let hub = hub(&double);
        let offset = double.offset("0", 1).unwrap();
        let at_offset = |inclusive| StartingPosition::Offset { offset: offset.clone(), inclusive };
        let at_number =
            |inclusive| StartingPosition::SequenceNumber { sequence_number: 1, inclusive };
        let since = StartingPosition::EnqueuedTime {
            enqueued_time: std::time::UNIX_EPOCH,
            inclusive: false,
        };
        for (position, first) in [
            (StartingPosition::Earliest, 0),
            (at_offset(false), 2),
            (at_offset(true), 1),
            (at_number(false), 2),
            (at_number(true), 1),
            (since, 0),
        ] {
            let mut reader = hub.open(OpenPartition::new("0", position.clone())).await.unwrap();
            let events = receive(&mut *reader, 1).await;
            assert_eq!(events[0].sequence_number(), first, "{position:?}");
            reader.close().await.unwrap();
        }
    }
}

/// A reader that begins at the end and is cut before its first event must not skip what came meanwhile.
#[maybe_async]
#[test]
async fn latest_is_where_it_was_when_the_reader_was_opened() {
    let double = start(config(2));
    double.fill("0", ["old", "older"]);
    let hub = hub(&double);
    let mut used = hub.open(OpenPartition::new("0", StartingPosition::Latest)).await.unwrap();
    let mut empty = hub.open(OpenPartition::new("1", StartingPosition::Latest)).await.unwrap();
    double.cut_connections();
    double.append("0", "new");
    double.append("1", "first");
    let received = receive(&mut *used, 1).await;
    assert_eq!(received[0].body().to_text(), "new");
    let received = receive(&mut *empty, 1).await;
    assert_eq!(received[0].body().to_text(), "first");
}

#[maybe_async]
#[test]
async fn all_kinds_of_bodies_and_properties_are_decoded() {
    let double = start(config(1));
    let message = |body: Body<Value>| Message::builder().body(body).build();
    let data = |part: &str| Data(Binary::from(part.as_bytes().to_vec()));
    let mut rich = message(Body::Data(Batch::new(vec![data("one"), data("two")])));
    rich.properties = Some(
        Properties::builder()
            .message_id("m-1".to_string())
            .correlation_id(7_u64)
            .content_type(Symbol::from("application/json"))
            .subject("a subject")
            .build(),
    );
    rich.application_properties = Some(
        ApplicationProperties::builder()
            .insert("text", "value".to_string())
            .insert("number", -5_i32)
            .insert("flag", true)
            .build(),
    );
    rich.message_annotations = Some(
        MessageAnnotations::builder()
            .insert("x-opt-partition-key", Value::String("key".into()))
            .insert("x-opt-publisher", Value::Symbol(Symbol::from("p")))
            .build(),
    );
    let list = vec![Value::Int(1), Value::String("two".into()), Value::Null];
    let messages = [
        rich,
        message(Body::Value(ValueSection(Value::String("text".into())))),
        message(Body::Value(ValueSection(Value::List(list.clone())))),
        message(Body::Sequence(Batch::new(vec![AmqpSequence(list.clone()), AmqpSequence(list)]))),
        message(Body::Empty),
    ];
    double.fill("0", messages.map(|message| Content::Message(Box::new(message))));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let events = receive(&mut *reader, 5).await;

    let rich = &events[0];
    assert_eq!(rich.body(), &EventBody::Data("onetwo".into()));
    assert_eq!(rich.message_id(), Some("m-1"));
    assert_eq!(rich.correlation_id(), Some("7"));
    assert_eq!(rich.content_type(), Some("application/json"));
    assert_eq!(rich.partition_key(), Some("key"));
    assert_eq!(rich.property("text"), Some(&AmqpValue::from("value")));
    assert_eq!(rich.property("number"), Some(&AmqpValue::Int(-5)));
    assert_eq!(rich.property("flag"), Some(&AmqpValue::Bool(true)));
    let system: Vec<_> = rich.system_properties().collect();
    assert!(system.contains(&("x-opt-publisher", &AmqpValue::from("p"))), "{system:?}");
    assert!(system.contains(&("subject", &AmqpValue::from("a subject"))), "{system:?}");

    let list = vec![AmqpValue::Int(1), AmqpValue::from("two"), AmqpValue::Null];
    assert_eq!(events[1].body(), &EventBody::Value(AmqpValue::from("text")));
    assert_eq!(events[2].body(), &EventBody::Value(AmqpValue::List(list.clone())));
    assert_eq!(events[3].body(), &EventBody::Sequence(vec![list.clone(), list]));
    assert!(events[4].body().is_empty());
}

/// The decoder recurses, and any sender may send.
#[maybe_async]
#[test]
async fn a_body_that_is_nested_too_deep_neither_crashes_nor_stops_the_partition() {
    let double = start(config(1));
    let mut deep = Value::Null;
    for _ in 0..100 {
        deep = Value::List(vec![deep]);
    }
    let message: Message<Body<Value>> =
        Message::builder().body(Body::Value(ValueSection(deep))).build();
    double.append("0", Content::Message(Box::new(message)));
    double.append("0", "next");
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let events = receive(&mut *reader, 2).await;
    assert!(matches!(events[0].body(), EventBody::Value(AmqpValue::Binary(_))), "{:?}", events[0]);
    assert_eq!(events[1].body().to_text(), "next");
}

#[maybe_async]
#[test]
async fn events_of_a_megabyte_come_whole() {
    let double = start(config(1));
    let body = |number: u8| vec![number; 1_000_000];
    double.fill("0", (0..6).map(body));
    let hub = builder(&double).max_prefetch_bytes(2_500_000).build().unwrap();
    let mut reader = hub.open(earliest("0")).await.unwrap();
    for number in 0..6 {
        let events = receive(&mut *reader, 1).await;
        assert_eq!(events[0].body().as_bytes(), body(number));
    }
}

/// Such bodies are not one range of bytes: they come in several frames.
#[maybe_async]
#[test]
async fn values_and_sequences_that_fill_several_frames_are_decoded() {
    let double = start(config(1));
    let long = Value::String("x".repeat(200_000));
    let many = vec![Value::String("element".repeat(10)); 3_000];
    let sequences = vec![AmqpSequence(many.clone()), AmqpSequence(vec![long.clone(), Value::Null])];
    let bodies = [
        Body::Value(ValueSection(long.clone())),
        Body::Value(ValueSection(Value::List(many))),
        Body::Sequence(Batch::new(sequences)),
    ];
    let message = |body| Content::Message(Box::new(Message::builder().body(body).build()));
    double.fill("0", bodies.map(message));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let events = receive(&mut *reader, 3).await;
    let long = AmqpValue::String("x".repeat(200_000));
    let many = vec![AmqpValue::String("element".repeat(10)); 3_000];
    assert_eq!(events[0].body(), &EventBody::Value(long.clone()));
    assert_eq!(events[1].body(), &EventBody::Value(AmqpValue::List(many.clone())));
    let sequences = vec![many, vec![long, AmqpValue::Null]];
    assert_eq!(events[2].body(), &EventBody::Sequence(sequences));
}

#[maybe_async]
#[test]
async fn a_reader_that_nobody_asks_holds_no_more_than_its_prefetch() {
    let double = start(config(1));
    double.fill("0", (0..5_000).map(|_| "event"));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0").with_prefetch(50)).await.unwrap();
    let received = receive(&mut *reader, 10).await;
    assert_eq!(numbers(&received), (0..10).collect::<Vec<_>>());
    pause(Duration::from_millis(500)).await;
    let delivered = double.counters().delivered["0"];
    assert!(delivered <= 10 + 50, "{delivered} events were fetched");
    let rest = receive(&mut *reader, 4_990).await;
    assert_eq!(numbers(&rest), (10..5_000).collect::<Vec<_>>());
}

#[maybe_async]
#[test]
async fn a_prefetch_of_large_events_is_bounded_by_their_bytes() {
    let double = start(config(1));
    double.fill("0", (0..400).map(|_| vec![0; 100_000]));
    let hub = builder(&double).max_prefetch_bytes(1_000_000).build().unwrap();
    let mut reader = hub.open(earliest("0")).await.unwrap();
    receive(&mut *reader, 20).await;
    pause(Duration::from_millis(500)).await;
    let delivered = double.counters().delivered["0"];
    assert!(delivered <= 20 + 15, "{delivered} events were fetched");
}

/// The room of the prefetch falls with each large event, and rises slowly after it.
#[maybe_async]
#[test]
async fn events_of_changing_sizes_never_stop() {
    let length = |number: usize| if number % 40 < 2 { 300_000 } else { number % 900 };
    let count = 400;
    for prefetch in [3, 300] {
        let double = start(config(1));
        double.fill("0", (0..count).map(|number| vec![0; length(number)]));
        let hub = builder(&double).max_prefetch_bytes(500_000).build().unwrap();
        let mut reader = hub.open(earliest("0").with_prefetch(prefetch)).await.unwrap();
        let mut next = 0;
        for take in (1..8).cycle() {
            for event in receive(&mut *reader, take.min(count - next)).await {
                assert_eq!(event.body().len(), length(next), "event {next}");
                next += 1;
            }
            if next == count {
                break;
            }
        }
    }
}

#[maybe_async]
#[test]
async fn the_end_of_the_partition_comes_with_events_if_it_is_asked_for() {
    let double = start(config(1));
    double.fill("0", ["a", "b", "c"]);
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0").with_track_last_enqueued(true)).await.unwrap();
    assert_eq!(reader.last_enqueued(), None);
    receive(&mut *reader, 1).await;
    let last = reader.last_enqueued().unwrap();
    assert_eq!((last.sequence_number, last.offset), (2, double.offset("0", 2)));
    let mut other = hub.open(earliest("0")).await.unwrap();
    receive(&mut *other, 1).await;
    assert_eq!(other.last_enqueued(), None);
}

#[maybe_async]
#[test]
async fn nothing_comes_without_events_and_waiting_is_bounded() {
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let mut events = Vec::new();
    let begun = Instant::now();
    reader.receive(&mut events, 10, Duration::from_millis(50)).await.unwrap();
    assert!(events.is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(50) && begun.elapsed() < PATIENCE);
}

#[maybe_async]
#[test]
async fn missing_hubs_and_partitions_are_errors_at_once() {
    let double = start(config(1));
    let hub = hub(&double);
    let begun = Instant::now();
    match refusal(&hub, earliest("7")).await {
        ReadEnd::Failed(error) => {
            assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
            assert!(error.to_string().contains("partition"), "{error}");
        }
        end => panic!("{end:?}"),
    }
    let text = format!(
        "Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=listen;SharedAccessKey=secret;EntityPath=other"
    );
    let other = EventHub::builder_from_connection_string(&text, "$Default", None)
        .custom_endpoint(double.endpoint())
        .build()
        .unwrap();
    match refusal(&other, earliest("0")).await {
        ReadEnd::Failed(error) => {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some("amqp:not-found")));
        }
        end => panic!("{end:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "it is not tried again");
    let error = other.properties().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Rejected, Some(404)), "{error}");
}

#[maybe_async]
#[test]
async fn secrets_in_the_wrong_place_are_not_shown() {
    const KEY: &str = "S0VZLW9mLWEtbWlzdGFrZW4tY29uZmlndXJhdGlvbg==";
    let string = format!("Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=n;SharedAccessKey={KEY}");
    let from = |string: &str, group: &str, name: Option<&str>| {
        EventHub::builder_from_connection_string(string, group, name)
    };
    let mut builders = vec![
        from(&string, "$Default", Some(HUB)).custom_endpoint(format!("amqps://user:{KEY}@host")),
        from(&string, "$Default", Some(HUB)).custom_endpoint("amqps://user:S0VZ@host"),
    ];
    for secret in [KEY, KEY.trim_end_matches('='), &string] {
        builders.extend([
            from(&string, "$Default", Some(HUB)).custom_endpoint(secret),
            from(&string, "$Default", Some(HUB)).custom_endpoint(format!("https://{secret}")),
            from(&format!("{string};EntityPath={secret}"), "$Default", Some(HUB)),
            from(&format!("{string};EntityPath={HUB}"), "$Default", Some(secret)),
            from("$Default", secret, None),
            from(secret, "$Default", None),
        ]);
    }
    for builder in builders {
        let shown = format!("{builder:?} {builder:#?}");
        let error = builder.build().unwrap_err();
        let shown = format!("{shown} {error} {error:?} {error:#?}");
        assert!(!shown.contains("S0VZ"), "{shown}");
    }
}

//! Events of Python's and JavaScript's producers, received by every consumer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::peer::{Consumer, Kind, Options, Producer, Sender};

/// Events of all kinds, as JSON; what is missing is null.
fn kinds() -> Vec<Value> {
    let properties =
        json!({ "text": "Straße", "number": -5, "half": 0.5, "flag": true, "empty": "" });
    vec![
        json!({ "body": { "data": "plain" }, "properties": {} }),
        json!({
            "body": { "data": "{\"degrees\":21}" },
            "properties": properties,
            "message_id": "m-1",
            "correlation_id": "c-1",
            "content_type": "application/json",
        }),
        json!({ "body": { "data": "" }, "properties": {} }),
        json!({
            "body": { "data": "with annotations" },
            "properties": { "text": "value" },
            "system": { "subject": "a subject", "x-opt-sender": "north" },
            "message_id": "m-2",
        }),
        json!({
            "body": { "value": "text" },
            "properties": {},
            "system": { "subject": "a value" },
        }),
        json!({
            "body": { "value": { "list": [1, "two", null, true, 2.5], "map": { "inner": -7 } } },
            "properties": properties,
            "system": {},
            "correlation_id": "c-2",
        }),
        json!({
            "body": { "sequence": [[1, "two", null, ["three"]]] },
            "properties": {},
            "system": {},
            "content_type": "text/plain",
        }),
    ]
}

/// The parts of an event that every consumer must receive, beside its position.
fn expected(sent: &Value, key: Option<&str>) -> Value {
    json!({
        "key": key,
        "body": sent["body"],
        "properties": sent["properties"],
        "system": if sent["system"].is_null() { json!({}) } else { sent["system"].clone() },
        "message_id": sent["message_id"],
        "correlation_id": sent["correlation_id"],
        "content_type": sent["content_type"],
    })
}

fn without_place(event: &Value) -> Value {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    for name in ["number", "offset", "enqueued"] {
        assert!(fields.remove(name).is_some_and(|value| !value.is_null()), "{name}");
    }
    event
}

/// The one partition that has new events.
fn grown(bed: &Bed, before: &BTreeMap<String, i64>) -> String {
    let grown = before.iter().filter(|(id, length)| bed.double.length(id) > **length);
    let ids: Vec<_> = grown.map(|(id, _)| id.clone()).collect();
    let [id] = &ids[..] else { panic!("one partition has the events: {ids:?}") };
    id.clone()
}

/// Sends everything in every way, and returns what is expected of each partition.
fn send_all(bed: &Bed, sender: Sender) -> BTreeMap<String, Vec<Value>> {
    let mut producer = Producer::start(sender, bed);
    let mut expectations: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let ways = ["one by one", "batch", "list"];
    for how in ways {
        for (partition, key) in [(Some("1"), None), (None, Some("Key-ä")), (None, None)] {
            // Python's client refuses raw messages with a key, whatever they hold.
            let events: Vec<_> = kinds()
                .into_iter()
                .filter(|event| key.is_none() || event["system"].is_null())
                .collect();
            let chunks = if how == "one by one" { 1 } else { events.len() };
            for events in events.chunks(chunks) {
                let lengths = |id: String| (id.clone(), bed.double.length(&id));
                let before = bed.partition_ids().into_iter().map(lengths).collect();
                producer.send(how, partition, key, events);
                let id = grown(bed, &before);
                assert!(partition.is_none_or(|wanted| wanted == id));
                let expected = events.iter().map(|event| expected(event, key));
                expectations.entry(id).or_default().extend(expected);
            }
        }
    }
    expectations
}

#[test]
fn events_of_python_and_javascript_are_received_alike_by_all() {
    let bed = Bed::new(3);
    let mut expectations: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for sender in [Sender::Python, Sender::JavaScript] {
        for (id, events) in send_all(&bed, sender) {
            expectations.entry(id).or_default().extend(events);
        }
    }
    assert!(expectations.len() == 3, "every partition has events");

    let options = |kind: Kind| Options::sharing(&format!("{kind:?}"));
    let start = |kind: Kind| Consumer::launch(kind, "reader", &bed, &options(kind));
    let mut consumers: Vec<_> = Kind::ALL.into_iter().map(start).collect();
    for (id, events) in &expectations {
        let last = events.len() as i64 - 1;
        let places: Vec<_> = consumers
            .iter_mut()
            .map(|consumer| {
                consumer.until_event(id, last);
                let received = consumer.heard.events(id);
                let contents: Vec<_> = received.iter().map(|event| without_place(event)).collect();
                for (number, (received, sent)) in contents.iter().zip(events).enumerate() {
                    assert_eq!(received, sent, "{}: {id}/{number}", consumer.name);
                }
                assert_eq!(contents.len(), events.len(), "{}", consumer.name);
                let place =
                    |event: &&Value| json!([event["number"], event["offset"], event["enqueued"]]);
                received.iter().map(place).collect::<Vec<_>>()
            })
            .collect();
        for (place, consumer) in places.iter().zip(&consumers) {
            assert_eq!(place, &places[0], "{}", consumer.name);
        }
        let numbers: Vec<_> = places[0].iter().map(|place| place[0].as_i64().unwrap()).collect();
        assert_eq!(numbers, (0..events.len() as i64).collect::<Vec<_>>());
    }
    consumers.into_iter().for_each(|consumer| drop(consumer.kill()));
}

//! Events that cannot be decoded, in part or at all.

use super::test;
use super::*;
use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::processing::{AmqpValue, EventBody};
use eventhubs_double::Content;

/// Message annotations with a value, behind as many bytes of another value.
fn annotations(sequence_number: i64, before: usize, value: &[u8]) -> Vec<u8> {
    let mut content = 6_u32.to_be_bytes().to_vec();
    content.extend(*b"\xa3\x15x-opt-sequence-number\x81");
    content.extend(sequence_number.to_be_bytes());
    content.extend(*b"\xa3\x06filler\xb1");
    content.extend(u32::try_from(before).unwrap().to_be_bytes());
    content.resize(content.len() + before, b'.');
    content.extend(*b"\xa3\x01x");
    content.extend(value);
    let mut section = b"\x00\x53\x72\xd1".to_vec();
    section.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    section.extend(content);
    section
}

/// Lists in lists.
fn nested(depth: usize) -> Vec<u8> {
    let mut lists = Vec::new();
    for remaining in (1..=depth).rev() {
        // Each has 9 bytes before its content, of which the size counts the last four.
        let size = u32::try_from(4 + 9 * (remaining - 1) + 1).unwrap();
        lists.push(0xd0);
        lists.extend(size.to_be_bytes());
        lists.extend(1_u32.to_be_bytes());
    }
    lists.push(0x40);
    lists
}

fn described(depth: usize) -> Vec<u8> {
    let mut values = b"\x00\x53\x01".repeat(depth);
    values.push(0x40);
    values
}

/// Values in the part of a message that the sender writes. Each can be passed over, but not be decoded.
fn undecodable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a list smaller than its count", b"\xc0\x00".to_vec()),
        ("a wide list smaller than its count", b"\xd0\0\0\0\x03\0\0\0".to_vec()),
        ("a map smaller than its count", b"\xc1\x00".to_vec()),
        ("a key without a value", b"\xc1\x02\x01\x40".to_vec()),
        ("an array smaller than its count", b"\xe0\x01\x01".to_vec()),
        ("an array of malformed maps", b"\xe0\x05\x01\xc1\x02\x00\x00".to_vec()),
        ("a string that is not UTF-8", b"\xa1\x02\xff\xff".to_vec()),
        ("nested lists", nested(6_000)),
        ("nested lists, in many frames", nested(100_000)),
        ("nested descriptions", described(20_000)),
    ]
}

/// Sections in which a value is malformed in a way that hides where the next one begins.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a string longer than its section", b"\xb1\xff\xff\xff\xff".to_vec()),
        ("a list longer than its section", b"\xd0\0\xff\xff\xff\0\0\0\x01".to_vec()),
        ("a value too many", b"\x40\x40".to_vec()),
        ("no value", Vec::new()),
        ("an unknown constructor", b"\x3f".to_vec()),
    ]
}

fn application_properties(value: &[u8]) -> Vec<u8> {
    let mut section = b"\x00\x53\x74\xd1".to_vec();
    section.extend(u32::try_from(4 + 3 + value.len()).unwrap().to_be_bytes());
    section.extend(*b"\0\0\0\x02\xa1\x01x");
    section.extend(value);
    section
}

const DATA: &[u8] = b"\x00\x53\x75\xa0\x02hi";

/// A partition goes on behind an event that its sender wrote badly, with all that can be read of it.
#[maybe_async]
#[test]
async fn malformed_parts_of_an_event_are_handed_out_as_encoded() {
    let mut events = Vec::new();
    for (name, value) in undecodable() {
        for before in [0, 70_000] {
            let sections = [&annotations(1, before, &value)[..], DATA].concat();
            events.push((name, sections, EventBody::from("hi"), value.clone()));
        }
        let body = [b"\x00\x53\x77", &value[..]].concat();
        let kept = EventBody::Value(AmqpValue::Binary(value.into()));
        let sections = [&annotations(1, 0, b"\xa0\x00")[..], &body].concat();
        events.push((name, sections, kept, vec![]));
    }
    for (name, value) in unreadable() {
        let annotations = annotations(1, 0, b"\xa0\x00");
        let sections = [&annotations[..], &application_properties(&value), DATA].concat();
        // The double writes an empty body before the sections, so all of them belong to the body.
        let rest = [b"\x00\x53\x77\x40", &sections[..]].concat();
        let kept = EventBody::Value(AmqpValue::Binary(rest.into()));
        events.push((name, sections, kept, vec![]));
    }
    let double = start(config(1));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    for (name, sections, body, kept) in events {
        double.append("0", Content::Sections(sections));
        double.append("0", "after");
        let received = receive(&mut *reader, 2).await;
        assert_eq!(*received[0].body(), body, "{name}");
        let found = received[0].system_properties().find(|(name, _)| *name == "x");
        assert_eq!(found.map(|(_, value)| value), Some(&AmqpValue::Binary(kept.into())), "{name}");
        assert_eq!(received[1].body().to_text(), "after", "{name}");
    }
    assert_eq!(double.counters().connections, 1);
}

/// Without what the service writes first, an event has no position.
#[maybe_async]
#[test]
async fn malformed_annotations_fail_their_reader_and_no_other() {
    let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in unreadable() {
        messages.push((name.to_owned(), annotations(1, 0, &value)));
        messages.push((format!("{name}, in the second frame"), annotations(1, 70_000, &value)));
    }
    messages.push(("half a message".into(), annotations(1, 0, &[0x40])[..20].to_vec()));

    let double = start(config(1 + messages.len()));
    let hub = hub(&double);
    double.append("0", "event 0");
    let mut steady = hub.open(earliest("0")).await.unwrap();
    receive(&mut *steady, 1).await;
    for (index, (name, sections)) in messages.into_iter().enumerate() {
        let id = (index + 1).to_string();
        double.append(&id, "before");
        double.append(&id, Content::Sections(sections));
        let mut reader = hub.open(earliest(&id)).await.unwrap();
        let before = receive(&mut *reader, 1).await;
        assert_eq!(before[0].body().to_text(), "before", "{name}");
        match end_of(&mut *reader).await {
            ReadEnd::Failed(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{name}: {error}");
                assert!(error.to_string().contains("not valid AMQP"), "{name}: {error}");
            }
            end => panic!("{name}: {end:?}"),
        }
        double.append("0", "event");
        receive(&mut *steady, 1).await;
        reader.close().await.unwrap();
    }
    let counters = double.counters();
    assert_eq!(counters.connections, 1, "the connection is that of the steady reader");
    assert_eq!(counters.opened_by_partition["0"], 1, "the steady reader keeps its link");
}

/// The frames of a message may end anywhere.
#[maybe_async]
#[test]
async fn values_that_two_frames_share_are_decoded() {
    let double = start(config(1));
    let list = b"\xc0\x06\x02\xa1\x01a\x54\x05";
    // The list is at the end of the first frame, and of the third.
    let lengths = (65_280..65_400).chain([190_000]);
    let count = lengths.clone().count();
    let numbered = lengths.zip(0..);
    let sections = numbered.map(|(before, number)| annotations(number, before, list));
    double.fill("0", sections.map(Content::Sections));
    let hub = hub(&double);
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let list = AmqpValue::List(vec![AmqpValue::from("a"), AmqpValue::Int(5)]);
    for event in receive(&mut *reader, count).await {
        let properties: Vec<_> = event.system_properties().collect();
        assert!(properties.contains(&("x", &list)), "{:?}", properties.last());
    }
}

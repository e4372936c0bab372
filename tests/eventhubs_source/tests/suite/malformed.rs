//! Events that cannot be decoded: they fail their reader with a clear error, and nobody else.

use super::test;
use super::*;
use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::processing::AmqpValue;
use eventhubs_double::Content;

/// Message annotations with a value, behind as many bytes of another value. They replace those of the service.
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

#[maybe_async]
#[test]
async fn a_malformed_event_fails_its_reader_and_no_other() {
    let in_one_frame = [
        ("a list smaller than its count", b"\xc0\x00\x00".to_vec()),
        ("a wide list smaller than its count", b"\xd0\0\0\0\x03\0\0\0\0".to_vec()),
        ("a map smaller than its count", b"\xc1\x00\x00".to_vec()),
        ("a key without a value", b"\xc1\x02\x01\x40".to_vec()),
        ("an array smaller than its count", b"\xe0\x01\x01".to_vec()),
        ("an array of maps", b"\xe0\x05\x01\xc1\x02\x00\x00".to_vec()),
        ("a string longer than the message", b"\xb1\xff\xff\xff\xff".to_vec()),
        ("nested lists", nested(6_000)),
        ("nested descriptions", described(20_000)),
    ];
    let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in &in_one_frame {
        messages.push(((*name).to_owned(), annotations(1, 0, value)));
        messages.push((format!("{name}, in the second frame"), annotations(1, 70_000, value)));
    }
    messages.push(("nested lists, in many frames".into(), annotations(1, 0, &nested(100_000))));
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

//! Events from whole and malformed messages.

use super::*;

const ANNOTATIONS: &[u8] = b"\x00\x53\x72\xc1\x1a\x02\xa3\x15x-opt-sequence-number\x55\x07";
const NAMED: &[u8] = b"\x00\x53\x74\xc1\x06\x02\xa1\x01k\x54\x05";
const DATA: &[u8] = b"\x00\x53\x75\xa0\x02hi";

fn decoded(sections: &[&[u8]]) -> Result<ReceivedEvent, NotAnEvent> {
    event(&sections.concat(), None).map(|(event, _)| event)
}

#[test]
fn a_malformed_rest_becomes_the_body() {
    for (rest, is_named) in [
        // Properties, application properties and a body that are malformed, and what follows.
        (&[&b"\x00\x53\x73\xc0\x02\x02\x40"[..], NAMED, DATA][..], false),
        (&[b"\x00\x53\x74\xc1\x03\x01\x40\x40", DATA], false),
        (&[NAMED, b"\x00\x53\x75\xa0\x05hi"], true),
        (&[NAMED, b"\x00\x53\x75\x43"], true),
        (&[NAMED, b"\x00\x53\x76\xc0\x02\x02\x40"], true),
        (&[NAMED, b"anything"], true),
        // If a body has begun, it is a part of the rest.
        (&[NAMED, DATA, b"\x00\x53\x78\xc1"], true),
    ] {
        let event = decoded(&[&[ANNOTATIONS], rest].concat()).unwrap();
        assert_eq!(event.sequence_number(), 7);
        let skipped = if is_named { NAMED.len() } else { 0 };
        let expected = Bytes::copy_from_slice(&rest.concat()[skipped..]);
        assert_eq!(*event.body(), EventBody::Value(AmqpValue::Binary(expected)), "{rest:02x?}");
        assert_eq!(event.property("k").is_some(), is_named, "{rest:02x?}");
    }
}

#[test]
fn a_value_that_cannot_be_decoded_stays_encoded() {
    let malformed = Bytes::from_static(b"\xc0\x03\x01\x40\x40");
    for section in [
        &b"\x00\x53\x74\xc1\x0b\x04\xa1\x01k"[..],
        b"\x00\x53\x72\xc1\x23\x06\xa3\x15x-opt-sequence-number\x55\x07\xa3\x01k",
    ] {
        let mut section = [section, &malformed, b"\xa3\x01n\x43"].concat();
        section[4] = u8::try_from(section.len() - 5).unwrap();
        let sections = [&section[..], DATA];
        let is_annotations = section[2] == 0x72;
        let sections = if is_annotations {
            sections.to_vec()
        } else {
            [&[ANNOTATIONS], &sections[..]].concat()
        };
        let event = decoded(&sections).unwrap();
        let found: Vec<_> = if is_annotations {
            event.system_properties().collect()
        } else {
            event.properties().collect()
        };
        let expected = [("k", &AmqpValue::Binary(malformed.clone())), ("n", &AmqpValue::UInt(0))];
        assert_eq!(found, expected);
        assert_eq!(event.body().as_bytes(), b"hi");
    }
}

#[test]
fn annotations_of_the_service_must_be_valid() {
    for (sections, reason) in [
        (&[DATA][..], NotAnEvent::WithoutNumber),
        (&[], NotAnEvent::WithoutNumber),
        (&[b"\x00\x53\x72\xc1\x01\x00", DATA], NotAnEvent::WithoutNumber),
        (&[&ANNOTATIONS[..20], DATA], NotAnEvent::Malformed),
        (&[b"\x00\x53\x72\xc1\x03\x01\x40\x40", DATA], NotAnEvent::Malformed),
        (&[b"\x00\x53\x71\x40", ANNOTATIONS], NotAnEvent::Malformed),
        (&[b"anything"], NotAnEvent::Malformed),
    ] {
        assert_eq!(decoded(sections).unwrap_err(), reason, "{sections:02x?}");
    }
}

#[test]
fn the_size_of_an_event_counts_what_it_holds() {
    let event = |body: usize| ReceivedEvent::new(0, vec![0; body]);
    let empty = size_of_event(&event(0));
    assert_eq!(size_of_event(&event(1_000)), empty + 1_000);
    let with = |value: AmqpValue| size_of_event(&event(0).with_property("name", value)) - empty;
    let (text, bytes) = ("x".repeat(5_000), Bytes::from(vec![0; 5_000]));
    assert_eq!(with(AmqpValue::String(text)), with(AmqpValue::Binary(bytes)));
    assert!((5_004..5_100).contains(&with("x".repeat(5_000).into())));
    assert!(with(AmqpValue::Null) < 100);
}

#[test]
fn sections_of_a_body_are_joined() {
    let empty = b"\x00\x53\x75\xa0\x00";
    for (sections, expected) in [
        (&[][..], ""),
        (&[&empty[..]], ""),
        (&[DATA], "hi"),
        (&[DATA, DATA, DATA], "hihihi"),
        (&[empty, DATA, empty, DATA], "hihi"),
    ] {
        let event = decoded(&[&[ANNOTATIONS], sections].concat()).unwrap();
        assert_eq!(*event.body(), EventBody::from(expected.as_bytes().to_vec()));
    }
    let list = b"\x00\x53\x76\xc0\x03\x01\x54\x05";
    let event = decoded(&[ANNOTATIONS, list, list]).unwrap();
    let five = || vec![AmqpValue::Int(5)];
    assert_eq!(*event.body(), EventBody::Sequence(vec![five(), five()]));
}

#[test]
fn long_bodies_are_shared_if_little_else_is_kept() {
    let shares = |filler: usize, body: usize| {
        let mut message = ANNOTATIONS.to_vec();
        for (code, length) in [(0x78, filler), (0x75, body)] {
            message.extend([0x00, 0x53, code, 0xb0]);
            message.extend(u32::try_from(length).unwrap().to_be_bytes());
            message.resize(message.len() + length, b'.');
        }
        let message = Bytes::from(message);
        let (event, _) = event(&message, Some(&message)).unwrap();
        assert_eq!(event.body().len(), body);
        message.as_ptr_range().contains(&event.body().as_bytes().as_ptr())
    };
    assert!(shares(0, 100_000) && shares(1_000, 100_000));
    assert!(!shares(200_000, 100_000));
}

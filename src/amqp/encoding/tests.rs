//! Values as another encoder writes them, rare encodings, and malformed ones.

use std::time::{Duration, UNIX_EPOCH};

use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{Array, OrderedMap, Symbol, Timestamp, Uuid};
use serde_amqp::{Value, from_slice, to_vec};

use super::*;

fn one(encoded: &[u8]) -> Option<Raw<'_>> {
    let mut values = Values::new(encoded);
    values.take().filter(|_| values.rest().is_empty())
}

fn decoded(encoded: &[u8]) -> Option<AmqpValue> {
    one(encoded)?.value()
}

fn is_sound(encoded: &[u8]) -> bool {
    one(encoded).is_some_and(Raw::is_sound)
}

fn nested(depth: usize) -> Vec<u8> {
    let mut encoded = vec![0x40];
    for _ in 0..depth {
        let length = u32::try_from(encoded.len() + 4).unwrap();
        let mut list = vec![0xd0];
        list.extend(length.to_be_bytes());
        list.extend(1_u32.to_be_bytes());
        list.extend(encoded);
        encoded = list;
    }
    encoded
}

/// A value of each type, as another encoder writes it, and what it is.
fn values() -> Vec<(Value, AmqpValue)> {
    let list = |values: &[AmqpValue]| AmqpValue::List(values.to_vec());
    let map = OrderedMap::from_iter([
        (Value::from("key"), Value::List(vec![])),
        (Value::from(7_u64), Value::Binary(vec![1; 300].into())),
    ]);
    let described =
        Described { descriptor: Descriptor::Name("name".into()), value: Value::from(5_i32) };
    let ids = Array(vec![Value::from("0"), Value::from("1")]);
    let numbers = Array(vec![Value::from(1_i32), Value::from(70_000_i32)]);
    vec![
        (Value::Null, AmqpValue::Null),
        (Value::Bool(true), AmqpValue::Bool(true)),
        (Value::Bool(false), AmqpValue::Bool(false)),
        (Value::Ubyte(200), AmqpValue::UInt(200)),
        (Value::Ushort(60_000), AmqpValue::UInt(60_000)),
        (Value::Uint(0), AmqpValue::UInt(0)),
        (Value::Uint(200), AmqpValue::UInt(200)),
        (Value::Uint(u32::MAX), AmqpValue::UInt(u32::MAX.into())),
        (Value::Ulong(0), AmqpValue::UInt(0)),
        (Value::Ulong(200), AmqpValue::UInt(200)),
        (Value::Ulong(u64::MAX), AmqpValue::UInt(u64::MAX)),
        (Value::Byte(-1), AmqpValue::Int(-1)),
        (Value::Short(-300), AmqpValue::Int(-300)),
        (Value::Int(-1), AmqpValue::Int(-1)),
        (Value::Int(i32::MIN), AmqpValue::Int(i32::MIN.into())),
        (Value::Long(-1), AmqpValue::Int(-1)),
        (Value::Long(i64::MIN), AmqpValue::Int(i64::MIN)),
        (Value::from(1.5_f32), AmqpValue::Double(1.5)),
        (Value::from(-1.5_f64), AmqpValue::Double(-1.5)),
        (Value::from('\u{1f980}'), AmqpValue::Char('\u{1f980}')),
        (
            Value::Timestamp(Timestamp::from_milliseconds(-7)),
            AmqpValue::Timestamp(UNIX_EPOCH - Duration::from_millis(7)),
        ),
        (Value::Uuid(Uuid::from([7; 16])), AmqpValue::Uuid([7; 16])),
        (Value::Binary(vec![1, 2].into()), AmqpValue::Binary(vec![1, 2].into())),
        (Value::String("x".repeat(1_000)), AmqpValue::String("x".repeat(1_000))),
        (Value::Symbol(Symbol::from("name")), AmqpValue::from("name")),
        (Value::Array(Array(vec![])), list(&[])),
        (Value::Array(ids), list(&["0".into(), "1".into()])),
        (Value::Array(numbers), list(&[1_i64.into(), 70_000_i64.into()])),
        (Value::Described(Box::new(described)), AmqpValue::Int(5)),
        (
            Value::Map(map),
            AmqpValue::Map(vec![
                ("key".into(), list(&[])),
                (7_u64.into(), Bytes::from(vec![1; 300]).into()),
            ]),
        ),
    ]
}

#[test]
fn values_of_each_type_are_decoded() {
    for (value, expected) in values() {
        let encoded = to_vec(&value).unwrap();
        assert_eq!(decoded(&encoded).unwrap(), expected, "{value:?}");
        assert!(is_sound(&encoded), "{value:?}");
        // Nothing of a value is read beyond its end.
        for cut in 0..encoded.len() {
            assert!(one(&encoded[..cut]).is_none(), "{value:?}, cut at {cut}");
        }
    }
    let (all, expected): (Vec<_>, Vec<_>) = values().into_iter().unzip();
    let encoded = to_vec(&Value::List(all.clone())).unwrap();
    assert_eq!(decoded(&encoded).unwrap(), AmqpValue::List(expected));
    assert!(is_sound(&encoded));
    assert_eq!(from_slice::<Value>(&encoded).unwrap(), Value::List(all));
}

#[test]
fn encodings_that_few_senders_use_are_decoded() {
    let numbers = AmqpValue::List(vec![1_u64.into(), 2_u64.into()]);
    let pairs = AmqpValue::Map(vec![("k".into(), 5_i64.into())]);
    for (encoded, expected) in [
        (&b"\x56\x01"[..], AmqpValue::Bool(true)),
        (b"\x56\x00", AmqpValue::Bool(false)),
        (b"\x70\0\0\0\x07", AmqpValue::UInt(7)),
        (b"\x80\0\0\0\0\0\0\0\x07", AmqpValue::UInt(7)),
        (b"\x54\xff", AmqpValue::Int(-1)),
        (b"\x55\xff", AmqpValue::Int(-1)),
        (b"\x74\0\0\0\x07", Bytes::from_static(b"\0\0\0\x07").into()),
        (b"\xb3\0\0\0\x01a", "a".into()),
        (b"\xd0\0\0\0\x08\0\0\0\x02\x53\x01\x53\x02", numbers.clone()),
        (b"\xc0\x05\x02\x53\x01\x53\x02", numbers.clone()),
        (b"\xe0\x04\x02\x50\x01\x02", numbers.clone()),
        (b"\xf0\0\0\0\x07\0\0\0\x02\x50\x01\x02", numbers.clone()),
        (b"\xe0\x07\x02\x00\x53\x09\x50\x01\x02", numbers.clone()),
        (b"\xe0\x02\x00\x50", AmqpValue::List(vec![])),
        (b"\xe0\x02\x02\x41", AmqpValue::List(vec![true.into(), true.into()])),
        (b"\xd1\0\0\0\x09\0\0\0\x02\xa1\x01k\x54\x05", pairs.clone()),
        (b"\xc1\x06\x02\xa1\x01k\x54\x05", pairs.clone()),
        (b"\xe0\x09\x01\xc1\x06\x02\xa1\x01k\x54\x05", AmqpValue::List(vec![pairs])),
        (b"\x00\x53\x01\x00\xa3\x01n\x43", AmqpValue::UInt(0)),
    ] {
        assert_eq!(decoded(encoded), Some(expected), "{encoded:02x?}");
    }
}

#[test]
fn depth_is_limited() {
    assert!(is_sound(&nested(60)) && decoded(&nested(60)).is_some());
    for deep in [nested(64), nested(5_000), nested(100_000)] {
        assert!(one(&deep).is_some(), "its length is known");
        assert!(!is_sound(&deep) && decoded(&deep).is_none());
    }
    let described = |depth: usize| [&b"\x00\x53\x01".repeat(depth)[..], &[0x40]].concat();
    assert!(is_sound(&described(60)));
    assert_eq!(decoded(&described(60)), Some(AmqpValue::Null));
    assert!(!is_sound(&described(100_000)) && decoded(&described(100_000)).is_none());
    // Descriptors of descriptors are reserved.
    assert!(one(&[0; 10_000]).is_none());
}

#[test]
fn siblings_do_not_add_up() {
    let described = Described { descriptor: Descriptor::Code(1), value: Value::Null };
    let pair = Value::List(vec![Value::from(1_i32), Value::Described(described.into())]);
    let encoded = to_vec(&Value::List(vec![pair; 1_000])).unwrap();
    assert!(is_sound(&encoded) && decoded(&encoded).is_some());
}

/// Values that are malformed within their length.
const MALFORMED: &[&[u8]] = &[
    // Lists, maps and arrays that are smaller than their count, where the decoder of the stack subtracts.
    b"\xc0\x00",
    b"\xd0\0\0\0\x03\0\0\0",
    b"\xc1\x00",
    b"\xd1\0\0\0\x03\0\0\0",
    b"\xe0\x00",
    b"\xe0\x01\x01",
    b"\xf0\0\0\0\x04\0\0\0\x01",
    // More or fewer values than there are bytes for.
    b"\xc0\x02\x02\x40",
    b"\xc0\x03\x01\x40\x40",
    b"\xc1\x03\x01\x40\x40",
    b"\xc1\x02\x01\x40",
    b"\xc0\x02\x00\x40",
    b"\xc0\x03\x01\xa0\x05",
    b"\xd0\0\0\0\x05\xff\xff\xff\xff\x40",
    // Arrays with other elements than they say.
    b"\xe0\x03\x00\x50\x01",
    b"\xe0\x04\x01\x50\x01\x02",
    b"\xe0\x03\x02\x50\x01",
    b"\xe0\x04\x01\xa1\x05x",
    b"\xf0\0\0\0\x05\x07\xff\xff\xff\x41",
    // Lengths beyond the value.
    b"\xc0\x06\x01\xb0\xff\xff\xff\xff",
    b"\xc0\x0a\x01\xd0\xff\xff\xff\xff\x00\x00\x00\x01",
    // No constructors.
    b"\xc0\x02\x01\x01",
    b"\xc0\x02\x01\x3f",
    b"\xc0\x03\x01\xa2\x03",
    b"\xc0\x02\x01\xff",
];

#[test]
fn malformed_values_are_found() {
    for encoded in MALFORMED {
        assert!(one(encoded).is_some(), "{encoded:02x?} has a known length");
        assert!(decoded(encoded).is_none() && !is_sound(encoded), "{encoded:02x?}");
    }
    // The stack fails at these by itself.
    for encoded in [&b"\x56\x02"[..], b"\x73\0\0\xd8\0", b"\xa1\x01\xff", b"\xa3\x01\xff", b"\x46"]
    {
        assert!(one(encoded).is_some() && decoded(encoded).is_none(), "{encoded:02x?}");
    }
    for encoded in [&[][..], &[0x01], &[0xa1, 2, b"x"[0]], &[0x00, 0xa1, 1, b'x', 0x40]] {
        assert!(one(encoded).is_none(), "{encoded:02x?}");
    }
}

/// They are well-formed, but the decoder of the stack would read other values.
#[test]
fn values_that_the_stack_confuses_are_not_sound() {
    for encoded in [
        &b"\xe0\x02\x00\x50"[..],
        b"\xe0\x05\x01\xc1\x02\x00\x00",
        b"\xe0\x04\x01\xe0\x01\x00",
        b"\xe0\x06\x01\x00\x53\x01\x50\x07",
    ] {
        assert!(!is_sound(encoded), "{encoded:02x?}");
    }
}

#[test]
fn a_message_is_sound_if_all_its_sections_are() {
    let sections: [&[u8]; 5] = [
        b"\x00\x53\x70\x45",
        b"\x00\x80\0\0\0\0\0\0\0\x74\xc1\x06\x02\xa1\x01k\x54\x05",
        b"\x00\xa3\x10amqp:data:binary\xa0\x02hi",
        b"\x00\x53\x77\xc0\x03\x02\x43\x43",
        b"\x00\x53\x78\xc1\x01\x00",
    ];
    let message = sections.concat();
    let is_whole = |cut: &usize| is_sound_message(&message[..*cut]);
    let whole: Vec<_> = (0..=message.len()).filter(is_whole).collect();
    let ends = sections.iter().scan(0, |end, section| {
        *end += section.len();
        Some(*end)
    });
    assert_eq!(whole, [0].into_iter().chain(ends).collect::<Vec<_>>());
    for malformed in MALFORMED {
        let message = [b"\x00\x53\x77", *malformed].concat();
        assert!(!is_sound_message(&message), "{malformed:02x?}");
    }
    for unknown in [&b"\x00\x53\x79\x40"[..], b"\x40", b"\x00\xa3\x01x\x40"] {
        assert!(!is_sound_message(unknown), "{unknown:02x?}");
    }
}

//! Reads encoded AMQP values, as the
//! [specification](https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html) defines them.
//!
//! Senders may send anything. So nothing here panics, recurses deeper than [`MAX_DEPTH`], or allocates more than the bytes
//! account for. A value can be passed over without being decoded, as its length stands at its beginning. So a value that
//! cannot be decoded does not prevent the next one from being read.

use bytes::Bytes;

use super::decode::system_time;
use crate::processing::AmqpValue;

/// The maximum depth of a value that is decoded. For comparison, JSON parsers stop at 128.
const MAX_DEPTH: usize = 64;
/// The maximum number of elements of an array whose elements have no bytes, such as nulls.
const MAX_EMPTY_ELEMENTS: usize = 4_096;

/// Values, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a>(&'a [u8]);

/// A value that is not decoded yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    /// What the value is made of: its constructor.
    code: u8,
    /// What follows the constructor. The length of a string and the size of a list are not part of it.
    content: &'a [u8],
    /// How many descriptors precede the value. They say what it is for, and are not part of it.
    descriptors: usize,
    /// The whole value.
    pub(super) encoded: &'a [u8],
}

impl<'a> Values<'a> {
    pub(super) fn new(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Returns the bytes that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Takes the next value. Returns `None` if there is no well-formed one.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Raw<'a>> {
        let before = self.0;
        let Constructor { code, descriptors } = self.constructor()?;
        let content = self.content(code)?;
        Some(Raw { code, content, descriptors, encoded: &before[..before.len() - self.0.len()] })
    }

    /// Takes the next value if it is a described one. Returns the code of its descriptor, too.
    ///
    /// Sections of messages and performatives are such values.
    #[inline]
    pub(super) fn take_described(&mut self) -> Option<(u64, Raw<'a>)> {
        if self.byte()? != 0 {
            return None;
        }
        let descriptor = self.descriptor()?;
        let code = descriptor.unsigned().or_else(|| section_code(descriptor.content))?;
        Some((code, self.take()?))
    }

    #[inline]
    fn constructor(&mut self) -> Option<Constructor> {
        let mut descriptors = 0;
        let mut code = self.byte()?;
        while code == 0 {
            self.descriptor()?;
            descriptors += 1;
            code = self.byte()?;
        }
        Some(Constructor { code, descriptors })
    }

    /// Takes a descriptor. All others than numbers and symbols are
    /// [reserved](https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html#section-descriptor-values).
    #[inline]
    fn descriptor(&mut self) -> Option<Raw<'a>> {
        let encoded = self.0;
        let code = self.byte()?;
        if !matches!(code, 0x44 | 0x53 | 0x80 | 0xa3 | 0xb3) {
            return None;
        }
        Some(Raw { code, content: self.content(code)?, descriptors: 0, encoded })
    }

    /// Takes the content of a value with this constructor, whose first four bits say how long it is.
    #[inline]
    fn content(&mut self, code: u8) -> Option<&'a [u8]> {
        let length = match code >> 4 {
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xa | 0xc | 0xe => self.number(false)?,
            0xb | 0xd | 0xf => self.number(true)?,
            _ => return None,
        };
        let (content, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// Takes a length, a size or a count.
    #[inline]
    fn number(&mut self, is_wide: bool) -> Option<usize> {
        if !is_wide {
            return self.byte().map(usize::from);
        }
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }
}

impl<'a> Raw<'a> {
    /// Decodes the value. Returns `None` if it is malformed, or too deep.
    pub(super) fn value(self) -> Option<AmqpValue> {
        self.value_at(1)
    }

    fn value_at(self, depth: usize) -> Option<AmqpValue> {
        let depth = self.depth_within(depth)?;
        Some(match self.code {
            0x40 => AmqpValue::Null,
            0x41 | 0x42 | 0x56 => AmqpValue::Bool(self.bool()?),
            0x43 | 0x44 | 0x50 | 0x52 | 0x53 | 0x60 | 0x70 | 0x80 => {
                AmqpValue::UInt(self.unsigned()?)
            }
            0x51 | 0x54 | 0x55 | 0x61 | 0x71 | 0x81 => AmqpValue::Int(self.signed()?),
            0x72 => AmqpValue::Double(f32::from_be_bytes(self.content.try_into().ok()?).into()),
            0x82 => AmqpValue::Double(f64::from_be_bytes(self.content.try_into().ok()?)),
            0x73 => AmqpValue::Char(char::from_u32(u32::try_from(self.bits()).ok()?)?),
            0x83 => AmqpValue::Timestamp(system_time(self.timestamp()?)),
            0x98 => AmqpValue::Uuid(self.content.try_into().ok()?),
            // Decimal numbers, which no SDK writes.
            0x74 | 0x84 | 0x94 | 0xa0 | 0xb0 => {
                AmqpValue::Binary(Bytes::copy_from_slice(self.content))
            }
            0xa1 | 0xa3 | 0xb1 | 0xb3 => AmqpValue::String(self.text()?.to_owned()),
            0x45 | 0xc0 | 0xd0 | 0xe0 | 0xf0 => {
                let values = self.items()?.map(|item| item?.value_at(depth + 1));
                AmqpValue::List(values.collect::<Option<_>>()?)
            }
            0xc1 | 0xd1 => {
                let pairs = self.pairs()?.map(|pair| {
                    let (key, value) = pair?;
                    Some((key.value_at(depth + 1)?, value.value_at(depth + 1)?))
                });
                AmqpValue::Map(pairs.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// Returns whether the AMQP stack can decode the value safely.
    ///
    /// The decoder of the stack recurses as deeply as values are nested, believes every count, and subtracts from sizes
    /// that may be too small.
    pub(super) fn is_sound(self) -> bool {
        self.is_sound_at(1)
    }

    fn is_sound_at(self, depth: usize) -> bool {
        let Some(depth) = self.depth_within(depth) else { return false };
        if self.code < 0xc0 {
            // A value without values in it.
            return true;
        }
        let Some(mut items) = self.items() else { return false };
        // It does not read the constructor of an empty array, and confuses elements that contain others.
        let is_readable = match self.code {
            0xe0 | 0xf0 => items.element.map_or(items.rest.0.is_empty(), |element| {
                items.left > 0 && element.descriptors == 0 && element.code < 0xc0
            }),
            _ => true,
        };
        is_readable && items.all(|item| item.is_some_and(|item| item.is_sound_at(depth + 1)))
    }

    fn depth_within(self, depth: usize) -> Option<usize> {
        depth.checked_add(self.descriptors).filter(|depth| *depth <= MAX_DEPTH)
    }

    /// Returns the values in a list, a map or an array. Those of a map are keys and values in turn.
    pub(super) fn items(self) -> Option<Items<'a>> {
        let mut rest = Values(self.content);
        let is_wide = matches!(self.code, 0xd0 | 0xd1 | 0xf0);
        let left = match self.code {
            0x45 => 0,
            0xc0 | 0xc1 | 0xd0 | 0xd1 | 0xe0 | 0xf0 => rest.number(is_wide)?,
            _ => return None,
        };
        if matches!(self.code, 0xc1 | 0xd1) && !left.is_multiple_of(2) {
            return None;
        }
        let mut element = None;
        if matches!(self.code, 0xe0 | 0xf0) && !(left == 0 && rest.0.is_empty()) {
            let constructor = rest.constructor()?;
            if constructor.code >> 4 == 4 && left > MAX_EMPTY_ELEMENTS {
                return None;
            }
            element = Some(constructor);
        }
        Some(Items { rest, left, element })
    }

    /// Returns the keys and the values in a map.
    #[inline]
    pub(super) fn pairs(self) -> Option<impl Iterator<Item = Option<(Raw<'a>, Raw<'a>)>>> {
        let mut items = self.items()?;
        Some(std::iter::from_fn(move || {
            let key = items.next()?;
            Some(key.zip(items.next().flatten()))
        }))
    }

    pub(super) fn is_null(self) -> bool {
        self.code == 0x40
    }

    /// Returns the text of a string or a symbol.
    #[inline]
    pub(super) fn text(self) -> Option<&'a str> {
        match self.code {
            0xa1 | 0xa3 | 0xb1 | 0xb3 => std::str::from_utf8(self.content).ok(),
            _ => None,
        }
    }

    /// Returns the bytes of a binary.
    #[inline]
    pub(super) fn binary(self) -> Option<&'a [u8]> {
        matches!(self.code, 0xa0 | 0xb0).then_some(self.content)
    }

    /// Returns the milliseconds since 1970.
    #[inline]
    pub(super) fn timestamp(self) -> Option<i64> {
        if self.code != 0x83 {
            return None;
        }
        Some(i64::from_be_bytes(self.content.try_into().ok()?))
    }

    /// Returns an integer of any kind.
    #[inline]
    pub(super) fn integer(self) -> Option<i64> {
        match self.signed() {
            None => self.unsigned().and_then(|number| i64::try_from(number).ok()),
            number => number,
        }
    }

    pub(super) fn bool(self) -> Option<bool> {
        match (self.code, self.content) {
            (0x41, _) | (0x56, [1]) => Some(true),
            (0x42, _) | (0x56, [0]) => Some(false),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn unsigned(self) -> Option<u64> {
        match self.code {
            0x43 | 0x44 | 0x50 | 0x52 | 0x53 | 0x60 | 0x70 | 0x80 => Some(self.bits()),
            _ => None,
        }
    }

    #[inline]
    fn signed(self) -> Option<i64> {
        match (self.code, self.content) {
            (0x51 | 0x54 | 0x55, [a]) => Some(i8::from_be_bytes([*a]).into()),
            (0x61, [a, b]) => Some(i16::from_be_bytes([*a, *b]).into()),
            (0x71, [a, b, c, d]) => Some(i32::from_be_bytes([*a, *b, *c, *d]).into()),
            (0x81, content) => Some(i64::from_be_bytes(content.try_into().ok()?)),
            _ => None,
        }
    }

    /// Returns the content as a number.
    fn bits(self) -> u64 {
        self.content.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The beginning of a value, and of all elements of an array.
#[derive(Debug, Clone, Copy)]
struct Constructor {
    code: u8,
    descriptors: usize,
}

/// The values in a list, a map or an array. It ends with `None` if they are malformed.
#[derive(Debug)]
pub(super) struct Items<'a> {
    rest: Values<'a>,
    left: usize,
    /// The elements of an array have one constructor.
    element: Option<Constructor>,
}

impl<'a> Items<'a> {
    /// Returns the bytes of the values that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest.0
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Option<Raw<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some(left) = self.left.checked_sub(1) else {
            // Bytes that are left belong to no value.
            return if std::mem::take(&mut self.rest.0).is_empty() { None } else { Some(None) };
        };
        self.left = left;
        let Some(Constructor { code, descriptors }) = self.element else {
            return Some(self.rest.take());
        };
        let encoded = self.rest.content(code);
        Some(encoded.map(|content| Raw { code, content, descriptors, encoded: content }))
    }
}

/// Returns whether the AMQP stack can decode a message safely.
pub(super) fn is_sound_message(message: &[u8]) -> bool {
    let mut sections = Values(message);
    while !sections.0.is_empty() {
        match sections.take_described() {
            Some((0x70..=0x78, section)) if section.is_sound() => {}
            _ => return false,
        }
    }
    true
}

/// Returns the code of a section that is named.
fn section_code(name: &[u8]) -> Option<u64> {
    Some(match name {
        b"amqp:header:list" => 0x70,
        b"amqp:delivery-annotations:map" => 0x71,
        b"amqp:message-annotations:map" => 0x72,
        b"amqp:properties:list" => 0x73,
        b"amqp:application-properties:map" => 0x74,
        b"amqp:data:binary" => 0x75,
        b"amqp:amqp-sequence:list" => 0x76,
        b"amqp:amqp-value:*" => 0x77,
        b"amqp:footer:map" => 0x78,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
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
        for encoded in
            [&b"\x56\x02"[..], b"\x73\0\0\xd8\0", b"\xa1\x01\xff", b"\xa3\x01\xff", b"\x46"]
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
}

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
    /// The constructor, which tells the type and the width of the content.
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

    /// Takes the next value if it has a descriptor. Returns the descriptor's code and the value.
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
mod tests;

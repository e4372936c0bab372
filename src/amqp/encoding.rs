//! Checks encoded AMQP values before they are decoded.
//!
//! Senders may send anything, and the decoder trusts what it reads: it recurses as deeply as values are nested, it
//! allocates what a length says, and it subtracts from sizes that may be too small. A message that passes the check
//! here is safe to decode. Its values are well formed: each ends within the value around it, and lists, maps and arrays
//! have the count and the size that they say. So the decoder, which believes the counts, reads the same values as the
//! check, which believes both.
//!
//! The check is one pass without recursion or allocation. It takes the bytes in pieces, as frames bring them.

/// The maximum depth of a value that is decoded. For comparison, JSON parsers stop at 128.
const MAX_DEPTH: usize = 64;
/// The maximum length of a message, or of a value in it. The service allows 20 MB. The first byte of a longer length in
/// 32 bits is at least 8.
const MAX_LENGTH: usize = 0x07ff_ffff;
/// The maximum length of what precedes the content of a value. The name of a section is the longest.
const MAX_HEAD: usize = 40;
/// The maximum length of the name of a section.
const MAX_NAME: u8 = 32;

/// The value or message is not well formed, or too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Where the malformed value begins in the last piece. If it began in an earlier piece, where it goes on: at 0.
    pub(super) at: usize,
}

/// The values that the walk is in.
#[derive(Debug, Clone, Copy)]
struct Scope {
    /// Where the values must end. All positions are those in the whole message.
    end: usize,
    /// How many values are left.
    left: usize,
    kind: Kind,
    /// The last value must end at `end`, not just before it.
    is_exact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The sections of a message.
    Sections,
    /// Values that the decoder decodes at once.
    Eager,
    /// The values in a body. The decoder copies them as they are, so they are checked when they are decoded.
    Lazy,
    /// The list of a sequence section. Its elements are as lazy.
    Sequence,
    /// The elements of an array of strings or binaries, with lengths of 8 or 32 bits.
    Elements { is_wide: bool },
}

/// Returns whether some bytes are this many values, and none of them contains others. Nearly all lists and maps are so,
/// and this is much faster than to walk into them.
fn is_flat(mut values: &[u8], count: usize) -> bool {
    for _ in 0..count {
        let length = match *values {
            [0xb0 | 0xb1 | 0xb3, ref rest @ ..] => {
                Size::read(rest, true).and_then(Size::known).map(|length| 5 + length)
            }
            _ => plain_length(values),
        };
        let Some(after) = length.and_then(|length| values.get(length..)) else { return false };
        values = after;
    }
    values.is_empty()
}

/// Walks over a value, or over the sections of a message.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    scopes: [Scope; MAX_DEPTH],
    depth: usize,
    /// Where the next value begins.
    at: usize,
    /// How many bytes have come.
    fed: usize,
    /// The whole message has come.
    is_whole: bool,
    /// The beginning of a value that the last piece ended in, before its content.
    head: [u8; MAX_HEAD],
    held: usize,
}

/// Returns whether a value can be decoded.
pub(super) fn is_sound(value: &[u8]) -> bool {
    Walk::new().over_value(value) == Some(value.len())
}

/// Returns the length of a value with a fixed width or a short length. Returns `None` for all others, and if too few bytes
/// are there to tell. The value may end after the bytes.
pub(super) fn plain_length(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [0x40..=0x4f, ..] => Some(1),
        [code @ 0x50..=0x9f, ..] => Some(1 + fixed_width(code)),
        [0xa0 | 0xa1 | 0xa3, length, ..] => Some(2 + usize::from(length)),
        _ => None,
    }
}

impl Walk {
    pub(super) fn new() -> Self {
        let none = Scope { end: 0, left: 0, kind: Kind::Eager, is_exact: false };
        Self {
            scopes: [none; MAX_DEPTH],
            depth: 0,
            at: 0,
            fed: 0,
            is_whole: false,
            head: [0; MAX_HEAD],
            held: 0,
        }
    }

    fn begin(&mut self, end: usize, left: usize, kind: Kind) {
        self.scopes[0] = Scope { end, left, kind, is_exact: false };
        (self.depth, self.at, self.fed, self.held) = (1, 0, 0, 0);
        self.is_whole = true;
    }

    /// Walks over the value at the beginning of some bytes, and returns its length if it is sound.
    pub(super) fn over_value(&mut self, bytes: &[u8]) -> Option<usize> {
        self.begin(bytes.len(), 1, Kind::Eager);
        self.feed(bytes).ok()?;
        (self.depth == 0).then_some(self.at)
    }

    /// Walks over a whole message, and returns whether it is sound.
    pub(super) fn over_message(&mut self, message: &[u8]) -> bool {
        self.begin(message.len(), usize::MAX, Kind::Sections);
        self.feed(message).is_ok() && self.depth == 1 && self.at == message.len()
    }

    /// Begins a message whose length is not known yet. Its pieces follow.
    pub(super) fn begin_message(&mut self) {
        self.begin(MAX_LENGTH, usize::MAX, Kind::Sections);
        self.is_whole = false;
    }

    /// Walks on over the next piece of the message.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        let start = self.fed;
        self.fed = self.fed.saturating_add(piece.len());
        let mut taken = 0;
        while self.held > 0 {
            let Some(byte) = piece.get(taken) else { return Ok(()) };
            taken += 1;
            let Some(room) = self.head.get_mut(self.held) else { return Err(Malformed { at: 0 }) };
            *room = *byte;
            let (head, length) = (self.head, self.held + 1);
            let is_whole = self.step(&head[..length]).ok_or(Malformed { at: 0 })?;
            self.held = if is_whole { 0 } else { length };
        }
        while self.depth > 0 {
            let at = self.at - start;
            let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) else { break };
            if !self.step(rest).ok_or(Malformed { at })? {
                // Fewer bytes are left than a head has.
                let head = self.head.get_mut(..rest.len()).ok_or(Malformed { at })?;
                head.copy_from_slice(rest);
                self.held = rest.len();
                break;
            }
        }
        Ok(())
    }

    /// Walks over the next value, or into it. Returns `Some(false)` if more bytes are needed to decide, and `None` if the
    /// value is malformed.
    ///
    /// Whoever asks may have to make the decoder fail at a value that has begun in an earlier piece. So a head that is not
    /// complete, but cannot become sound, is malformed already.
    fn step(&mut self, rest: &[u8]) -> Option<bool> {
        let scope = self.scopes[self.depth - 1];
        match scope.kind {
            Kind::Sections => return self.section(scope, rest),
            Kind::Elements { is_wide } => {
                let Some(length) = Size::read(rest, is_wide)?.known() else { return Some(false) };
                return self.pass(scope, width(is_wide) + length);
            }
            Kind::Sequence if !matches!(rest[0], 0x45 | 0xc0 | 0xd0) => return None,
            Kind::Eager | Kind::Lazy | Kind::Sequence => {}
        }
        let code = rest[0];
        match code {
            0x00 => {
                // A descriptor and a value take the place of one value.
                self.at = self.at.checked_add(1).filter(|at| *at <= scope.end)?;
                self.push(Scope { left: 2, is_exact: false, ..scope })
            }
            0x40..=0x4f => self.pass(scope, 1),
            0x50..=0x9f => self.pass(scope, 1 + fixed_width(code)),
            0xa0 | 0xa1 | 0xa3 | 0xb0 | 0xb1 | 0xb3 => {
                let is_wide = code >= 0xb0;
                let Some(length) = Size::read(&rest[1..], is_wide)?.known() else {
                    return Some(false);
                };
                self.pass(scope, 1 + width(is_wide) + length)
            }
            0xc0 | 0xc1 | 0xd0 | 0xd1 | 0xe0 | 0xf0 => self.compound(scope, code, &rest[1..]),
            _ => None,
        }
    }

    /// Walks over or into a list, a map or an array.
    fn compound(&mut self, scope: Scope, code: u8, rest: &[u8]) -> Option<bool> {
        let is_wide = matches!(code, 0xd0 | 0xd1 | 0xf0);
        let width = width(is_wide);
        let Some(size) = Size::read(rest, is_wide)?.known() else { return Some(false) };
        // The size includes the count. The decoder subtracts its width.
        let content = size.checked_sub(width)?;
        let length = 1 + width + size;
        let end = self.at.checked_add(length).filter(|end| *end <= scope.end)?;
        if scope.kind == Kind::Lazy {
            return self.pass(scope, length);
        }
        let Some(count) = Size::read(&rest[width..], is_wide)?.known() else { return Some(false) };
        if count == 0 {
            // The decoder does not read the constructor of an empty array, so there must not be one.
            return if content == 0 { self.pass(scope, length) } else { None };
        }
        if self.is_whole
            && self.depth < MAX_DEPTH
            && matches!(code, 0xc0 | 0xd0 | 0xc1 | 0xd1)
            && (code & 1 == 0 || count.is_multiple_of(2))
            && rest.get(2 * width..width + size).is_some_and(|values| is_flat(values, count))
        {
            return self.pass(scope, length);
        }
        let values = self.at + 1 + 2 * width;
        let kind = if scope.kind == Kind::Sequence { Kind::Lazy } else { Kind::Eager };
        match code {
            // Each value has a byte at least.
            0xc0 | 0xd0 if count <= content => {
                self.at = values;
                self.push(Scope { end, left: count, kind, is_exact: true })
            }
            // The decoder takes keys and values in pairs.
            0xc1 | 0xd1 if count <= content && count.is_multiple_of(2) => {
                self.at = values;
                self.push(Scope { end, left: count, kind, is_exact: true })
            }
            0xe0 | 0xf0 => {
                let Some(&element) = rest.get(2 * width) else {
                    return if content == 0 { None } else { Some(false) };
                };
                let content = content.checked_sub(1)?;
                match element {
                    0x40..=0x9f if count.checked_mul(fixed_width(element))? == content => {
                        self.pass(scope, length)
                    }
                    // Bytes that do not suffice for an array would be taken for its elements. So all must be there.
                    0xa0 | 0xa1 | 0xa3 | 0xb0 | 0xb1 | 0xb3 if self.is_whole || end <= self.fed => {
                        self.at = values + 1;
                        let kind = Kind::Elements { is_wide: element >= 0xb0 };
                        self.push(Scope { end, left: count, kind, is_exact: true })
                    }
                    // Elements of other kinds are not sent by any SDK. The decoder confuses them.
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Walks into a section of a message.
    fn section(&mut self, scope: Scope, rest: &[u8]) -> Option<bool> {
        let (code, length) = match rest {
            [0] | [0, 0x53 | 0xa3] => return Some(false),
            [0, 0x53, code, ..] => (*code, 3),
            [0, 0x80, code @ ..] => match code.first_chunk() {
                Some(code) => (u8::try_from(u64::from_be_bytes(*code)).ok()?, 10),
                None => return Some(false),
            },
            [0, 0xa3, length, name @ ..] if *length <= MAX_NAME => {
                let length = usize::from(*length);
                match name.get(..length) {
                    Some(name) => (section_code(name)?, 3 + length),
                    None => return Some(false),
                }
            }
            _ => return None,
        };
        let kind = match code {
            0x70..=0x74 | 0x78 => Kind::Eager,
            0x75 | 0x77 => Kind::Lazy,
            0x76 => Kind::Sequence,
            _ => return None,
        };
        self.at = self.at.checked_add(length).filter(|at| *at <= scope.end)?;
        self.push(Scope { end: scope.end, left: 1, kind, is_exact: false })
    }

    fn push(&mut self, scope: Scope) -> Option<bool> {
        *self.scopes.get_mut(self.depth)? = scope;
        self.depth += 1;
        Some(true)
    }

    /// Walks over a value of this length, and out of the values that end with it.
    fn pass(&mut self, scope: Scope, length: usize) -> Option<bool> {
        self.at = self.at.checked_add(length).filter(|at| *at <= scope.end)?;
        while let Some(scope) = self.depth.checked_sub(1).map(|top| &mut self.scopes[top]) {
            scope.left -= 1;
            if scope.left > 0 {
                break;
            }
            if scope.is_exact && scope.end != self.at {
                return None;
            }
            self.depth -= 1;
        }
        Some(true)
    }
}

/// A length, a size or a count, of which some bytes may not have come yet.
struct Size(Option<usize>);

impl Size {
    /// Returns `None` if it is beyond the maximum, which the first byte tells.
    fn read(bytes: &[u8], is_wide: bool) -> Option<Self> {
        if !is_wide {
            return Some(Self(bytes.first().map(|byte| usize::from(*byte))));
        }
        match bytes {
            [0x08..=0xff, ..] => None,
            [a, b, c, d, ..] => {
                Some(Self(usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()))
            }
            _ => Some(Self(None)),
        }
    }

    fn known(self) -> Option<usize> {
        self.0
    }
}

fn width(is_wide: bool) -> usize {
    if is_wide { 4 } else { 1 }
}

/// Returns the width of a value that has no length, from its constructor below 0xa0.
fn fixed_width(code: u8) -> usize {
    match code >> 4 {
        ..=0x4 => 0,
        category => 1 << (category - 5),
    }
}

fn section_code(name: &[u8]) -> Option<u8> {
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
    use serde_amqp::described::Described;
    use serde_amqp::descriptor::Descriptor;
    use serde_amqp::primitives::{Array, OrderedMap};
    use serde_amqp::{Value, from_slice, to_vec};

    use super::*;

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

    /// A message with these values in its annotations.
    fn message(annotations: &[&[u8]]) -> Vec<u8> {
        let values = annotations.concat();
        let count = u32::try_from(annotations.len()).unwrap();
        let size = u32::try_from(values.len() + 4).unwrap();
        let mut message = b"\x00\x53\x72\xd1".to_vec();
        message.extend(size.to_be_bytes());
        message.extend(count.to_be_bytes());
        message.extend(values);
        message.extend(b"\x00\x80\0\0\0\0\0\0\0\x75\xa0\x02hi");
        message.extend(b"\x00\xa3\x0famqp:footer:map\xc1\x01\x00");
        message
    }

    fn in_pieces(message: &[u8], cut: usize) -> Result<(), Malformed> {
        let mut walk = Walk::new();
        walk.begin_message();
        walk.feed(&message[..cut])?;
        walk.feed(&message[cut..])?;
        assert_eq!((walk.depth, walk.at, walk.held), (1, message.len(), 0), "it is whole");
        Ok(())
    }

    #[test]
    fn what_the_encoder_writes_is_sound() {
        let map = OrderedMap::from_iter([
            (Value::from("key"), Value::List(vec![])),
            (Value::from(7_u64), Value::Binary(vec![1; 300].into())),
        ]);
        let described =
            Described { descriptor: Descriptor::Name("name".into()), value: Value::Null };
        let ids = Array(vec![Value::from("0"), Value::from("1")]);
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::from(1.5_f64),
            Value::from('x'),
            Value::String("x".repeat(1_000)),
            Value::Array(ids),
            Value::Array(Array(vec![Value::from(1_i32), Value::from(70_000_i32)])),
            Value::Described(Box::new(described)),
            Value::Map(map),
        ];
        for value in &values {
            assert!(is_sound(&to_vec(value).unwrap()), "{value:?}");
        }
        let all = to_vec(&Value::List(values.to_vec())).unwrap();
        assert!(is_sound(&all));
        assert_eq!(from_slice::<Value>(&all).unwrap(), Value::List(values.to_vec()));
        let behind = [&all[..], b"behind"].concat();
        assert_eq!(Walk::new().over_value(&behind), Some(all.len()));
        assert!(!is_sound(&behind));
    }

    #[test]
    fn depth_is_counted_without_recursion() {
        assert!(is_sound(&nested(60)));
        assert!(from_slice::<Value>(&nested(60)).is_ok());
        assert!(!is_sound(&nested(64)));
        assert!(!is_sound(&nested(5_000)));
        assert!(is_sound(b"\x00\x53\x01\x40"));
        assert!(!is_sound(&[0_u8; 10_000]));
        assert!(!is_sound(&[&b"\x00\x53\x01".repeat(64)[..], &[0x40]].concat()));
    }

    #[test]
    fn siblings_do_not_add_up() {
        let described = Described { descriptor: Descriptor::Code(1), value: Value::Null };
        let pair = Value::List(vec![Value::from(1_i32), Value::Described(described.into())]);
        let siblings = Value::List(vec![pair; 1_000]);
        assert!(is_sound(&to_vec(&siblings).unwrap()));
    }

    const MALFORMED: &[&[u8]] = &[
        // Lists, maps and arrays that are smaller than their count, where the decoder subtracts.
        b"\xc0\x00\x00",
        b"\xd0\0\0\0\x03\0\0\0\0",
        b"\xc1\x00\x00",
        b"\xd1\0\0\0\x03\0\0\0\0",
        b"\xe0\x00\x00",
        b"\xe0\x01\x01",
        b"\xf0\0\0\0\x04\0\0\0\x01",
        // More or fewer values than there are bytes for.
        b"\xc0\x02\x02\x40",
        b"\xc0\x03\x01\x40\x40",
        b"\xc1\x03\x01\x40\x40",
        b"\xc0\x02\x00\x40",
        b"\xc0\x03\x01\xa0\x05",
        // Arrays that the decoder reads otherwise than they are written.
        b"\xe0\x02\x00\x50",
        b"\xe0\x04\x01\x50\x01\x02",
        b"\xe0\x04\x02\x50\x01",
        b"\xe0\x04\x01\xa1\x05x",
        b"\xe0\x05\x01\xc1\x02\x00\x00",
        b"\xe0\x04\x01\xe0\x01\x00",
        b"\xe0\x05\x01\x00\x53\x01\x40",
        // Lengths beyond the message, which the decoder allocates.
        b"\xb0\xff\xff\xff\xff",
        b"\xb1\x07\xff\xff\xff",
        b"\xd0\xff\xff\xff\xff\x00\x00\x00\x01",
        // No constructors.
        b"\x01",
        b"\x3f",
        b"\xa2\x00",
        b"\xc2\x01\x00",
        b"\xff",
    ];

    #[test]
    fn malformed_values_are_found_wherever_their_message_is_cut() {
        for value in MALFORMED {
            assert!(!is_sound(value), "{value:02x?}");
            let message = message(&[b"\xa3\x01k", b"\x55\x07", b"\xa3\x01x", value]);
            assert!(!Walk::new().over_message(&message), "{value:02x?}");
            // Without the end of the message, a length is only known to be too long if no message has it.
            if value[0] == 0xb1 {
                continue;
            }
            for cut in 0..message.len() {
                assert!(in_pieces(&message, cut).is_err(), "{value:02x?}, cut at {cut}");
            }
        }
    }

    #[test]
    fn sound_messages_are_sound_wherever_they_are_cut() {
        let list = b"\xd0\0\0\0\x0c\0\0\0\x03\x41\xa1\x02hi\xc0\x01\x00";
        let map = b"\xc1\x06\x02\xa1\x01k\x54\x05";
        let numbers = b"\xf0\0\0\0\x07\0\0\0\x02\x50\x01\x02";
        let key = b"\xa3\x01k";
        let message = message(&[key, list, key, map, key, numbers, key, b"\x00\x53\x05\x45"]);
        assert!(Walk::new().over_message(&message));
        for cut in 0..message.len() {
            assert_eq!(in_pieces(&message, cut), Ok(()), "cut at {cut}");
        }
        // Sections are optional.
        let is_whole = |cut: &usize| Walk::new().over_message(&message[..*cut]);
        let (annotations, data) = (message.len() - 35, message.len() - 21);
        let whole: Vec<_> = (0..=message.len()).filter(is_whole).collect();
        assert_eq!(whole, [0, annotations, data, message.len()]);
    }

    #[test]
    fn strings_of_an_array_must_be_in_one_piece() {
        let strings = b"\xe0\x07\x02\xa1\x02hi\x01x";
        let message = message(&[b"\xa3\x01k", strings]);
        let begin = message.windows(2).position(|pair| pair == b"\xe0\x07").unwrap();
        assert!(Walk::new().over_message(&message));
        for cut in 0..message.len() {
            let is_cut = (begin + 4..begin + strings.len()).contains(&cut);
            assert_eq!(in_pieces(&message, cut).is_err(), is_cut, "cut at {cut}");
        }
    }

    #[test]
    fn the_values_of_a_body_are_not_looked_into() {
        let inner = b"\xc0\x00\x00";
        for (section, is_sound) in [
            (&b"\x00\x53\x77\xc0\x02\x05\x01"[..], true),
            (b"\x00\x53\x76\xc0\x07\x02\xc0\x02\x05\x01\x40\x40", false),
            (b"\x00\x53\x76\xc0\x06\x02\xc0\x02\x05\x01\x40", true),
            (b"\x00\x53\x76\x45", true),
            (b"\x00\x53\x76\xe0\x03\x01\x50\x01", false),
            (b"\x00\x53\x75\xa0\x02hi\x00\x53\x75\xb0\0\0\0\x01x", true),
            (b"\x00\x53\x79\x40", false),
            (b"\x40", false),
        ] {
            assert_eq!(Walk::new().over_message(section), is_sound, "{section:02x?}");
        }
        assert!(!Walk::new().over_message(&[&b"\x00\x53\x77"[..], inner].concat()));
    }

    #[test]
    fn what_is_cut_is_not_sound() {
        for encoded in [&[][..], &[0xd0], &[0xd0, 0, 0], &[0xa1, 200, 1], &[0x00], &[0xc0, 255, 1]]
        {
            assert!(!is_sound(encoded));
        }
    }
}

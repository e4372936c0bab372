//! Decodes AMQP messages into events.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fe2o3_amqp::types::messaging::{AmqpValue as ValueSection, Body as Wrapped};
use serde_amqp::serde::de::{Deserialize, Deserializer, Visitor};

use super::body_copy::copied;
use super::encoding::{Raw, Values};
use crate::processing::{AmqpValue, EventBody, LastEnqueued, ReceivedEvent};

/// An event, and the end of its partition if the link asked for it. That is rare, and would make each event larger.
pub(super) type Decoded = (ReceivedEvent, Option<Box<LastEnqueued>>);

/// The approximate memory that an event takes beyond its body and properties, in bytes.
const OVERHEAD: usize = 200;

/// The codes of the sections of a message.
const DELIVERY_ANNOTATIONS: u64 = 0x71;
const MESSAGE_ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const SEQUENCE: u64 = 0x76;
const VALUE: u64 = 0x77;

/// The fields of the properties section, in their
/// [order](https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-messaging-v1.0-os.html#type-properties).
const FIELDS: [&str; 13] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
];

/// Why a message is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAnEvent {
    /// What the service writes before the sender's part is malformed.
    Malformed,
    /// Every event has a sequence number.
    WithoutNumber,
}

/// Returns approximately how much memory an event takes, for the limit of the prefetch.
pub(crate) fn size_of_event(event: &ReceivedEvent) -> usize {
    let of_value = |value: &AmqpValue| match value {
        AmqpValue::String(text) => text.len(),
        AmqpValue::Binary(bytes) => bytes.len(),
        _ => 16,
    };
    let of_pair = |(name, value): (&str, &AmqpValue)| name.len() + of_value(value) + 40;
    event.body().len()
        + event.properties().map(of_pair).sum::<usize>()
        + event.system_properties().map(of_pair).sum::<usize>()
        + OVERHEAD
}

/// An event that is decoded while the stack reads the message around it, without a copy of the message.
#[derive(Debug)]
pub(super) struct Received(Result<Decoded, NotAnEvent>);

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Received;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an encoded message")
            }

            fn visit_bytes<E>(self, message: &[u8]) -> Result<Received, E> {
                Ok(Received(event(message, None)))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// Returns the event in a message that was [wrapped](super::screen): as a whole, or in several parts.
pub(super) fn unwrapped(message: Wrapped<Received>) -> Result<Decoded, NotAnEvent> {
    match message {
        Wrapped::Value(ValueSection(Received(event))) => event,
        Wrapped::Data(parts) => {
            let mut message = Vec::new();
            parts.into_iter().for_each(|part| message.extend_from_slice(&part.0));
            let message = Bytes::from(message);
            event(&message, Some(&message))
        }
        _ => Err(NotAnEvent::Malformed),
    }
}

/// Decodes the event in a message. A long body can be a part of the message, if that is shared.
///
/// If the sender's part is malformed, the event has the malformed rest of the message as its body. It would be worse if
/// such an event stopped its partition for good.
pub(super) fn event(message: &[u8], shared: Option<&Bytes>) -> Result<Decoded, NotAnEvent> {
    let (mut event, last) = annotated(message)?;
    let mut sections = Values::new(message);
    let mut body = Body::default();
    while !sections.rest().is_empty() {
        let rest = sections.rest();
        let read = match sections.take_described() {
            Some((PROPERTIES, section)) => properties(&mut event, section),
            Some((APPLICATION_PROPERTIES, section)) => application_properties(&mut event, section),
            Some((code @ DATA..=VALUE, section)) => body.add(code, section, rest),
            Some(_) => Some(()),
            None => None,
        };
        if read.is_none() {
            let rest = body.begin.unwrap_or(rest);
            log::warn!(
                target: super::LOG,
                "event {} is not valid AMQP; the last {} bytes of its message are returned as its body",
                event.sequence_number(), rest.len()
            );
            event.set_body(EventBody::Value(AmqpValue::Binary(Bytes::copy_from_slice(rest))));
            return Ok((event, last));
        }
    }
    event.set_body(body.into_body(shared));
    Ok((event, last))
}

/// The sections of a body.
#[derive(Default)]
struct Body<'a> {
    /// The message from the first section on.
    begin: Option<&'a [u8]>,
    /// The last data section. Nearly all bodies have exactly one.
    data: Option<&'a [u8]>,
    /// Data sections, if there are several.
    joined: Vec<u8>,
    sequences: Vec<Vec<AmqpValue>>,
    value: Option<AmqpValue>,
}

impl<'a> Body<'a> {
    /// Adds a section, which is at the beginning of the rest of its message.
    #[inline]
    fn add(&mut self, code: u64, section: Raw<'a>, rest: &'a [u8]) -> Option<()> {
        self.begin.get_or_insert(rest);
        match code {
            DATA => {
                let data = section.binary()?;
                if let Some(first) = self.data.replace(data) {
                    if self.joined.is_empty() {
                        self.joined.extend(first);
                    }
                    self.joined.extend(data);
                }
            }
            SEQUENCE => {
                let values = section.items()?.map(|item| item.map(value));
                self.sequences.push(values.collect::<Option<_>>()?);
            }
            _ => self.value = Some(value(section)),
        }
        Some(())
    }

    #[inline]
    fn into_body(self, message: Option<&Bytes>) -> EventBody {
        if let Some(data) = self.data {
            let message = message.filter(|message| data.len() >= message.len() / 2);
            return EventBody::Data(match message {
                _ if !self.joined.is_empty() => self.joined.into(),
                Some(message) => message.slice_ref(data),
                None => copied(data),
            });
        }
        match self.value {
            Some(value) => EventBody::Value(value),
            None if !self.sequences.is_empty() => EventBody::Sequence(self.sequences),
            None => EventBody::Data(Bytes::new()),
        }
    }
}

/// Returns an event with what the service writes. That comes first, so nothing else is read.
#[inline]
fn annotated(message: &[u8]) -> Result<Decoded, NotAnEvent> {
    let mut sections = Values::new(message);
    let mut last = None;
    while !sections.rest().is_empty() {
        match sections.take_described().ok_or(NotAnEvent::Malformed)? {
            (DELIVERY_ANNOTATIONS, section) => last = last_enqueued(section)?.map(Box::new),
            (MESSAGE_ANNOTATIONS, section) => return Ok((annotations(section)?, last)),
            _ => {}
        }
    }
    Err(NotAnEvent::WithoutNumber)
}

/// Returns an event with the message annotations.
#[inline]
fn annotations(section: Raw<'_>) -> Result<ReceivedEvent, NotAnEvent> {
    let (mut number, mut offset, mut partition_key) = (None, None, None);
    let mut enqueued_time = UNIX_EPOCH;
    let mut others = Vec::new();
    for pair in section.pairs().ok_or(NotAnEvent::Malformed)? {
        let (key, value) = pair.ok_or(NotAnEvent::Malformed)?;
        match key.text() {
            Some("x-opt-sequence-number") => number = value.integer(),
            Some("x-opt-offset") => offset = text(value),
            Some("x-opt-enqueued-time") => {
                enqueued_time = value.timestamp().map_or(UNIX_EPOCH, system_time);
            }
            Some("x-opt-partition-key") => partition_key = text(value),
            _ => others.push((key, value)),
        }
    }
    let number = number.ok_or(NotAnEvent::WithoutNumber)?;
    let body = EventBody::Data(Bytes::new());
    let mut event = ReceivedEvent::decoded(number, offset, enqueued_time, partition_key, body);
    for (key, encoded) in others {
        event.add_system_property(name(key).ok_or(NotAnEvent::Malformed)?, value(encoded));
    }
    Ok(event)
}

/// Returns the runtime metrics of a partition. They come with each event if the link asks for them.
fn last_enqueued(section: Raw<'_>) -> Result<Option<LastEnqueued>, NotAnEvent> {
    let (mut number, mut offset, mut time) = (None, None, UNIX_EPOCH);
    for pair in section.pairs().ok_or(NotAnEvent::Malformed)? {
        let (key, value) = pair.ok_or(NotAnEvent::Malformed)?;
        match key.text() {
            Some("last_enqueued_sequence_number") => number = value.integer(),
            Some("last_enqueued_offset") => offset = text(value),
            Some("last_enqueued_time_utc") => {
                time = value.timestamp().map_or(UNIX_EPOCH, system_time);
            }
            _ => {}
        }
    }
    Ok(number.map(|number| LastEnqueued::new(number, offset, time)))
}

fn properties(event: &mut ReceivedEvent, section: Raw<'_>) -> Option<()> {
    for (field, encoded) in FIELDS.into_iter().zip(section.items()?) {
        let encoded = encoded?;
        if encoded.is_null() {
            continue;
        }
        match field {
            "message-id" => event.set_message_id(id(encoded)?),
            "correlation-id" => event.set_correlation_id(id(encoded)?),
            "content-type" => event.set_content_type(encoded.text()?.to_owned()),
            _ => event.add_system_property(field.to_owned(), value(encoded)),
        }
    }
    Some(())
}

fn application_properties(event: &mut ReceivedEvent, section: Raw<'_>) -> Option<()> {
    for pair in section.pairs()? {
        let (key, encoded) = pair?;
        event.add_property(name(key)?, value(encoded));
    }
    Some(())
}

/// Decodes a value of an event. If it is malformed, or too deep, it is returned as it was encoded.
fn value(encoded: Raw<'_>) -> AmqpValue {
    encoded.value().unwrap_or_else(|| {
        log::warn!(
            target: super::LOG,
            "a value of an event cannot be decoded; its {} bytes are returned undecoded",
            encoded.encoded.len()
        );
        AmqpValue::Binary(Bytes::copy_from_slice(encoded.encoded))
    })
}

/// Returns a value as text. An offset is text, but older services sent a number.
pub(super) fn text<'a, T: From<&'a str> + From<String>>(value: Raw<'a>) -> Option<T> {
    match value.text() {
        Some(text) => Some(text.into()),
        None => value.integer().map(|number| number.to_string().into()),
    }
}

/// Returns the name of a property. Annotations may have numbers as names.
fn name(key: Raw<'_>) -> Option<String> {
    match key.text() {
        Some(text) => Some(text.to_owned()),
        None => key.unsigned().map(|number| number.to_string()),
    }
}

fn id(id: Raw<'_>) -> Option<String> {
    Some(match id.value()? {
        AmqpValue::String(text) => text,
        AmqpValue::UInt(number) => number.to_string(),
        AmqpValue::Uuid(uuid) => hyphenated(&uuid),
        AmqpValue::Binary(bytes) => hex(&bytes),
        _ => return None,
    })
}

/// Converts milliseconds since 1970 to a time. A time that the system's clock cannot express becomes 1970.
pub(super) fn system_time(milliseconds: i64) -> SystemTime {
    let distance = Duration::from_millis(milliseconds.unsigned_abs());
    let time = if milliseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn hyphenated(uuid: &[u8; 16]) -> String {
    let text = hex(uuid);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

#[cfg(test)]
mod tests;

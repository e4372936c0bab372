//! Decodes AMQP messages into events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{
    AmqpSequence, AmqpValue as ValueSection, Annotations, Body, Message, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{SimpleValue, Value};

use super::encoded::Encoded;
use crate::processing::{AmqpValue, EventBody, LastEnqueued, ReceivedEvent};

/// The body of a message from a receive link. The values in it are checked and decoded in this file.
pub(super) type RawBody = Body<Encoded>;

/// An event, and the end of its partition if the link asked for it. That is rare, and would make each event larger.
pub(super) type Decoded = (ReceivedEvent, Option<Box<LastEnqueued>>);

/// The approximate memory that an event takes beyond its body and properties, in bytes.
const OVERHEAD: usize = 200;

/// Returns approximately how much memory an event takes, for the limit of the prefetch.
pub(crate) fn size_of_event(event: &ReceivedEvent) -> usize {
    let of_value = |value: &AmqpValue| value.as_str().map_or(16, str::len);
    let of_pair = |(name, value): (&str, &AmqpValue)| name.len() + of_value(value) + 40;
    event.body().len()
        + event.properties().map(of_pair).sum::<usize>()
        + event.system_properties().map(of_pair).sum::<usize>()
        + OVERHEAD
}

/// Returns the event in a message, or `None` if the message has no sequence number. Every event has one.
pub(super) fn event(message: Message<RawBody>) -> Option<Decoded> {
    // All annotations are read in one pass. A lookup by name would create a key for each name and each event.
    let (mut number, mut offset, mut partition_key) = (None, None, None);
    let mut enqueued_time = UNIX_EPOCH;
    let mut others = Vec::new();
    for (key, value) in message.message_annotations?.0 {
        let name = match &key {
            OwnedKey::Symbol(symbol) => symbol.as_str(),
            OwnedKey::Ulong(_) => "",
        };
        match name {
            "x-opt-sequence-number" => number = integer(&value),
            "x-opt-offset" => offset = text(value),
            "x-opt-enqueued-time" => {
                if let Value::Timestamp(time) = value {
                    enqueued_time = system_time(time.milliseconds());
                }
            }
            "x-opt-partition-key" => partition_key = text(value),
            _ => others.push((key, value)),
        }
    }
    let body = body(message.body);
    let mut event = ReceivedEvent::decoded(number?, offset, enqueued_time, partition_key, body);
    for (key, value) in others {
        event = event.with_system_property(key_text(key), converted(value));
    }
    if let Some(properties) = message.properties {
        event = with_properties(event, properties);
    }
    if let Some(section) = message.application_properties {
        for (name, value) in section.0 {
            event = event.with_property(name, simple(value));
        }
    }
    let last_enqueued =
        message.delivery_annotations.and_then(|section| last_enqueued(section.0)).map(Box::new);
    Some((event, last_enqueued))
}

/// Returns the runtime metrics of a partition. They come with each event if the link asks for them.
fn last_enqueued(mut annotations: Annotations) -> Option<LastEnqueued> {
    let number = integer(&take(&mut annotations, "last_enqueued_sequence_number")?)?;
    let offset = take(&mut annotations, "last_enqueued_offset").and_then(text);
    let time = match take(&mut annotations, "last_enqueued_time_utc") {
        Some(Value::Timestamp(time)) => system_time(time.milliseconds()),
        _ => UNIX_EPOCH,
    };
    Some(LastEnqueued::new(number, offset, time))
}

fn body(body: RawBody) -> EventBody {
    match body {
        Body::Data(sections) => {
            let mut sections = sections.into_iter().map(|data| data.0.into_vec());
            match (sections.next(), sections.next()) {
                (None, _) => EventBody::Data(Bytes::new()),
                (Some(only), None) => EventBody::Data(only.into()),
                (Some(mut first), Some(second)) => {
                    first.extend(second);
                    sections.for_each(|section| first.extend(section));
                    EventBody::Data(first.into())
                }
            }
        }
        Body::Value(ValueSection(value)) => EventBody::Value(decoded(value)),
        Body::Sequence(sections) => EventBody::Sequence(
            sections
                .into_iter()
                .map(|AmqpSequence(values)| values.into_iter().map(decoded).collect())
                .collect(),
        ),
        Body::Empty => EventBody::Data(Bytes::new()),
    }
}

/// Decodes a value of a body. If it is malformed, or too deep for the stack, it is returned as it was encoded. It would
/// be worse if such an event stopped its partition for good.
fn decoded(value: Encoded) -> AmqpValue {
    value.decode().map_or_else(
        |encoded| {
            log::warn!(
                target: super::LOG,
                "a value of an event body cannot be decoded; its {} bytes are handed out as they are",
                encoded.len()
            );
            AmqpValue::Binary(encoded)
        },
        converted,
    )
}

fn with_properties(mut event: ReceivedEvent, properties: Properties) -> ReceivedEvent {
    if let Some(id) = properties.message_id {
        event = event.with_message_id(id_text(id));
    }
    if let Some(id) = properties.correlation_id {
        event = event.with_correlation_id(id_text(id));
    }
    if let Some(content_type) = properties.content_type {
        event = event.with_content_type(content_type.into_inner());
    }
    let time = |time: fe2o3_amqp::types::primitives::Timestamp| {
        AmqpValue::Timestamp(system_time(time.milliseconds()))
    };
    let others = [
        ("user-id", properties.user_id.map(|id| AmqpValue::Binary(id.into_vec().into()))),
        ("to", properties.to.map(AmqpValue::String)),
        ("subject", properties.subject.map(AmqpValue::String)),
        ("reply-to", properties.reply_to.map(AmqpValue::String)),
        (
            "content-encoding",
            properties.content_encoding.map(|name| AmqpValue::String(name.into_inner())),
        ),
        ("absolute-expiry-time", properties.absolute_expiry_time.map(time)),
        ("creation-time", properties.creation_time.map(time)),
        ("group-id", properties.group_id.map(AmqpValue::String)),
        ("group-sequence", properties.group_sequence.map(|number| AmqpValue::UInt(number.into()))),
        ("reply-to-group-id", properties.reply_to_group_id.map(AmqpValue::String)),
    ];
    for (name, value) in others {
        if let Some(value) = value {
            event = event.with_system_property(name, value);
        }
    }
    event
}

fn take(annotations: &mut Annotations, name: &'static str) -> Option<Value> {
    annotations.swap_remove(&OwnedKey::from(name))
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Long(number) => *number,
        Value::Int(number) => (*number).into(),
        Value::Short(number) => (*number).into(),
        Value::Byte(number) => (*number).into(),
        Value::Ulong(number) => i64::try_from(*number).ok()?,
        Value::Uint(number) => (*number).into(),
        Value::Ushort(number) => (*number).into(),
        Value::Ubyte(number) => (*number).into(),
        _ => return None,
    })
}

/// Returns a value as text. An offset is text, but older services sent a number.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Symbol(symbol) => Some(symbol.into_inner()),
        number => integer(&number).map(|number| number.to_string()),
    }
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

fn key_text(key: OwnedKey) -> String {
    match key {
        OwnedKey::Symbol(symbol) => symbol.into_inner(),
        OwnedKey::Ulong(number) => number.to_string(),
    }
}

fn id_text(id: MessageId) -> String {
    match id {
        MessageId::String(text) => text,
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => hyphenated(uuid.as_inner()),
        MessageId::Binary(bytes) => hex(&bytes),
    }
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

fn simple(value: SimpleValue) -> AmqpValue {
    converted(value.into())
}

/// Converts a value. Decimal numbers, which no SDK writes, become the text of their bits.
pub(super) fn converted(value: Value) -> AmqpValue {
    if let Some(number) = integer(&value) {
        return match value {
            Value::Ulong(_) | Value::Uint(_) | Value::Ushort(_) | Value::Ubyte(_) => {
                AmqpValue::UInt(number.unsigned_abs())
            }
            _ => AmqpValue::Int(number),
        };
    }
    match value {
        Value::Ulong(number) => AmqpValue::UInt(number),
        Value::Bool(value) => AmqpValue::Bool(value),
        Value::Float(number) => AmqpValue::Double(number.into_inner().into()),
        Value::Double(number) => AmqpValue::Double(number.into_inner()),
        Value::Decimal32(number) => AmqpValue::String(format!("{number:?}")),
        Value::Decimal64(number) => AmqpValue::String(format!("{number:?}")),
        Value::Decimal128(number) => AmqpValue::String(format!("{number:?}")),
        Value::Char(char) => AmqpValue::Char(char),
        Value::Timestamp(time) => AmqpValue::Timestamp(system_time(time.milliseconds())),
        Value::Uuid(uuid) => AmqpValue::Uuid(uuid.into_inner()),
        Value::Binary(bytes) => AmqpValue::Binary(bytes.into_vec().into()),
        Value::String(text) => AmqpValue::String(text),
        Value::Symbol(symbol) => AmqpValue::String(symbol.into_inner()),
        Value::List(values) => AmqpValue::List(values.into_iter().map(converted).collect()),
        Value::Array(values) => AmqpValue::List(values.0.into_iter().map(converted).collect()),
        Value::Map(map) => AmqpValue::Map(
            map.into_iter().map(|(key, value)| (converted(key), converted(value))).collect(),
        ),
        Value::Described(described) => converted(described.value),
        _ => AmqpValue::Null,
    }
}

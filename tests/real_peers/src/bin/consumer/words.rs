//! Events as JSON, in the form that `tests/support/python/events.py` says.

use std::time::{SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::processing::{AmqpValue, EventBody, ReceivedEvent};
use serde_json::{Map, Value, json};

/// The system properties that the tests look at.
const SYSTEM: [&str; 2] = ["subject", "x-opt-sender"];

pub fn described(event: &ReceivedEvent) -> Value {
    let system = event.system_properties().filter(|(name, _)| SYSTEM.contains(name));
    json!({
        "number": event.sequence_number(),
        "offset": event.offset(),
        "enqueued": millis(event.enqueued_time()),
        "key": event.partition_key(),
        "body": body(event.body()),
        "properties": named(event.properties()),
        "system": named(system),
        "message_id": event.message_id(),
        "correlation_id": event.correlation_id(),
        "content_type": event.content_type(),
    })
}

fn named<'a>(values: impl Iterator<Item = (&'a str, &'a AmqpValue)>) -> Value {
    let named: Map<_, _> = values.map(|(name, value)| (name.to_owned(), plain(value))).collect();
    Value::Object(named)
}

fn body(body: &EventBody) -> Value {
    match body {
        EventBody::Data(bytes) => json!({ "data": String::from_utf8_lossy(bytes) }),
        EventBody::Value(value) => json!({ "value": plain(value) }),
        EventBody::Sequence(lists) => {
            let lists: Vec<Vec<Value>> =
                lists.iter().map(|list| list.iter().map(plain).collect()).collect();
            json!({ "sequence": lists })
        }
        other => panic!("a new kind of body: {other:?}"),
    }
}

fn plain(value: &AmqpValue) -> Value {
    match value {
        AmqpValue::Null => Value::Null,
        AmqpValue::Bool(value) => json!(value),
        AmqpValue::Int(number) => json!(number),
        AmqpValue::UInt(number) => json!(number),
        AmqpValue::Double(number) => json!(number),
        AmqpValue::Char(char) => json!(char),
        AmqpValue::String(text) => json!(text),
        AmqpValue::Binary(bytes) => json!(String::from_utf8_lossy(bytes)),
        AmqpValue::Timestamp(time) => json!({ "time": millis(*time) }),
        AmqpValue::List(values) => Value::Array(values.iter().map(plain).collect()),
        AmqpValue::Map(pairs) => {
            let key = |key: &AmqpValue| match plain(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(pairs.iter().map(|(name, value)| (key(name), plain(value))).collect())
        }
        other => json!(format!("{other:?}")),
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(since.as_millis()).expect("a time of this age")
}

//! What `$cbs` and `$management` answer.

use fe2o3_amqp_types::messaging::message::__private::{Deserializable, Serializable};
use fe2o3_amqp_types::messaging::{AmqpValue, ApplicationProperties, Body, Message, Properties};
use fe2o3_amqp_types::primitives::{Array, OrderedMap, SimpleValue, Timestamp, Value};

use crate::Content;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Cbs,
    Management,
}

impl Node {
    pub(crate) fn at(address: &str) -> Option<Self> {
        match address {
            "$cbs" => Some(Self::Cbs),
            "$management" => Some(Self::Management),
            _ => None,
        }
    }
}

type Request = Message<Body<Value>>;

/// The encoded answer to an encoded request: every token is good.
pub(crate) fn answer(node: Node, request: &[u8]) -> Vec<u8> {
    let request: Deserializable<Request> =
        serde_amqp::from_slice(request).expect("a request is a message");
    let request = request.0;
    let (status, body) = match node {
        Node::Cbs => (202, Value::Null),
        Node::Management => (200, attributes(&request)),
    };
    let id = request.properties.and_then(|properties| properties.message_id);
    let answer: Message<AmqpValue<Value>> = Message::builder()
        .properties(Properties { correlation_id: id, ..Properties::default() })
        .application_properties(
            ApplicationProperties::builder()
                .insert("status-code", status)
                .insert("status-description", "OK".to_string())
                .build(),
        )
        .value(body)
        .build();
    serde_amqp::to_vec(&Serializable(answer)).expect("an answer can be encoded")
}

fn attributes(request: &Request) -> Value {
    let text = |key: &str| match request.application_properties.as_ref()?.0.get(key)? {
        SimpleValue::String(text) => Some(text.clone()),
        _ => None,
    };
    let name = text("name").unwrap_or_default();
    let Some(content) = Content::of_hub(&name) else { return Value::Null };
    let now = Value::Timestamp(Timestamp::from_milliseconds(1_760_000_000_000));
    let last = i64::from(content.events) - 1;
    let pairs = match text("partition") {
        None => vec![
            ("name", Value::String(name)),
            ("type", Value::from("com.microsoft:eventhub")),
            ("created_at", now),
            ("partition_count", Value::Int(content.partitions as i32)),
            (
                "partition_ids",
                Value::Array(Array(
                    (0..content.partitions).map(|id| Value::String(id.to_string())).collect(),
                )),
            ),
        ],
        Some(partition) => vec![
            ("name", Value::String(name)),
            ("type", Value::from("com.microsoft:partition")),
            ("partition", Value::String(partition)),
            ("begin_sequence_number", Value::Long(0)),
            ("last_enqueued_sequence_number", Value::Long(last)),
            ("last_enqueued_offset", Value::String(last.to_string())),
            ("last_enqueued_time_utc", now),
            ("is_partition_empty", Value::Bool(false)),
        ],
    };
    let map: OrderedMap<Value, Value> =
        pairs.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
    Value::Map(map)
}

//! `$management`: READ of the event hub and of its partitions.

use fe2o3_amqp::types::primitives::{Array, OrderedMap, SimpleValue, Timestamp, Value};

use crate::hub::{Hub, Partition};
use crate::request_response::{Request, Response};

const EVENTHUB: &str = "com.microsoft:eventhub";
const PARTITION: &str = "com.microsoft:partition";

/// Responds to a request.
pub(crate) fn respond(request: &Request, hub: &Hub) -> Response {
    hub.counts.management_requests.add(1);
    let property = |key: &str| text_property(request, key).unwrap_or_default();
    if property("operation") != "READ" {
        return refusal(501, "Not Implemented");
    }
    if !hub.is_named(property("name")) {
        return refusal(404, "The messaging entity could not be found.");
    }
    match property("type") {
        EVENTHUB => found(eventhub_attributes(hub)),
        PARTITION => match hub.partition(property("partition")) {
            Some(partition) => found(partition_attributes(hub, partition)),
            None => refusal(404, "The specified partition is invalid for an EventHub partition."),
        },
        _ => refusal(400, "Unknown entity type."),
    }
}

fn text_property<'a>(request: &'a Request, key: &str) -> Option<&'a str> {
    match request.application_properties.as_ref()?.0.get(key)? {
        SimpleValue::String(text) => Some(text),
        _ => None,
    }
}

fn found(attributes: Vec<(&'static str, Value)>) -> Response {
    let attributes: OrderedMap<Value, Value> =
        attributes.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
    Response { status: 200, description: "OK", body: Value::Map(attributes) }
}

fn refusal(status: i32, description: &'static str) -> Response {
    Response { status, description, body: Value::Null }
}

fn eventhub_attributes(hub: &Hub) -> Vec<(&'static str, Value)> {
    let ids = hub.partitions.iter().map(|partition| Value::String(partition.id.clone())).collect();
    vec![
        ("name", Value::String(hub.name.clone())),
        ("type", Value::from(EVENTHUB)),
        ("created_at", timestamp(hub.created_millis)),
        ("partition_count", Value::Int(i32::try_from(hub.partitions.len()).unwrap_or(i32::MAX))),
        ("partition_ids", Value::Array(Array(ids))),
    ]
}

/// An empty partition has `-1` where the last event would stand, as at the service.
fn partition_attributes(hub: &Hub, partition: &Partition) -> Vec<(&'static str, Value)> {
    let last = partition.log.last();
    let last = last.as_deref();
    let offset = last.map_or_else(|| "-1".to_string(), |event| event.offset.clone());
    vec![
        ("name", Value::String(hub.name.clone())),
        ("type", Value::from(PARTITION)),
        ("partition", Value::String(partition.id.clone())),
        ("begin_sequence_number", Value::Long(0)),
        ("begin_sequence_number_epoch", Value::Long(-1)),
        (
            "last_enqueued_sequence_number",
            Value::Long(last.map_or(-1, |event| event.sequence_number)),
        ),
        ("last_enqueued_sequence_number_epoch", Value::Long(-1)),
        ("last_enqueued_offset", Value::String(offset)),
        ("last_enqueued_time_utc", timestamp(last.map_or(0, |event| event.enqueued_millis))),
        ("is_partition_empty", Value::Bool(last.is_none())),
    ]
}

fn timestamp(millis: i64) -> Value {
    Value::Timestamp(Timestamp::from_milliseconds(millis))
}

//! The entry points of the fuzz targets. They decode what a peer sends, without a socket. Not for users.

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::primitives::{LazyValue, Value};
use fe2o3_amqp_management::response::Response;
use serde_amqp::read::SliceReader;

use super::decode;
use super::depth::is_shallow;
use super::management::{self, Attributes};
use crate::processing::{EventHubProperties, LastEnqueued, PartitionProperties, ReceivedEvent};

/// Decodes the event in a message, and the end of the partition if the message tells it.
///
/// Refuses values that are nested too deeply. In a body, the library finds them before it decodes them. Elsewhere, the
/// AMQP stack decodes them, and it has no limit.
pub fn event(encoded: &[u8]) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    if !is_shallow(encoded) {
        return None;
    }
    let reader = SliceReader::new(encoded);
    let message = Body::<LazyValue>::decode_message_from_reader(reader).ok()?;
    decode::event(message)
}

/// Decodes a response from `$management`: as a read of the event hub, and as a read of a partition.
pub fn properties(encoded: &[u8]) -> (Option<EventHubProperties>, Option<PartitionProperties>) {
    let attributes = || {
        let is_shallow = is_shallow(encoded);
        let reader = SliceReader::new(encoded);
        let message = is_shallow.then(|| Body::<Value>::decode_message_from_reader(reader).ok());
        Attributes::decode_message(message??).ok()
    };
    (
        attributes().and_then(management::eventhub),
        attributes().and_then(|attributes| management::partition("0", attributes)),
    )
}

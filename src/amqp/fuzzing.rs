//! What the fuzz targets call: the decoders of what a peer sends, without a socket. Not for users.

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::primitives::{LazyValue, Value};
use fe2o3_amqp_management::response::Response;
use serde_amqp::read::SliceReader;

use super::decode;
use super::depth::is_shallow;
use super::management::{self, Attributes};
use crate::processing::{EventHubProperties, LastEnqueued, PartitionProperties, ReceivedEvent};

/// The event in a message, and what it tells of the end of the partition.
///
/// Values that are nested too deep are left out: in a body they are found before they are decoded, elsewhere the AMQP
/// stack decodes them, which has no bound.
pub fn event(encoded: &[u8]) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    if !is_shallow(encoded) {
        return None;
    }
    let reader = SliceReader::new(encoded);
    let message = Body::<LazyValue>::decode_message_from_reader(reader).ok()?;
    decode::event(message)
}

/// The response of `$management` to a read of the event hub, and to one of a partition.
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

//! The entry points of the fuzz targets. They decode what a peer sends, without a socket. Not for users.

use fe2o3_amqp::types::messaging::Message;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp_management::response::Response;
use serde_amqp::read::{IoReader, SliceReader};

use super::decode::{self, RawBody};
use super::management::{self, Attributes};
use super::screen::Screen;
use crate::processing::{EventHubProperties, LastEnqueued, PartitionProperties, ReceivedEvent};

/// Decodes the event in a message, and the end of the partition if the message tells it: as the frame of a connection
/// brings it.
pub fn event(encoded: &[u8]) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    let mut message = encoded.to_vec();
    Screen::new().payload((0, 0), false, &mut message);
    decoded(RawBody::decode_message_from_reader(SliceReader::new(&message)).ok()?)
}

/// The same, as several frames bring it. The first ends at `cut`, each further one has that many bytes more.
pub fn event_in_frames(
    encoded: &[u8],
    cut: usize,
) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    let mut message = encoded.to_vec();
    let mut screen = Screen::new();
    let mut rest = &mut message[..];
    let mut length = cut;
    while rest.len() > length {
        let (frame, behind) = rest.split_at_mut(length);
        screen.payload((0, 0), true, frame);
        rest = behind;
        length += 1;
    }
    screen.payload((0, 0), false, rest);
    decoded(RawBody::decode_message_from_reader(IoReader::new(&message[..])).ok()?)
}

fn decoded(message: Message<RawBody>) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    decode::event(message).map(|(event, last_enqueued)| (event, last_enqueued.map(|last| *last)))
}

/// Decodes a response from `$management`: as a read of the event hub, and as a read of a partition.
pub fn properties(encoded: &[u8]) -> (Option<EventHubProperties>, Option<PartitionProperties>) {
    let attributes = || {
        let mut message = encoded.to_vec();
        Screen::new().payload((0, 0), false, &mut message);
        let message = RawBody::decode_message_from_reader(SliceReader::new(&message)).ok()?;
        Attributes::decode_message(message).ok()
    };
    (
        attributes().and_then(management::eventhub),
        attributes().and_then(|attributes| management::partition("0", attributes)),
    )
}

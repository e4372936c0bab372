//! The entry points of the fuzz targets. They decode what a peer sends, without a socket. Not for users.

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp_management::response::Response;
use serde_amqp::read::{IoReader, SliceReader};

use super::decode::{self, Received};
use super::encoded::Encoded;
use super::encoding::{Values, is_sound_message};
use super::management::{self, Attributes};
use super::screen::{self, Screen};
use crate::processing::{EventHubProperties, LastEnqueued, PartitionProperties, ReceivedEvent};

/// The frames of a transfer may be as long as this, in the tests of several.
const MAX_FRAME_SIZE: usize = 512;

/// Decodes the event in a message, and the end of the partition if the message tells it.
pub fn event(encoded: &[u8]) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    let (event, last_enqueued) = decode::event(encoded, None).ok()?;
    Some((event, last_enqueued.map(|last| *last)))
}

/// The same, as several frames of a connection bring it. The first ends at `cut`, each further one has that many bytes
/// more.
pub fn event_in_frames(
    encoded: &[u8],
    cut: usize,
) -> Option<(ReceivedEvent, Option<LastEnqueued>)> {
    let mut screen = Screen::new(MAX_FRAME_SIZE);
    let mut out = Vec::new();
    let attach = [b"\x00\x53\x12\xc0\x0c\x03\xa1\x07", screen::EVENTS.as_bytes(), b"\x43\x42"];
    screen.frame(&frame(&attach.concat()), &mut out).ok()?;
    out.clear();
    let (mut rest, mut length) = (encoded, cut);
    loop {
        let (payload, behind) = rest.split_at(length.min(rest.len()).min(MAX_FRAME_SIZE - 32));
        let more = if behind.is_empty() { 0x42 } else { 0x41 };
        let transfer = [b"\x00\x53\x14\xc0\x09\x06\x43\x43\xa0\x01t\x43\x41", &[more][..], payload];
        screen.frame(&frame(&transfer.concat()), &mut out).ok()?;
        if behind.is_empty() {
            break;
        }
        (rest, length) = (behind, length + 1);
    }
    // What the stack decodes: the payloads, one after the other.
    let (mut frames, mut message) = (&out[..], Vec::new());
    while let Some(size) = frames.first_chunk() {
        let (frame, behind) = frames.split_at(usize::try_from(u32::from_be_bytes(*size)).ok()?);
        if frame.len() > MAX_FRAME_SIZE {
            return None;
        }
        let mut body = Values::new(&frame[8..]);
        body.take_described()?;
        message.extend(body.rest());
        frames = behind;
    }
    let reader = IoReader::new(&message[..]);
    let message = Body::<Received>::decode_message_from_reader(reader).ok()?;
    let (event, last_enqueued) = decode::unwrapped(message.body).ok()?;
    Some((event, last_enqueued.map(|last| *last)))
}

fn frame(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + body.len()).unwrap_or(u32::MAX);
    [&size.to_be_bytes(), &b"\x02\0\0\x01"[..], body].concat()
}

/// Decodes a response from `$management`: as a read of the event hub, and as a read of a partition.
pub fn properties(encoded: &[u8]) -> (Option<EventHubProperties>, Option<PartitionProperties>) {
    if !is_sound_message(encoded) {
        return (None, None);
    }
    let message = Body::<Encoded>::decode_message_from_reader(SliceReader::new(encoded)).ok();
    let attributes = message.and_then(|message| Attributes::decode_message(message).ok());
    match attributes {
        Some(attributes) => {
            (management::eventhub(&attributes), management::partition("0", &attributes))
        }
        None => (None, None),
    }
}

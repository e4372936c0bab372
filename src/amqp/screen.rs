//! The byte stream of a connection. It screens incoming messages before the AMQP stack decodes them.
//!
//! The stack decodes a message from its first byte and offers no look at it before, and a message that is not
//! [sound](super::encoding) could overflow the stack or make the decoder panic. So the stream reads whole frames, and
//! spoils unsound messages with a byte that no value begins with. The decoder then refuses that message, which is an error
//! of its link. The other links of the connection do not notice.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::encoding::{Walk, plain_length};

/// A byte that no AMQP value begins with. As a length, a size or a count it is neither too small nor large.
const SPOILED: u8 = 0x06;
/// The header of a frame: its size, where its body begins in units of 4 bytes, its type, and its channel.
const HEADER: usize = 8;

/// A stream that screens what it reads.
#[derive(Debug)]
pub(super) struct Screened<S> {
    stream: S,
    buffer: Box<[u8]>,
    /// The buffer has the bytes that were handed on, those of screened frames, and a part of a frame, in this order.
    handed: usize,
    ready: usize,
    filled: usize,
    screen: Screen,
}

impl<S> Screened<S> {
    /// Wraps a stream of frames that have at most this size.
    pub(super) fn new(stream: S, max_frame_size: u32) -> Self {
        let size = usize::try_from(max_frame_size).unwrap_or(usize::MAX);
        Self {
            stream,
            buffer: vec![0; size.max(HEADER)].into_boxed_slice(),
            handed: 0,
            ready: 0,
            filled: 0,
            screen: Screen::new(),
        }
    }

    fn screen_frames(&mut self) -> io::Result<()> {
        while let Some(size) = frame_size(&self.buffer[self.ready..self.filled]) {
            if size < HEADER || size > self.buffer.len() {
                let text = "the peer sent something other than AMQP frames";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let end = self.ready + size;
            if end > self.filled {
                break;
            }
            self.screen.frame(&mut self.buffer[self.ready..end]);
            self.ready = end;
        }
        Ok(())
    }
}

/// Returns the size of the frame, or of the protocol header, that begins here.
fn frame_size(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'A', b'M', b'Q', b'P', ..] => Some(HEADER),
        [a, b, c, d, ..] => usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok(),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.handed == this.ready {
            this.buffer.copy_within(this.handed..this.filled, 0);
            this.filled -= this.handed;
            (this.handed, this.ready) = (0, 0);
            let mut room = ReadBuf::new(&mut this.buffer[this.filled..]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut room))?;
            let count = room.filled().len();
            if count == 0 {
                // The end. A part of a frame is of no use.
                return Poll::Ready(Ok(()));
            }
            this.filled += count;
            this.screen_frames()?;
        }
        let count = out.remaining().min(this.ready - this.handed);
        out.put_slice(&this.buffer[this.handed..this.handed + count]);
        this.handed += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Screens frames, and remembers the deliveries that are not complete.
#[derive(Debug)]
pub(super) struct Screen {
    walk: Walk,
    deliveries: Vec<Delivery>,
}

/// A delivery of which more frames will come.
#[derive(Debug)]
struct Delivery {
    channel: u16,
    handle: u32,
    /// `None` if it was spoiled.
    walk: Option<Box<Walk>>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { walk: Walk::new(), deliveries: Vec::new() }
    }

    /// Screens a frame, and spoils what is not sound.
    fn frame(&mut self, frame: &mut [u8]) {
        // A frame without a body is a heartbeat, and one with a longer header is refused by the AMQP stack.
        let [_, _, _, _, 2, _, high, low, body @ ..] = frame else { return };
        if body.is_empty() {
            return;
        }
        let channel = u16::from_be_bytes([*high, *low]);
        let Some((performative, length)) = Performative::read(body, &mut self.walk) else {
            // The stack closes the connection. Only the service writes performatives.
            body[0] = SPOILED;
            return;
        };
        match performative {
            Performative::Transfer { handle, aborted: false, more } => {
                self.payload((channel, handle), more, &mut body[length..]);
            }
            Performative::Transfer { handle, aborted: true, .. } => {
                self.deliveries.retain(|one| (one.channel, one.handle) != (channel, handle));
            }
            // The handle may be another link's from here on.
            Performative::Links => self.deliveries.retain(|one| one.channel != channel),
            Performative::Other => {}
        }
    }

    /// Screens the payload of a transfer.
    pub(super) fn payload(&mut self, link: (u16, u32), more: bool, payload: &mut [u8]) {
        let (channel, handle) = link;
        let begun = self.deliveries.iter().position(|one| (one.channel, one.handle) == link);
        let at = match begun {
            Some(at) => at,
            None if more => {
                let mut walk = Box::new(Walk::new());
                walk.begin_message();
                self.deliveries.push(Delivery { channel, handle, walk: Some(walk) });
                self.deliveries.len() - 1
            }
            None => {
                if !self.walk.over_message(payload)
                    && let Some(first) = payload.first_mut()
                {
                    warn();
                    *first = SPOILED;
                }
                return;
            }
        };
        let delivery = &mut self.deliveries[at];
        // What has been handed on is sound as far as it goes. The rest is spoiled.
        let spoiled = match &mut delivery.walk {
            None => Some(0),
            Some(walk) => walk.feed(payload).err().map(|malformed| malformed.at),
        };
        if let Some(from) = spoiled {
            if delivery.walk.take().is_some() {
                warn();
            }
            payload[from..].fill(SPOILED);
        }
        if !more {
            self.deliveries.swap_remove(at);
        }
    }
}

fn warn() {
    log::warn!(
        target: super::LOG,
        "a message cannot be decoded: a value in it is malformed, or nested too deeply"
    );
}

/// What matters here of a performative.
enum Performative {
    Transfer {
        handle: u32,
        more: bool,
        aborted: bool,
    },
    /// Links come or go: a begin, an attach, a detach or an end.
    Links,
    Other,
}

impl Performative {
    /// Reads the performative at the beginning of a body, and returns it with its length. Returns `None` if it is not
    /// sound.
    fn read(body: &[u8], walk: &mut Walk) -> Option<(Self, usize)> {
        let (code, list) = match body {
            [0, 0x53, code, list @ ..] | [0, 0x80, 0, 0, 0, 0, 0, 0, 0, code, list @ ..] => {
                (*code, list)
            }
            // No known service names its performatives.
            _ => return Some((Self::Other, walk.over_value(body)?)),
        };
        let (size, count, fields) = match list {
            [0x45, fields @ ..] => (0, 0, fields),
            [0xc0, size, count, fields @ ..] => {
                (usize::from(*size).checked_sub(1)?, u32::from(*count), fields)
            }
            [0xd0, rest @ ..] => {
                let (size, rest) = rest.split_first_chunk()?;
                let (count, fields) = rest.split_first_chunk()?;
                let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
                (size.checked_sub(4)?, u32::from_be_bytes(*count), fields)
            }
            _ => return None,
        };
        let before = body.len() - fields.len();
        let mut fields = fields.get(..size)?;
        let length = before + size;
        let (mut handle, mut more, mut aborted) = (0, false, false);
        for index in 0..count {
            match (index, fields) {
                (0, [0x52, number, ..]) => handle = u32::from(*number),
                (0, [0x70, a, b, c, d, ..]) => handle = u32::from_be_bytes([*a, *b, *c, *d]),
                (5, [0x41, ..] | [0x56, 1, ..]) => more = true,
                (9, [0x41, ..] | [0x56, 1, ..]) => aborted = true,
                _ => {}
            }
            let length = plain_length(fields).or_else(|| walk.over_value(fields))?;
            fields = fields.get(length..)?;
        }
        let performative = match code {
            0x14 => Self::Transfer { handle, more, aborted },
            0x11 | 0x12 | 0x16 | 0x17 => Self::Links,
            _ => Self::Other,
        };
        fields.is_empty().then_some((performative, length))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
    use serde_amqp::read::{IoReader, SliceReader};
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::amqp::decode::RawBody;

    /// Yields the pieces one by one.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let rest = piece.split_off(piece.len().min(out.remaining()));
                out.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    /// What a peer sends, and how it comes out, in pieces of this length.
    async fn screened(sent: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let pieces = Pieces(sent.chunks(length).map(<[u8]>::to_vec).collect());
        let mut received = Vec::new();
        Screened::new(pieces, 512).read_to_end(&mut received).await?;
        Ok(received)
    }

    fn frame(channel: u16, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(HEADER + body.len()).unwrap();
        let mut frame = size.to_be_bytes().to_vec();
        frame.extend([2, 0]);
        frame.extend(channel.to_be_bytes());
        frame.extend(body);
        frame
    }

    const MORE: u8 = 0x41;
    const LAST: u8 = 0x42;

    fn transfer(channel: u16, handle: u8, more: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = b"\x00\x53\x14\xc0\x0b\x06".to_vec();
        body.extend([0x52, handle, 0x52, 9, 0xa0, 1, b't', 0x43, 0x41, more]);
        body.extend(payload);
        frame(channel, &body)
    }

    const SOUND: &[u8] = b"\x00\x53\x72\xc1\x08\x02\xa3\x01k\xa1\x02hi\x00\x53\x75\xa0\x01x";
    /// A list that is smaller than its count, and lengths beyond the message.
    const MALFORMED: &[&[u8]] = &[
        b"\xc0\x00\x00",
        b"\xd0\0\0\0\x00\0\0\0\x00",
        b"\xd1\0\0\0\x03\0\0\0\x00",
        b"\xe0\x01\x01\x50",
        b"\xf0\0\0\0\x04\0\0\0\x01\x50",
        b"\xb1\xff\xff\xff\xff",
    ];

    fn malformed(value: &[u8]) -> Vec<u8> {
        let mut message = b"\x00\x53\x72\xc1\x00\x02\xa3\x01k".to_vec();
        message.extend(value);
        message[4] = u8::try_from(4 + value.len()).unwrap();
        message.extend(b"\x00\x53\x75\xa0\x01x");
        message
    }

    fn decodes(message: &[u8]) -> bool {
        let whole = RawBody::decode_message_from_reader(SliceReader::new(message)).is_ok();
        let streamed = RawBody::decode_message_from_reader(IoReader::new(message)).is_ok();
        assert_eq!(whole, streamed);
        whole
    }

    #[tokio::test]
    async fn sound_frames_come_out_as_they_are() {
        let all_fields = b"\x00\x53\x14\xd0\0\0\0\x15\0\0\0\x0b\x43\x52\x01\xa0\x01t\x43\x41\x42\x40\x00\x53\x24\x45\x42\x42\x42";
        let sent = [
            frame(1, &[all_fields, SOUND].concat()),
            b"AMQP\x03\x01\x00\x00".to_vec(),
            b"AMQP\x00\x01\x00\x00".to_vec(),
            frame(0, b""),
            frame(0, b"\x00\x53\x10\xc0\x05\x01\xa1\x02id"),
            transfer(1, 0, LAST, SOUND),
            transfer(1, 0, MORE, &SOUND[..9]),
            frame(0, b""),
            transfer(2, 0, LAST, SOUND),
            transfer(1, 0, LAST, &SOUND[9..]),
            transfer(
                1,
                0,
                LAST,
                &[
                    SOUND,
                    b"\x00\x53\x78\xd1\0\0\x01\x8e\0\0\0\x02\xa3\x01f\xb0\0\0\x01\x82",
                    &[7; 386],
                ]
                .concat(),
            ),
        ]
        .concat();
        assert!(decodes(SOUND));
        for length in [1, 2, 7, 8, 9, 100, 511, 512, sent.len()] {
            assert!(screened(&sent, length).await.unwrap() == sent, "in pieces of {length}");
        }
    }

    #[tokio::test]
    async fn only_the_malformed_message_is_spoiled() {
        let bad = malformed(MALFORMED[0]);
        let before = [transfer(1, 0, LAST, SOUND), transfer(3, 7, MORE, &SOUND[..15])].concat();
        let after = [transfer(3, 7, LAST, &SOUND[15..]), transfer(1, 0, LAST, SOUND)].concat();
        let sent = [before.clone(), transfer(2, 0, LAST, &bad), after.clone()].concat();
        for length in [1, 10, sent.len()] {
            let received = screened(&sent, length).await.unwrap();
            let mut expected = bad.clone();
            expected[0] = SPOILED;
            let expected = transfer(2, 0, LAST, &expected);
            assert_eq!(received, [before.clone(), expected, after.clone()].concat());
        }
    }

    #[tokio::test]
    async fn a_delivery_ends_with_its_link_or_when_it_is_aborted() {
        let aborting = b"\x00\x53\x14\xc0\x0c\x0a\x52\x05\x40\x40\x40\x40\x42\x40\x40\x40\x41";
        for end in [
            frame(1, b"\x00\x53\x12\xc0\x05\x02\xa1\x01l\x43"),
            frame(1, b"\x00\x53\x16\xc0\x03\x01\x52\x05"),
            frame(1, b"\x00\x53\x17\x45"),
            frame(1, aborting),
        ] {
            let sent = [transfer(1, 5, MORE, &SOUND[..9]), end, transfer(1, 5, LAST, SOUND)];
            let sent = sent.concat();
            assert_eq!(screened(&sent, 50).await.unwrap(), sent);
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        for sent in [&b"\0\0\0\x07\x02\0\0\0"[..], b"\0\0\x02\x01\x02\0\0\0", b"HTTP/1.1 400"] {
            let error = screened(sent, 100).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
    }

    #[tokio::test]
    async fn a_malformed_performative_is_spoiled() {
        for body in [
            &b"\x00\x53\x10\xc0\x00\x00"[..],
            b"\x00\x53\x10\xc0\x02\x02\x40",
            b"\x00\x53\x10\xc0\x03\x01\x40\x40",
            b"\x00\x53\x10\xd0\0\0\0\x03\0\0\0\0",
            b"\x00\x53\x12\xc0\x04\x01\xc1\x00\x00",
            b"\x00\x53\x10\x40",
            b"\x00\xa3\x01x\xc0\x00\x00",
        ] {
            let mut expected = body.to_vec();
            expected[0] = SPOILED;
            assert_eq!(screened(&frame(0, body), 50).await.unwrap(), frame(0, &expected));
        }
    }

    /// The decoder gets the beginning of the message as it is, and fails where the rest is spoiled. It neither panics nor
    /// allocates without need, wherever a frame ends.
    #[test]
    fn malformed_messages_fail_to_decode_wherever_their_frames_end() {
        for value in MALFORMED {
            let sent = malformed(value);
            for first in 0..sent.len() {
                for second in first..sent.len() {
                    let mut message = sent.clone();
                    let mut screen = Screen::new();
                    screen.payload((0, 0), true, &mut message[..first]);
                    screen.payload((0, 0), true, &mut message[first..second]);
                    screen.payload((0, 0), false, &mut message[second..]);
                    assert!(!decodes(&message), "{value:02x?}, cut at {first} and {second}");
                    assert!(screen.deliveries.is_empty());
                }
            }
            let mut message = sent.clone();
            Screen::new().payload((0, 0), false, &mut message);
            assert!(!decodes(&message), "{value:02x?}");
        }
    }
}

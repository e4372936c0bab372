//! The byte stream of a connection. It keeps the messages of senders away from the decoder of the AMQP stack.
//!
//! The stack decodes a message from its first byte, and offers no look at it before. But senders may send anything, and a
//! malformed message could overflow the stack or make the decoder panic. That would end the connection of all readers.
//! So the stream reads whole frames and wraps the messages of events as bytes, which the stack hands over as they are.
//! [`decode`](super::decode) decodes them, in less time than the stack would take.
//!
//! Performatives and all other messages come from the service itself. They are checked, but not changed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::encoding::{Raw, Values, is_sound_message};

/// The names of the links that receive events begin with this. By its name, a link is known when the peer attaches it.
pub(super) const EVENTS: &str = "events-";

/// The header of a frame: its size, where its body begins in units of 4 bytes, its type, and its channel.
const HEADER: usize = 8;
/// What precedes a wrapped message: the beginning of a section with a value. The length of the message follows.
const WHOLE: [u8; 4] = [0x00, 0x53, 0x77, 0xb0];
/// The same for a part of a message: the beginning of a data section, of which there may be many.
const PART: [u8; 4] = [0x00, 0x53, 0x75, 0xb0];
const WRAPPER_LENGTH: usize = WHOLE.len() + size_of::<u32>();
/// A byte that no AMQP value begins with.
const SPOILED: u8 = 0x06;
/// The maximum length of a response. Those of the service are far shorter.
const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// The codes of the performatives that matter here.
const BEGIN: u64 = 0x11;
const ATTACH: u64 = 0x12;
const TRANSFER: u64 = 0x14;
const DETACH: u64 = 0x16;
const END: u64 = 0x17;

/// A stream that screens what it reads.
#[derive(Debug)]
pub(super) struct Screened<S> {
    stream: S,
    /// Frames that came, from `begin` to `filled`. The last one may not be complete.
    received: Box<[u8]>,
    begin: usize,
    filled: usize,
    /// Screened frames, and how much of them was handed on.
    ready: Vec<u8>,
    handed: usize,
    screen: Screen,
}

impl<S> Screened<S> {
    /// Wraps a stream of frames that have at most this size.
    pub(super) fn new(stream: S, max_frame_size: u32) -> Self {
        let size = usize::try_from(max_frame_size).unwrap_or(usize::MAX).max(HEADER);
        Self {
            stream,
            received: vec![0; size].into_boxed_slice(),
            begin: 0,
            filled: 0,
            ready: Vec::new(),
            handed: 0,
            screen: Screen::new(size),
        }
    }

    /// Screens complete frames until as many bytes are ready, or there are no more frames.
    fn screen_frames(&mut self, enough: usize) -> io::Result<()> {
        self.ready.clear();
        self.handed = 0;
        while self.ready.len() < enough
            && let received = &self.received[self.begin..self.filled]
            && let Some(size) = frame_size(received)
        {
            if size < HEADER || size > self.received.len() {
                return Err(invalid("the peer sent something other than AMQP frames"));
            }
            let Some(frame) = received.get(..size) else { break };
            self.screen.frame(frame, &mut self.ready)?;
            self.begin += size;
        }
        Ok(())
    }

    /// Makes room for further bytes.
    fn make_room(&mut self) {
        self.received.copy_within(self.begin..self.filled, 0);
        self.filled -= self.begin;
        self.begin = 0;
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

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.handed == this.ready.len() {
            this.screen_frames(out.remaining())?;
            if !this.ready.is_empty() {
                break;
            }
            this.make_room();
            let mut room = ReadBuf::new(&mut this.received[this.filled..]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut room))?;
            let count = room.filled().len();
            if count == 0 {
                // The end. A part of a frame is of no use.
                return Poll::Ready(Ok(()));
            }
            this.filled += count;
        }
        let rest = &this.ready[this.handed..];
        let count = out.remaining().min(rest.len());
        out.put_slice(&rest[..count]);
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

/// Screens frames, one after the other.
#[derive(Debug)]
pub(super) struct Screen {
    max_frame_size: usize,
    /// The links that receive events, by channel. Each has a session of its own, so a channel of its own.
    events: Vec<Option<EventLink>>,
    /// The messages of other links that have begun, by channel and handle.
    begun: Vec<((u16, u64), Vec<u8>)>,
}

#[derive(Debug, Clone, Copy)]
struct EventLink {
    handle: u64,
    /// A part of a message has come. More follow.
    is_within_message: bool,
}

impl Screen {
    pub(super) fn new(max_frame_size: usize) -> Self {
        Self { max_frame_size, events: Vec::new(), begun: Vec::new() }
    }

    /// Adds to `out` what becomes of a frame. An error ends the connection.
    pub(super) fn frame(&mut self, frame: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        // A frame without a body is a heartbeat. The stack refuses a frame with a longer header.
        let Some(([_, _, _, _, 2, _, high, low], body @ [_, ..])) = frame.split_first_chunk()
        else {
            out.extend_from_slice(frame);
            return Ok(());
        };
        let channel = u16::from_be_bytes([*high, *low]);
        let mut values = Values::new(body);
        let performative = values.take_described();
        let malformed = || invalid("a performative is malformed");
        let (code, fields) = performative.ok_or_else(malformed)?;
        let payload = values.rest();
        if code == TRANSFER {
            let transfer = Transfer::read(fields).ok_or_else(malformed)?;
            let link = self.events.get_mut(usize::from(channel)).and_then(Option::as_mut);
            if let Some(link) = link.filter(|link| link.handle == transfer.handle) {
                let is_part = transfer.has_more || link.is_within_message;
                link.is_within_message = transfer.has_more && !transfer.is_aborted;
                if !transfer.is_aborted {
                    self.wrap(frame, &transfer, is_part, payload, out);
                    return Ok(());
                }
            }
            let is_sound = self.response((channel, transfer.handle), &transfer, payload)?;
            out.extend_from_slice(frame);
            if !is_sound {
                let at = out.len() - payload.len();
                out[at] = SPOILED;
            }
            return Ok(());
        }
        if !fields.is_sound() {
            return Err(malformed());
        }
        self.note(code, channel, fields);
        out.extend_from_slice(frame);
        Ok(())
    }

    /// Notes which links come and go.
    fn note(&mut self, code: u64, channel: u16, fields: Raw<'_>) {
        if !matches!(code, BEGIN | ATTACH | DETACH | END) {
            return;
        }
        let mut fields = fields.items().into_iter().flatten().map_while(|field| field);
        let at = usize::from(channel);
        if code == ATTACH {
            let name = fields.next().and_then(Raw::text);
            if name.is_some_and(|name| name.starts_with(EVENTS)) {
                self.events.resize(self.events.len().max(at + 1), None);
                let handle = fields.next().and_then(Raw::unsigned);
                self.events[at] =
                    handle.map(|handle| EventLink { handle, is_within_message: false });
            }
            return;
        }
        let handle = if code == DETACH { fields.next().and_then(Raw::unsigned) } else { None };
        let is_gone = |link: (u16, u64)| link.0 == channel && handle.is_none_or(|it| it == link.1);
        self.begun.retain(|(link, _)| !is_gone(*link));
        if let Some(link) = self.events.get_mut(at) {
            *link = link.filter(|link| !is_gone((channel, link.handle)));
        }
    }

    /// Wraps the message in a frame, or its part.
    fn wrap(
        &self,
        frame: &[u8],
        transfer: &Transfer<'_>,
        is_part: bool,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let (head, _) = frame.split_at(frame.len() - payload.len());
        if frame.len() + WRAPPER_LENGTH <= self.max_frame_size {
            put_frame(out, head, if is_part { PART } else { WHOLE }, payload);
        } else {
            let (first, second) = payload.split_at(payload.len() / 2);
            put_frame(out, &transfer.with_more(head), PART, first);
            put_frame(out, head, PART, second);
        }
    }

    /// Checks a response, or its part. Returns whether the stack can decode it.
    fn response(
        &mut self,
        link: (u16, u64),
        transfer: &Transfer<'_>,
        payload: &[u8],
    ) -> io::Result<bool> {
        let begun = self.begun.iter().position(|begun| begun.0 == link);
        let mut message = match begun {
            Some(begun) => self.begun.swap_remove(begun).1,
            None if transfer.is_aborted || !transfer.has_more => {
                return Ok(is_sound_message(payload));
            }
            None => Vec::new(),
        };
        if transfer.is_aborted {
            return Ok(true);
        }
        message.extend_from_slice(payload);
        if message.len() > MAX_RESPONSE {
            return Err(invalid("a response is too long"));
        }
        if transfer.has_more {
            self.begun.push((link, message));
        } else if !is_sound_message(&message) {
            // Its first part is with the stack already.
            return Err(invalid("a response is malformed"));
        }
        Ok(true)
    }
}

/// Adds a frame with the header and the performative of another, and a wrapped message.
fn put_frame(out: &mut Vec<u8>, head: &[u8], wrapper: [u8; 4], message: &[u8]) {
    let size_of = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    out.reserve(head.len() + WRAPPER_LENGTH + message.len());
    out.extend_from_slice(&size_of(head.len() + WRAPPER_LENGTH + message.len()));
    out.extend_from_slice(&head[4..]);
    out.extend_from_slice(&wrapper);
    out.extend_from_slice(&size_of(message.len()));
    out.extend_from_slice(message);
}

/// What matters here of a transfer.
#[derive(Debug)]
struct Transfer<'a> {
    handle: u64,
    /// More frames of the same message follow.
    has_more: bool,
    is_aborted: bool,
    /// The fields before the one that says whether more follows, as they are encoded, and how many of them are missing.
    before_more: &'a [u8],
    missing: usize,
}

impl<'a> Transfer<'a> {
    /// The index of the field that says whether more frames follow.
    const MORE: usize = 5;
    const ABORTED: usize = 9;

    #[inline]
    fn read(fields: Raw<'a>) -> Option<Self> {
        let mut fields = fields.items()?;
        let all = fields.rest();
        let mut transfer = Self {
            handle: 0,
            has_more: false,
            is_aborted: false,
            before_more: all,
            missing: Self::MORE,
        };
        let mut index = 0;
        while let Some(field) = fields.next() {
            let field = field?;
            match index {
                0 => transfer.handle = field.unsigned()?,
                Self::MORE => transfer.has_more = field.bool().unwrap_or_default(),
                Self::ABORTED => transfer.is_aborted = field.bool().unwrap_or_default(),
                _ if field.is_sound() => {}
                _ => return None,
            }
            index += 1;
            if index <= Self::MORE {
                transfer.missing -= 1;
                transfer.before_more = &all[..all.len() - fields.rest().len()];
            }
        }
        Some(transfer)
    }

    /// Returns the beginning of a frame, up to its payload, that says that more follows.
    fn with_more(&self, head: &[u8]) -> Vec<u8> {
        let count = u32::try_from(Self::MORE + 1).unwrap_or_default().to_be_bytes();
        let fields = [self.before_more, &[0x40; Self::MORE][..self.missing], &[0x41]].concat();
        let size = u32::try_from(count.len() + fields.len()).unwrap_or(u32::MAX).to_be_bytes();
        [&head[..HEADER], b"\x00\x53\x14\xd0", &size, &count, &fields].concat()
    }
}
#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use fe2o3_amqp::types::messaging::Body;
    use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
    use fe2o3_amqp::types::primitives::Binary;
    use serde_amqp::read::IoReader;
    use tokio::io::AsyncReadExt;

    use super::*;

    const MAX_FRAME_SIZE: usize = 512;

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

    /// Returns what becomes of what a peer sends, in pieces of this length.
    async fn screened(sent: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let pieces = Pieces(sent.chunks(length).map(<[u8]>::to_vec).collect());
        let mut received = Vec::new();
        let size = u32::try_from(MAX_FRAME_SIZE).unwrap();
        Screened::new(pieces, size).read_to_end(&mut received).await?;
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

    fn attach(channel: u16, handle: u8, name: &str) -> Vec<u8> {
        let mut body = b"\x00\x53\x12\xc0".to_vec();
        let length = u8::try_from(name.len()).unwrap();
        body.extend([length + 6, 3, 0xa1, length]);
        body.extend(name.bytes());
        body.extend([0x52, handle, 0x42]);
        frame(channel, &body)
    }

    fn wrapped(wrapper: [u8; 4], part: &[u8]) -> Vec<u8> {
        [&wrapper[..], &u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat()
    }

    const SOUND: &[u8] = b"\x00\x53\x72\xc1\x08\x02\xa3\x01k\xa1\x02hi\x00\x53\x75\xa0\x01x";
    const MALFORMED: &[u8] = b"\x00\x53\x72\xc1\x07\x02\xa3\x01k\xc0\x00\x00\x53\x75\xa0\x01x";

    #[tokio::test]
    async fn messages_of_events_are_wrapped_whatever_they_are() {
        let mut sent = vec![attach(1, 5, "events-0-a"), attach(3, 0, "management")];
        let mut expected = sent.clone();
        for message in [SOUND, MALFORMED, b"", b"anything"] {
            sent.push(transfer(1, 5, LAST, message));
            expected.push(transfer(1, 5, LAST, &wrapped(WHOLE, message)));
            sent.push(frame(0, b""));
            expected.push(frame(0, b""));
        }
        sent.push(transfer(1, 5, MORE, &SOUND[..9]));
        expected.push(transfer(1, 5, MORE, &wrapped(PART, &SOUND[..9])));
        sent.push(transfer(1, 5, LAST, &SOUND[9..]));
        expected.push(transfer(1, 5, LAST, &wrapped(PART, &SOUND[9..])));
        let (sent, expected) = (sent.concat(), expected.concat());
        for length in [1, 2, 7, 8, 9, 100, 511, 512, sent.len()] {
            let received = screened(&sent, length).await.unwrap();
            assert!(received == expected, "in pieces of {length}");
        }
    }

    /// Returns the messages that the stack makes of frames, none of which may be too long.
    fn messages(mut frames: &[u8]) -> Vec<Vec<u8>> {
        let (mut messages, mut message) = (Vec::new(), Vec::new());
        while let Some(size) = frame_size(frames) {
            let (frame, behind) = frames.split_at(size);
            assert!(size <= MAX_FRAME_SIZE, "a frame of {size}");
            let mut values = Values::new(&frame[HEADER..]);
            let (code, fields) = values.take_described().unwrap();
            if code == TRANSFER {
                message.extend(values.rest());
                if !Transfer::read(fields).unwrap().has_more {
                    let reader = IoReader::new(&message[..]);
                    let decoded = Body::<Binary>::decode_message_from_reader(reader).unwrap();
                    messages.push(match decoded.body {
                        Body::Data(parts) => {
                            parts.into_iter().flat_map(|part| part.0.into_vec()).collect()
                        }
                        Body::Value(whole) => whole.0.into_vec(),
                        body => panic!("{body:?}"),
                    });
                    message.clear();
                }
            }
            frames = behind;
        }
        messages
    }

    #[tokio::test]
    async fn a_frame_that_would_become_too_long_becomes_two() {
        let performatives: [&[u8]; 4] = [
            b"\x00\x53\x14\xc0\x0b\x06\x52\x05\x52\x09\xa0\x01t\x43\x41\x42",
            b"\x00\x53\x14\xc0\x08\x03\x52\x05\x52\x09\xa0\x01t",
            b"\x00\x53\x14\xd0\0\0\0\x0d\0\0\0\x05\x52\x05\x52\x09\xa0\x01t\x43\x41",
            b"\x00\x53\x14\xc0\x0f\x0a\x52\x05\x52\x09\xa0\x01t\x43\x41\x42\x40\x40\x40\x42",
        ];
        for performative in performatives {
            for length in MAX_FRAME_SIZE - 80..=MAX_FRAME_SIZE - HEADER - performative.len() {
                let message: Vec<u8> = (0..=255).cycle().take(length).collect();
                let last = frame(1, &[performative, &message].concat());
                let sent = [attach(1, 5, "events-0-a"), transfer(1, 5, MORE, SOUND), last];
                let received = screened(&sent.concat(), 700).await.unwrap();
                assert_eq!(messages(&received), [[SOUND, &message].concat()]);
            }
        }
    }

    #[tokio::test]
    async fn everything_else_comes_out_as_it_is() {
        let all_fields = b"\x00\x53\x14\xd0\0\0\0\x15\0\0\0\x0b\x43\x52\x01\xa0\x01t\x43\x41\x42\x40\x00\x53\x24\x45\x42\x42\x42";
        let aborting = b"\x00\x53\x14\xc0\x0c\x0a\x52\x05\x40\x40\x40\x40\x42\x40\x40\x40\x41";
        let sent = [
            b"AMQP\x03\x01\x00\x00".to_vec(),
            b"AMQP\x00\x01\x00\x00".to_vec(),
            frame(0, b"\x00\x53\x10\xc0\x05\x01\xa1\x02id"),
            frame(0, b""),
            attach(2, 5, "events-0-a"),
            attach(1, 0, "management"),
            frame(1, &[all_fields, SOUND].concat()),
            transfer(1, 0, LAST, SOUND),
            transfer(1, 0, MORE, &SOUND[..9]),
            transfer(2, 4, LAST, SOUND),
            frame(2, aborting),
            frame(0, b""),
            transfer(1, 0, LAST, &SOUND[9..]),
        ]
        .concat();
        for length in [1, 2, 7, 8, 9, 100, 511, 512, sent.len()] {
            assert!(screened(&sent, length).await.unwrap() == sent, "in pieces of {length}");
        }
    }

    #[tokio::test]
    async fn a_link_is_known_until_it_ends() {
        for end in [
            frame(1, b"\x00\x53\x16\xc0\x03\x01\x52\x05"),
            frame(1, b"\x00\x53\x17\x45"),
            frame(1, b"\x00\x53\x11\x45"),
        ] {
            let others = [
                frame(1, b"\x00\x53\x16\xc0\x03\x01\x52\x06"),
                frame(2, b"\x00\x53\x17\x45"),
                frame(1, b"\x00\x53\x15\xc0\x03\x01\x52\x05"),
            ]
            .concat();
            let begin = [attach(1, 5, "events-0-a"), others].concat();
            let sent =
                [&begin[..], &transfer(1, 5, LAST, SOUND), &end, &transfer(1, 5, LAST, SOUND)];
            let expected = [
                &begin[..],
                &transfer(1, 5, LAST, &wrapped(WHOLE, SOUND)),
                &end,
                &transfer(1, 5, LAST, SOUND),
            ];
            assert_eq!(screened(&sent.concat(), 50).await.unwrap(), expected.concat());
        }
    }

    #[tokio::test]
    async fn a_malformed_response_is_spoiled() {
        let sent = [transfer(1, 0, LAST, MALFORMED), transfer(1, 0, LAST, SOUND)].concat();
        let mut spoiled = MALFORMED.to_vec();
        spoiled[0] = SPOILED;
        let expected = [transfer(1, 0, LAST, &spoiled), transfer(1, 0, LAST, SOUND)].concat();
        assert_eq!(screened(&sent, 50).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_malformed_response_of_several_frames_is_an_error() {
        let begin = transfer(1, 0, MORE, &MALFORMED[..9]);
        let end = transfer(1, 0, LAST, &MALFORMED[9..]);
        let error = screened(&[&begin[..], &end].concat(), 50).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        // It may be aborted, or end with its link.
        let aborting = b"\x00\x53\x14\xc0\x0b\x0a\x43\x40\x40\x40\x40\x42\x40\x40\x40\x41";
        for gone in [
            frame(1, aborting),
            frame(1, b"\x00\x53\x16\xc0\x02\x01\x43"),
            frame(1, b"\x00\x53\x17\x45"),
        ] {
            let sent = [&begin[..], &gone, &transfer(1, 0, LAST, SOUND)].concat();
            assert_eq!(screened(&sent, 50).await.unwrap(), sent);
        }
    }

    #[test]
    fn a_response_that_never_ends_is_an_error() {
        let mut screen = Screen::new(1_100_000);
        let frame = transfer(1, 0, MORE, &vec![0; 1_000_000]);
        let mut out = Vec::new();
        for _ in 0..4 {
            screen.frame(&frame, &mut out).unwrap();
        }
        assert!(screen.frame(&frame, &mut out).is_err());
    }

    #[tokio::test]
    async fn anything_but_frames_is_an_error() {
        for sent in [&b"\0\0\0\x07\x02\0\0\0"[..], b"\0\0\x02\x01\x02\0\0\0", b"HTTP/1.1 400"] {
            let error = screened(sent, 100).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
    }

    #[tokio::test]
    async fn a_malformed_performative_is_an_error() {
        for body in [
            &b"\x00\x53\x10\xc0\x00\x00"[..],
            b"\x00\x53\x10\xc0\x02\x02\x40",
            b"\x00\x53\x10\xc0\x03\x01\x40\x40",
            b"\x00\x53\x10\xd0\0\0\0\x03\0\0\0\0",
            b"\x00\x53\x12\xc0\x04\x01\xc1\x00\x00",
            b"\x00\x53\x14\x40",
            b"\x00\x53\x14\xc0\x04\x01\xc1\x00\x00",
            b"\x00\xa3\x01x\xc0\x00\x00",
        ] {
            let error = screened(&frame(0, body), 50).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{body:02x?}");
        }
    }
}

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
    /// The links that receive events, by channel. No two of them share a session, so no two share a channel.
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
mod tests;

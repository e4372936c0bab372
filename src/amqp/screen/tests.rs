//! Frames in chunks of any length, wrapped messages, and responses that are malformed.

use std::collections::VecDeque;

use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::primitives::Binary;
use serde_amqp::read::IoReader;
use tokio::io::AsyncReadExt;

use super::*;

const MAX_FRAME_SIZE: usize = 512;

/// Yields the chunks one by one.
struct Chunks(VecDeque<Vec<u8>>);

impl AsyncRead for Chunks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut chunk) = self.0.pop_front() {
            let rest = chunk.split_off(chunk.len().min(out.remaining()));
            out.put_slice(&chunk);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns what becomes of what a peer sends, in chunks of this length.
async fn screened(sent: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let chunks = Chunks(sent.chunks(length).map(<[u8]>::to_vec).collect());
    let mut received = Vec::new();
    let size = u32::try_from(MAX_FRAME_SIZE).unwrap();
    Screened::new(chunks, size).read_to_end(&mut received).await?;
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
        assert!(received == expected, "in chunks of {length}");
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
        assert!(screened(&sent, length).await.unwrap() == sent, "in chunks of {length}");
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
        let sent = [&begin[..], &transfer(1, 5, LAST, SOUND), &end, &transfer(1, 5, LAST, SOUND)];
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

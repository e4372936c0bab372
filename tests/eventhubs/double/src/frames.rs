//! The frames of AMQP on the wire, as far as the double looks into them.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};

const PROTOCOL: &[u8] = b"AMQP";
const HEAD: usize = 8;
const AMQP_FRAME: u8 = 0;

/// The limit that both sides allow.
pub(crate) const MAX_FRAME_SIZE: usize = 65536;

/// The codes of performatives.
pub(crate) const OPEN: u8 = 0x10;
pub(crate) const BEGIN: u8 = 0x11;
pub(crate) const ATTACH: u8 = 0x12;
pub(crate) const FLOW: u8 = 0x13;
pub(crate) const TRANSFER: u8 = 0x14;
pub(crate) const DISPOSITION: u8 = 0x15;
pub(crate) const DETACH: u8 = 0x16;
pub(crate) const END: u8 = 0x17;
pub(crate) const CLOSE: u8 = 0x18;

/// Copies frames until one side closes. Each is passed on as `change` returns it; `None` keeps it back.
pub(crate) async fn copy(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    mut change: impl FnMut(Vec<u8>) -> Option<Vec<u8>>,
) -> io::Result<()> {
    let mut from = BufReader::with_capacity(MAX_FRAME_SIZE, from);
    let mut to = BufWriter::with_capacity(MAX_FRAME_SIZE, to);
    loop {
        // Nothing waits here for a frame that is not there yet.
        if !is_whole(from.buffer()) {
            to.flush().await?;
        }
        let mut frame = vec![0; HEAD];
        from.read_exact(&mut frame).await?;
        if frame.starts_with(PROTOCOL) {
            to.write_all(&frame).await?;
            continue;
        }
        let size = size(&frame);
        if size > MAX_FRAME_SIZE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
        }
        frame.resize(size.max(HEAD), 0);
        from.read_exact(&mut frame[HEAD..]).await?;
        if let Some(frame) = change(frame) {
            to.write_all(&frame).await?;
        }
    }
}

/// Whether the bytes begin with a whole frame or protocol header.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD && (bytes.starts_with(PROTOCOL) || bytes.len() >= size(bytes))
}

/// The size that the first four bytes say.
fn size(frame: &[u8]) -> usize {
    frame.iter().take(4).fold(0, |size, byte| size << 8 | usize::from(*byte))
}

/// A performative in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Performative<'a> {
    pub(crate) channel: u16,
    pub(crate) code: u8,
    /// From the descriptor on, with the payload.
    pub(crate) body: &'a [u8],
    /// The list of the fields, and the payload.
    pub(crate) rest: &'a [u8],
}

/// The performative of a frame; `None` for SASL, for a heartbeat, and for a descriptor that is written at length.
pub(crate) fn performative(frame: &[u8]) -> Option<Performative<'_>> {
    let [_, _, _, _, offset, AMQP_FRAME, high, low, ..] = *frame else { return None };
    let body = frame.get(usize::from(offset) * 4..)?;
    let [0x00, 0x53, code, rest @ ..] = body else { return None };
    Some(Performative { channel: u16::from_be_bytes([high, low]), code: *code, body, rest })
}

/// The frame of a performative.
pub(crate) fn frame(channel: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 0, 2, AMQP_FRAME];
    frame.extend(channel.to_be_bytes());
    frame.extend(body);
    sized(frame)
}

/// The frame with its size in the first four bytes.
pub(crate) fn sized(mut frame: Vec<u8>) -> Vec<u8> {
    // A frame that is larger than this number is larger than the limit, too.
    let size = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const END_OF_1: [u8; 12] = [0, 0, 0, 12, 2, 0, 0, 1, 0x00, 0x53, END, 0x45];

    #[test]
    fn a_performative_is_read_with_its_channel() {
        let body = &[0x00, 0x53, END, 0x45];
        let expected = Performative { channel: 1, code: END, body, rest: &[0x45] };
        assert_eq!(performative(&END_OF_1), Some(expected));
        assert_eq!(frame(1, body), END_OF_1);
        assert_eq!(performative(&[0, 0, 0, 8, 2, 0, 0, 0]), None, "a heartbeat");
        assert_eq!(performative(&[0, 0, 0, 12, 2, 1, 0, 0, 0x00, 0x53, 0x44, 0x45]), None, "SASL");
    }

    #[tokio::test]
    async fn a_frame_is_passed_on_although_the_next_one_has_begun() {
        let (mut client, from) = duplex(1024);
        let (to, mut double) = duplex(1024);
        let copying = tokio::spawn(copy(from, to, Some));
        let mut bytes = b"AMQP\0\x01\0\0".to_vec();
        bytes.extend(END_OF_1);
        client.write_all(&bytes).await.unwrap();
        client.write_all(&END_OF_1[..5]).await.unwrap();
        let mut passed = vec![0; bytes.len()];
        double.read_exact(&mut passed).await.unwrap();
        assert_eq!(passed, bytes);
        copying.abort();
    }
}

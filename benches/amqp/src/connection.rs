//! The frames of a connection: one task reads them, another one writes.

use std::collections::BTreeMap;
use std::io::{self, Error};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fe2o3_amqp_types::definitions::Milliseconds;
use fe2o3_amqp_types::performatives::{Begin, Close, End, MaxFrameSize, Open, Performative};
use fe2o3_amqp_types::primitives::{Array, Symbol};
use fe2o3_amqp_types::sasl::{SaslCode, SaslMechanisms, SaslOutcome};
use serde_amqp::serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Notify;

use crate::session::Session;

const AMQP: u8 = 0;
const SASL: u8 = 1;
const MAX_FRAME_SIZE: u32 = 64 * 1024;
/// What is written at once.
const CHUNK: usize = 64 * 1024;

/// What the reading task tells the writing one.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Frames that go out before events.
    frames: Vec<u8>,
    sessions: BTreeMap<u16, Session>,
    /// The session whose events go out next.
    turn: u16,
    is_closing: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn serve(
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Send + Unpin + 'static,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CHUNK, reader);
    shake_hands(&mut reader, &mut writer).await?;
    let writing = tokio::spawn(write(writer, Arc::clone(&shared)));
    let read = read(&mut reader, &shared).await;
    shared.state().is_closing = true;
    shared.changed.notify_one();
    let _ = writing.await;
    read
}

async fn shake_hands(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut header = [0; 8];
    reader.read_exact(&mut header).await?;
    if header == *b"AMQP\x03\x01\x00\x00" {
        let mechanisms = Array(vec![Symbol::from("ANONYMOUS"), Symbol::from("MSSBCBS")]);
        let mut frames = header.to_vec();
        push_frame(
            &mut frames,
            SASL,
            0,
            &SaslMechanisms { sasl_server_mechanisms: mechanisms },
            &[],
        );
        writer.write_all(&frames).await?;
        writer.flush().await?;
        read_frame(reader).await?;
        let mut frames = Vec::new();
        push_frame(
            &mut frames,
            SASL,
            0,
            &SaslOutcome { code: SaslCode::Ok, additional_data: None },
            &[],
        );
        writer.write_all(&frames).await?;
        writer.flush().await?;
        reader.read_exact(&mut header).await?;
    }
    writer.write_all(&header).await?;
    writer.flush().await
}

async fn read(reader: &mut (impl AsyncRead + Unpin), shared: &Shared) -> io::Result<()> {
    loop {
        let (channel, body) = read_frame(reader).await?;
        if body.is_empty() {
            continue;
        }
        let end = end_of_performative(&body).ok_or_else(|| Error::other("a frame is cut"))?;
        let performative: Performative =
            serde_amqp::from_slice(&body[..end]).map_err(Error::other)?;
        let is_closed = matches!(performative, Performative::Close(_));
        shared.state().take(channel, performative, &body[end..]);
        shared.changed.notify_one();
        if is_closed {
            return Ok(());
        }
    }
}

async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<(u16, Vec<u8>)> {
    let length = reader.read_u32().await? as usize;
    let mut rest = vec![0; length.saturating_sub(4)];
    reader.read_exact(&mut rest).await?;
    let offset = usize::from(*rest.first().ok_or_else(|| Error::other("no frame"))?) * 4;
    let channel = u16::from_be_bytes([rest[2], rest[3]]);
    Ok((channel, rest.split_off(offset - 4)))
}

/// Where the payload of a frame begins.
fn end_of_performative(body: &[u8]) -> Option<usize> {
    // A descriptor as a small or a whole number, then a list.
    let at = match body.get(1)? {
        0x53 => 3,
        0x80 => 10,
        _ => return None,
    };
    let length = match body.get(at)? {
        0x45 => 1,
        0xc0 => 2 + usize::from(*body.get(at + 1)?),
        0xd0 => 5 + u32::from_be_bytes(body.get(at + 1..at + 5)?.try_into().ok()?) as usize,
        _ => return None,
    };
    (at + length <= body.len()).then_some(at + length)
}

/// Appends a frame of a performative and its payload.
pub(crate) fn push_frame(
    frames: &mut Vec<u8>,
    kind: u8,
    channel: u16,
    performative: &impl Serialize,
    payload: &[u8],
) {
    let body = serde_amqp::to_vec(performative).expect("a performative can be encoded");
    let length = u32::try_from(8 + body.len() + payload.len()).expect("a frame is short");
    frames.extend(length.to_be_bytes());
    frames.extend([2, kind]);
    frames.extend(channel.to_be_bytes());
    frames.extend(body);
    frames.extend(payload);
}

/// Appends a frame of AMQP.
pub(crate) fn push(frames: &mut Vec<u8>, channel: u16, performative: &impl Serialize) {
    push_frame(frames, AMQP, channel, performative, &[]);
}

async fn write(mut writer: impl AsyncWrite + Unpin, shared: Arc<Shared>) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    loop {
        let is_closing = {
            let mut state = shared.state();
            state.fill(&mut chunk);
            state.is_closing
        };
        if chunk.is_empty() {
            if is_closing {
                return writer.shutdown().await;
            }
            shared.changed.notified().await;
            continue;
        }
        writer.write_all(&chunk).await?;
        writer.flush().await?;
        chunk.clear();
    }
}

impl State {
    fn take(&mut self, channel: u16, performative: Performative, payload: &[u8]) {
        match performative {
            Performative::Open(_) => {
                let open = Open {
                    container_id: "firehose".into(),
                    hostname: None,
                    max_frame_size: MaxFrameSize(MAX_FRAME_SIZE),
                    channel_max: Default::default(),
                    idle_time_out: None::<Milliseconds>,
                    outgoing_locales: None,
                    incoming_locales: None,
                    offered_capabilities: None,
                    desired_capabilities: None,
                    properties: None,
                };
                push(&mut self.frames, 0, &open);
            }
            Performative::Begin(begin) => {
                let answer = Begin {
                    remote_channel: Some(channel),
                    next_outgoing_id: 0,
                    incoming_window: 5_000,
                    outgoing_window: 5_000,
                    handle_max: Default::default(),
                    offered_capabilities: None,
                    desired_capabilities: None,
                    properties: None,
                };
                push(&mut self.frames, channel, &answer);
                self.sessions.insert(channel, Session::new(channel, &begin));
            }
            Performative::End(_) => {
                self.sessions.remove(&channel);
                push(&mut self.frames, channel, &End { error: None });
            }
            Performative::Close(_) => {
                self.sessions.clear();
                push(&mut self.frames, 0, &Close { error: None });
            }
            of_session => {
                if let Some(session) = self.sessions.get_mut(&channel) {
                    session.take(of_session, payload, &mut self.frames);
                }
            }
        }
    }

    /// Frames, then events of all sessions in turn.
    fn fill(&mut self, chunk: &mut Vec<u8>) {
        chunk.append(&mut self.frames);
        if self.is_closing {
            return;
        }
        let mut idle = 0;
        while chunk.len() < CHUNK && idle <= self.sessions.len() {
            let next = self.sessions.range_mut(self.turn..).next();
            let Some((channel, session)) = next else {
                self.turn = 0;
                idle += 1;
                if self.sessions.is_empty() {
                    return;
                }
                continue;
            };
            self.turn = channel + 1;
            idle = if session.push_events(chunk) { 0 } else { idle + 1 };
        }
    }
}

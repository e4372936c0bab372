//! Frames behind the end of a link or of a session.
//!
//! JavaScript's client ends a session right behind its link, while events are on their way, and settles those that still
//! arrive. The order in which `fe2o3-amqp` reads its queues decides whether that is an error:
//!
//! - It closes the connection with `amqp:not-found` for a settlement in a session that the client has ended. The service's
//!   AMQP library can ignore those.
//! - It responds to a detach, then sends events that were queued.
//! - It ends the session with `amqp:illegal-state` when events are queued.
//!
//! JavaScript's client gives up its connection for the first two, and then waits for the ends of its other links: for a
//! minute, or for ever.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fe2o3_amqp::types::performatives::{Attach, Begin, Detach, Transfer};

use crate::frames::{self, ATTACH, BEGIN, CLOSE, DETACH, END, OPEN, TRANSFER};

/// An end without an error.
const PLAIN_END: [u8; 4] = [0x00, 0x53, END, 0x45];

/// The links and sessions of one connection that have ended.
#[derive(Debug, Default)]
pub(crate) struct Endings(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    /// The client's channels, until it begins a session on them again.
    sessions: HashSet<u16>,
    /// The double's channels and handles, until it uses them again.
    links: HashSet<(u16, u32)>,
    /// The client's channel of each of the double's.
    channels: HashMap<u16, u16>,
}

impl Endings {
    /// Returns a frame from the client, unless the client has ended its session.
    pub(crate) fn pass_in(&self, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(found) = frames::performative(&frame) else { return Some(frame) };
        let mut ended = self.ended();
        let passes = match found.code {
            BEGIN => {
                ended.sessions.remove(&found.channel);
                true
            }
            END => ended.sessions.insert(found.channel),
            // These are of the connection, whatever their channel.
            OPEN | CLOSE => true,
            _ => !ended.sessions.contains(&found.channel),
        };
        passes.then_some(frame)
    }

    /// Returns a frame to the client, unless it is an event behind the detach of its link. The response to the client's end
    /// has no error.
    pub(crate) fn pass_out(&self, frame: Vec<u8>) -> Option<Vec<u8>> {
        let Some(found) = frames::performative(&frame) else { return Some(frame) };
        let (channel, body) = (found.channel, found.body);
        let mut ended = self.ended();
        match found.code {
            BEGIN => {
                if let Ok(Begin { remote_channel: Some(of_client), .. }) =
                    serde_amqp::from_slice(body)
                {
                    ended.channels.insert(channel, of_client);
                }
            }
            ATTACH => {
                if let Ok(Attach { handle, .. }) = serde_amqp::from_slice(body) {
                    ended.links.remove(&(channel, handle.0));
                }
            }
            DETACH => {
                if let Ok(Detach { handle, .. }) = serde_amqp::from_slice(body) {
                    ended.links.insert((channel, handle.0));
                }
            }
            TRANSFER if !ended.links.is_empty() => {
                if let Ok(Transfer { handle, .. }) = serde_amqp::from_slice(body)
                    && ended.links.contains(&(channel, handle.0))
                {
                    return None;
                }
            }
            END => {
                ended.links.retain(|(of, _)| *of != channel);
                let of_client = ended.channels.remove(&channel);
                if of_client.is_some_and(|channel| ended.sessions.contains(&channel)) {
                    return Some(frames::frame(channel, &PLAIN_END));
                }
            }
            _ => {}
        }
        Some(frame)
    }

    fn ended(&self) -> MutexGuard<'_, Ended> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fe2o3_amqp::types::definitions::{AmqpError, Error, Role};
    use fe2o3_amqp::types::performatives::{Close, Disposition, End, Open};
    use fe2o3_amqp::types::primitives::Symbol;
    use fe2o3_amqp::types::sasl::SaslInit;
    use serde_amqp::serde::Serialize;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;
    use crate::{Config, EventHubsDouble};

    const PATIENCE: Duration = Duration::from_secs(60);
    const SASL: &[u8] = b"AMQP\x03\x01\0\0";
    const AMQP: &[u8] = b"AMQP\0\x01\0\0";

    fn frame(channel: u16, performative: &impl Serialize) -> Vec<u8> {
        frames::frame(channel, &serde_amqp::to_vec(performative).expect("a performative"))
    }

    fn begin(channel: u16, remote_channel: Option<u16>) -> Vec<u8> {
        let begin = Begin {
            remote_channel,
            next_outgoing_id: 0,
            incoming_window: 100,
            outgoing_window: 100,
            handle_max: 7.into(),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        frame(channel, &begin)
    }

    fn end(channel: u16, error: Option<Error>) -> Vec<u8> {
        frame(channel, &End { error })
    }

    fn illegal_state() -> Option<Error> {
        Some(Error::new(AmqpError::IllegalState, None, None))
    }

    fn attach(channel: u16, handle: u32) -> Vec<u8> {
        let attach = Attach {
            name: "link".to_string(),
            handle: handle.into(),
            role: Role::Sender,
            snd_settle_mode: Default::default(),
            rcv_settle_mode: Default::default(),
            source: None,
            target: None,
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: None,
            max_message_size: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        frame(channel, &attach)
    }

    fn detach(channel: u16, handle: u32) -> Vec<u8> {
        frame(channel, &Detach { handle: handle.into(), closed: true, error: None })
    }

    fn transfer(channel: u16, handle: u32) -> Vec<u8> {
        let transfer = Transfer {
            handle: handle.into(),
            delivery_id: Some(0),
            delivery_tag: None,
            message_format: None,
            settled: None,
            more: false,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: false,
        };
        let mut frame = frame(channel, &transfer);
        frame.extend(b"payload");
        frames::sized(frame)
    }

    fn disposition(channel: u16) -> Vec<u8> {
        let disposition = Disposition {
            role: Role::Receiver,
            first: 0,
            last: None,
            settled: true,
            state: None,
            batchable: false,
        };
        frame(channel, &disposition)
    }

    #[test]
    fn no_event_follows_the_detach_of_its_link() {
        let endings = Endings::default();
        let passes = |frame: Vec<u8>| endings.pass_out(frame.clone()) == Some(frame);
        for frame in [transfer(1, 3), attach(1, 3), transfer(1, 3), detach(1, 3)] {
            assert!(passes(frame));
        }
        assert_eq!(endings.pass_out(transfer(1, 3)), None);
        for frame in [transfer(1, 4), transfer(2, 3), attach(1, 3), transfer(1, 3)] {
            assert!(passes(frame), "another link, another session, a new link");
        }
        for frame in [detach(1, 3), end(1, None), begin(1, Some(0)), transfer(1, 3)] {
            assert!(passes(frame), "a new session");
        }
    }

    #[test]
    fn the_response_to_an_end_has_no_error() {
        let endings = Endings::default();
        let passes = |frame: Vec<u8>| endings.pass_out(frame.clone()) == Some(frame);
        assert!(passes(begin(5, Some(2))));
        endings.pass_in(end(2, None));
        assert_eq!(endings.pass_out(end(5, illegal_state())), Some(end(5, None)));
        // The next session on these channels is ended by the double.
        endings.pass_in(begin(2, None));
        assert!(passes(begin(5, Some(2))));
        assert!(passes(end(5, illegal_state())));
    }

    /// A connection that is open, over which frames go as they are.
    async fn connect(double: &EventHubsDouble) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", double.port())).await.expect("a stream");
        let init = SaslInit {
            mechanism: Symbol::from("ANONYMOUS"),
            initial_response: None,
            hostname: None,
        };
        let mut init = frame(0, &init);
        init[5] = 1;
        let open = Open {
            container_id: "raw".to_string(),
            hostname: None,
            max_frame_size: 65536.into(),
            channel_max: 7.into(),
            idle_time_out: None,
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        for (header, first) in [(SASL, init), (AMQP, frame(0, &open))] {
            stream.write_all(header).await.expect("a header is sent");
            let mut response = [0; 8];
            stream.read_exact(&mut response).await.expect("a header gets a response");
            assert_eq!(response, header);
            // The mechanisms come unasked, and the outcome after the choice.
            if header == SASL {
                next(&mut stream).await;
            }
            stream.write_all(&first).await.expect("a frame is sent");
            next(&mut stream).await;
        }
        stream
    }

    /// The next frame from the double.
    async fn next(stream: &mut TcpStream) -> Vec<u8> {
        let mut frame = vec![0; 4];
        stream.read_exact(&mut frame).await.expect("the connection is open");
        let size = u32::from_be_bytes(frame[..].try_into().expect("four bytes"));
        frame.resize(size as usize, 0);
        stream.read_exact(&mut frame[4..]).await.expect("the connection is open");
        frame
    }

    #[tokio::test]
    async fn a_late_settlement_does_not_close_the_connection() {
        let double = EventHubsDouble::start(Config::new("telemetry", 1)).await.expect("a port");
        let (begin, end, disposition) = (begin(0, None), end(0, None), disposition(0));
        let close = frame(0, &Close { error: None });
        let talk = async {
            let mut stream = connect(&double).await;
            // The second session has the channel of the first one. The close comes on it, too, but is not of a session.
            for (sent, responses) in [
                ([&begin, &end, &disposition], vec![BEGIN, END]),
                ([&begin, &disposition, &end], vec![BEGIN, END]),
                ([&disposition, &end, &close], vec![CLOSE]),
            ] {
                let sent: Vec<u8> = sent.into_iter().flatten().copied().collect();
                stream.write_all(&sent).await.expect("frames are sent");
                for expected in responses {
                    let frame = next(&mut stream).await;
                    let found = frames::performative(&frame).expect("a performative");
                    assert_eq!(found.code, expected);
                }
            }
        };
        timeout(PATIENCE, talk).await.expect("every frame gets a response");
    }
}

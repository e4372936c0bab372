//! The accept loop, and one connection from its first byte to its end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::reply::{Ending, Plan};
use super::shared::{Death, Shared};
use super::{Recorded, Reply, tls};

const MAX_HEAD: usize = 1 << 20;

pub(super) fn accept(listener: TcpListener, shared: &Arc<Shared>, tls: Option<&Arc<ServerConfig>>) {
    for stream in listener.incoming().flatten() {
        let Some(ordinal) = shared.open(&stream) else {
            break;
        };
        if shared.reads() {
            let (shared, tls) = (Arc::clone(shared), tls.cloned());
            thread::spawn(move || run(&shared, ordinal, &stream, tls.as_ref()));
        }
    }
    // Before the owner is told: after `drop` the port must refuse connections.
    drop(listener);
    shared.update(|state| state.acceptor_stopped = true);
}

fn run(shared: &Shared, ordinal: usize, socket: &TcpStream, tls: Option<&Arc<ServerConfig>>) {
    // Every error means that the peer or the owner of the server has ended the connection.
    let _ = serve(shared, ordinal, socket, tls);
    // A socket that is closed with bytes that nobody has read sends a reset.
    if shared.death(ordinal) != Some(Death::Reset) {
        let _ = socket.shutdown(Shutdown::Both);
    }
    shared.update(|state| drop(state.open.remove(&ordinal)));
}

fn serve(
    shared: &Shared,
    ordinal: usize,
    socket: &TcpStream,
    tls: Option<&Arc<ServerConfig>>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    match tls {
        None => Connection::new(shared, ordinal, socket, socket.try_clone()?).serve(),
        Some(config) => {
            let stream = shake_hands(shared, config, socket.try_clone()?)?;
            Connection::new(shared, ordinal, socket, stream).serve()
        }
    }
}

fn shake_hands(
    shared: &Shared,
    config: &Arc<ServerConfig>,
    socket: TcpStream,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let (stream, resumed) = tls::handshake(config, socket)?;
    shared.update(|state| {
        state.handshakes += 1;
        state.resumed_handshakes += usize::from(resumed);
    });
    Ok(stream)
}

/// A byte stream that can say goodbye.
trait Stream: Read + Write {
    fn say_goodbye(&mut self);
}

impl Stream for TcpStream {
    fn say_goodbye(&mut self) {}
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn say_goodbye(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

struct Connection<'a, S> {
    shared: &'a Shared,
    ordinal: usize,
    /// The socket below `stream`, for timeouts and for noticing that the peer is gone.
    socket: &'a TcpStream,
    stream: S,
    /// Read but not yet used.
    buffer: Vec<u8>,
    /// A request was waited for.
    is_used: bool,
}

impl<'a, S: Stream> Connection<'a, S> {
    fn new(shared: &'a Shared, ordinal: usize, socket: &'a TcpStream, stream: S) -> Self {
        Self { shared, ordinal, socket, stream, buffer: Vec::new(), is_used: false }
    }

    fn serve(mut self) -> io::Result<()> {
        while let Some(mut request) = self.read_request()? {
            self.shared.record(&mut request);
            let reply = self.respond(&request);
            let plan = reply.plan(request.method == "HEAD");
            match self.carry_out(plan)? {
                Ending::KeepAlive if !request.asks_to_close() => {}
                Ending::KeepAlive | Ending::Close => break,
                Ending::Abort => return Ok(()),
                Ending::Hang => return wait_for_the_end(self.socket),
            }
        }
        self.stream.say_goodbye();
        Ok(())
    }

    /// A handler's failed assertion must not look like a dropped connection.
    fn respond(&self, request: &Recorded) -> Reply {
        catch_unwind(AssertUnwindSafe(|| self.shared.respond(request))).unwrap_or_else(|_| {
            self.protocol_error(format!("the handler panicked at request {}", request.index));
            Reply::new(500).body("the handler panicked")
        })
    }

    fn protocol_error(&self, message: String) {
        self.shared.update(|state| state.protocol_errors.push(message));
    }

    /// `None` when the connection ended, or was idle for too long, between two requests.
    fn read_request(&mut self) -> io::Result<Option<Recorded>> {
        if !self.wait_for_first_byte()? {
            return Ok(None);
        }
        let head = self.read_through(b"\r\n\r\n")?;
        match Recorded::parse(head).and_then(|request| Ok((request.declared_length()?, request))) {
            Ok((length, request)) => self.with_body(request, length).map(Some),
            Err(message) => self.refuse(message).map(|()| None),
        }
    }

    fn refuse(&mut self, message: String) -> io::Result<()> {
        let plan = Reply::new(400).body(message.clone()).plan(false);
        self.protocol_error(message);
        self.stream.write_all(&plan.bytes)?;
        self.stream.flush()
    }

    fn with_body(&mut self, mut request: Recorded, length: usize) -> io::Result<Recorded> {
        request.body =
            if request.is_chunked() { self.read_chunks()? } else { self.read_exactly(length)? };
        request.connection = self.ordinal;
        request.at = Instant::now();
        Ok(request)
    }

    fn wait_for_first_byte(&mut self) -> io::Result<bool> {
        if !self.buffer.is_empty() {
            return Ok(true);
        }
        let idle_close = self.shared.state().idle_close;
        self.socket.set_read_timeout(idle_close)?;
        // The first request may have been read with the end of the handshake. An error is met again by who reads.
        if std::mem::replace(&mut self.is_used, true) {
            let _ = self.socket.peek(&mut [0]);
        }
        match self.shared.death(self.ordinal) {
            Some(Death::Reset) => return Err(ErrorKind::ConnectionReset.into()),
            Some(Death::Silence) => wait_for_the_end(self.socket)?,
            None => {}
        }
        let filled = match self.fill() {
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::UnexpectedEof => false,
            result => result.map(|()| true)?,
        };
        self.socket.set_read_timeout(None)?;
        Ok(filled)
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut block = [0; 16 * 1024];
        let read = self.stream.read(&mut block)?;
        self.buffer.extend_from_slice(&block[..read]);
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn read_through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|part| part == end);
            if let Some(at) = found {
                return self.read_exactly(at + end.len());
            }
            if self.buffer.len() > MAX_HEAD {
                self.protocol_error("a head or a chunk size without an end".to_owned());
                return Err(ErrorKind::InvalidData.into());
            }
            self.fill()?;
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_through(b"\r\n")?;
            let size = chunk_size(&line).ok_or_else(|| {
                self.protocol_error(format!("not a chunk size: {line:?}"));
                io::Error::from(ErrorKind::InvalidData)
            })?;
            let chunk = self.read_exactly(size + 2)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn carry_out(&mut self, plan: Plan) -> io::Result<Ending> {
        pause(self.shared, self.socket, plan.delay)?;
        match plan.drip {
            None => self.stream.write_all(&plan.bytes)?,
            Some(interval) => self.drip(&plan.bytes, interval)?,
        }
        self.stream.flush()?;
        Ok(plan.ending)
    }

    fn drip(&mut self, bytes: &[u8], interval: Duration) -> io::Result<()> {
        for byte in bytes {
            self.stream.write_all(&[*byte])?;
            self.stream.flush()?;
            pause(self.shared, self.socket, interval)?;
        }
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let size = text.split(';').next().unwrap_or_default();
    usize::from_str_radix(size.trim(), 16).ok()
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sleeps; ends early, with an error, when the connection ends on either side.
fn pause(shared: &Shared, socket: &TcpStream, length: Duration) -> io::Result<()> {
    let end = Instant::now() + length;
    while let Some(left) = positive(end.saturating_duration_since(Instant::now())) {
        socket.set_read_timeout(Some(left))?;
        match socket.peek(&mut [0]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            // Bytes of a next request or of TLS are waiting, so `peek` cannot serve as a clock.
            Ok(_) => thread::sleep(left.min(Duration::from_millis(10))),
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(error),
        }
        if shared.state().stopping {
            return Err(ErrorKind::ConnectionAborted.into());
        }
    }
    socket.set_read_timeout(None)
}

fn positive(left: Duration) -> Option<Duration> {
    (!left.is_zero()).then_some(left)
}

/// Swallows what comes until the peer closes or the server is dropped.
fn wait_for_the_end(mut socket: &TcpStream) -> io::Result<()> {
    io::copy(&mut socket, &mut io::sink()).map(drop)
}

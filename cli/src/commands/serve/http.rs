//! A small HTTP/1.1 server: GET only, one response a connection, bounded in connections, bytes and time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// More clients at a time are turned away.
const MOST_CONNECTIONS: usize = 64;
const MOST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
/// From the connection to the last byte of the response.
const TIME: Duration = Duration::from_secs(10);

/// A response with a short body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Response {
    pub(super) fn new(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, body: body.to_owned() }
    }

    pub(super) fn ok(content_type: &'static str, body: &str) -> Self {
        Self::new(200, content_type, body)
    }

    fn head(&self) -> String {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Service Unavailable",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n",
            self.status,
            self.content_type,
            self.body.len()
        )
    }
}

type Respond = dyn Fn(&str) -> Response + Send + Sync;

/// Runs until it is dropped.
pub(super) struct Server {
    is_over: Arc<AtomicBool>,
    address: Option<SocketAddr>,
}

impl Server {
    pub(super) fn start(listener: TcpListener, respond: Arc<Respond>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let address = listener.local_addr().ok();
        let over = Arc::clone(&is_over);
        thread::spawn(move || accept(&listener, &respond, &over));
        Self { is_over, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        if let Some(address) = self.address {
            let _ = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        }
    }
}

fn accept(listener: &TcpListener, respond: &Arc<Respond>, is_over: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, for one: others end soon.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.fetch_add(1, Ordering::SeqCst) >= MOST_CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (respond, open) = (Arc::clone(respond), Arc::clone(&open));
        thread::spawn(move || {
            // A client that goes away, or is too slow, gets nothing.
            let _ = serve(stream, &*respond);
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn serve(mut stream: TcpStream, respond: &Respond) -> io::Result<()> {
    let deadline = Instant::now() + TIME;
    let response = match read_head(&mut stream, deadline)? {
        Request::Get { path, is_head } => {
            let mut response = respond(&path);
            if is_head {
                let head = response.head();
                response.body.clear();
                return send(&mut stream, head.as_bytes(), deadline);
            }
            response
        }
        Request::Other => Response::new(405, "text/plain", "only GET and HEAD are supported\n"),
        Request::Wrong => Response::new(400, "text/plain", "this is not an HTTP request\n"),
    };
    let bytes = [response.head().as_bytes(), response.body.as_bytes()].concat();
    send(&mut stream, &bytes, deadline)
}

fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    stream.shutdown(std::net::Shutdown::Write)
}

enum Request {
    Get { path: String, is_head: bool },
    Other,
    Wrong,
}

fn read_head(stream: &mut TcpStream, deadline: Instant) -> io::Result<Request> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let read = stream.read(&mut chunk)?;
        head.extend_from_slice(&chunk[..read]);
        if let Some(request) = parse(&head) {
            return Ok(request);
        }
        if read == 0 || head.len() > MOST_HEAD {
            return Ok(Request::Wrong);
        }
    }
}

/// `None` while the head is not complete.
fn parse(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(_)) => Some(match (request.method, request.path) {
            (Some(method @ ("GET" | "HEAD")), Some(target)) => {
                let path = target.split(['?', '#']).next().unwrap_or_default();
                Request::Get { path: decode(path), is_head: method == "HEAD" }
            }
            _ => Request::Other,
        }),
        Err(_) => Some(Request::Wrong),
    }
}

/// `%24default` as `$default`.
fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let code = path.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            decoded.push(byte);
            index += 3;
        } else {
            decoded.push(bytes[index]);
            index += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

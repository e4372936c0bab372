//! A server that is faster than its clients: answers are prepared once, requests are not parsed beyond what chooses
//! the answer. It runs in a process of its own, so that the CPU time of the measured process is the client's alone.

#[allow(dead_code, reason = "shared with the tests, which need all of it")]
#[path = "../../tests/doubles/loopback/tls.rs"]
mod tls;

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cpu_time::ProcessTime;
use rustls::ServerConfig;

use self::tls::TlsIdentity;
use super::answers::Answers;
use super::core::on_one_core;
use super::target::Endpoint;

/// The argument with which the bench starts itself as the server.
pub const SERVE: &str = "--serve";
const ONE_CORE: &str = "one-core";

/// How a port behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    /// No blob is there until it is put.
    Empty,
    Tls,
    /// TLS, and every connection ends after its first answer.
    TlsOnce,
}

const MODES: [(&str, Mode); 4] = [
    ("plain", Mode::Plain),
    ("empty", Mode::Empty),
    ("tls", Mode::Tls),
    ("tls-once", Mode::TlsOnce),
];

struct Port {
    mode: Mode,
    delay: Duration,
    answers: Arc<Answers>,
    /// One for all connections: the sessions that clients resume are in it.
    tls: Arc<ServerConfig>,
    connections: AtomicU64,
    requests: AtomicU64,
    handshakes: AtomicU64,
    resumed: AtomicU64,
}

/// Where a port is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where the system wants.
    Anywhere,
    /// Where [`on_one_core`] puts its callers.
    OneCore,
}

/// Serves until standard input ends. Lines there are commands: `listen MODE MICROSECONDS PLACE`, `counts PORT`, `cpu`.
pub fn serve() -> io::Result<()> {
    let answers = Arc::new(Answers::prepare());
    let identity = TlsIdentity::new(&["localhost", "127.0.0.1"]);
    let mut ports: HashMap<u16, Arc<Port>> = HashMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["listen", mode, delay, place] => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let number = listener.local_addr()?.port();
                let port = Arc::new(Port::new(mode, delay, &answers, &identity));
                ports.insert(number, port.clone());
                let accept = move || accept(&listener, &port);
                if place == ONE_CORE {
                    std::thread::spawn(|| on_one_core(accept));
                } else {
                    std::thread::spawn(accept);
                }
                // A reply is one line.
                println!("{number} {}", identity.ca_pem().replace('\n', "|"));
            }
            ["counts", port] => {
                let port = &ports[&port.parse().expect("a port")];
                let counts = [&port.connections, &port.requests, &port.handshakes, &port.resumed];
                let [connections, requests, handshakes, resumed] =
                    counts.map(|count| count.load(Ordering::Relaxed));
                println!("{connections} {requests} {handshakes} {resumed}");
            }
            ["cpu"] => println!("{}", ProcessTime::now().as_duration().as_nanos()),
            _ => panic!("not a command: {line:?}"),
        }
    }
    Ok(())
}

impl Port {
    fn new(mode: &str, delay: &str, answers: &Arc<Answers>, identity: &TlsIdentity) -> Self {
        let mode = MODES.iter().find(|(name, _)| *name == mode).expect("a mode").1;
        Self {
            mode,
            delay: Duration::from_micros(delay.parse().expect("microseconds")),
            answers: answers.clone(),
            tls: identity.server_config(),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if matches!(self.mode, Mode::Plain | Mode::Empty) {
            return self.converse(stream);
        }
        let (stream, is_resumed) = tls::handshake(&self.tls, stream)?;
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        self.resumed.fetch_add(u64::from(is_resumed), Ordering::Relaxed);
        self.converse(stream)
    }

    fn converse(&self, mut stream: impl Read + Write) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            // No request has a body, and no client sends the next one before its answer.
            if buffer[..filled].ends_with(b"\r\n\r\n") {
                self.requests.fetch_add(1, Ordering::Relaxed);
                if !self.delay.is_zero() {
                    std::thread::sleep(self.delay);
                }
                let answer = self.answers.choose(&buffer[..filled], self.mode != Mode::Empty);
                if self.mode == Mode::TlsOnce {
                    return stream.write_all(&closing(answer));
                }
                stream.write_all(answer)?;
                stream.flush()?;
                filled = 0;
            }
        }
    }
}

/// The answer, with the news that the connection ends.
fn closing(answer: &[u8]) -> Vec<u8> {
    let line = answer.iter().position(|byte| *byte == b'\n').expect("a status line") + 1;
    [&answer[..line], b"Connection: close\r\n", &answer[line..]].concat()
}

fn accept(listener: &TcpListener, port: &Arc<Port>) {
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        port.connections.fetch_add(1, Ordering::Relaxed);
        let port = port.clone();
        // A connection that breaks ends its thread; the client's side of the bench fails then.
        std::thread::spawn(move || port.serve(stream));
    }
}

/// What happened at a port.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub connections: u64,
    pub requests: u64,
    pub handshakes: u64,
    pub resumed: u64,
}

/// The server's process, as its clients see it.
pub struct Server {
    process: Child,
    commands: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Server {
    pub fn start() -> Self {
        let this = std::env::current_exe().expect("the path of the bench");
        let mut process = Command::new(this)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let commands = process.stdin.take();
        let replies = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, commands, replies }
    }

    /// A new port; each of its answers is delayed so much.
    pub fn listen(&mut self, mode: Mode, delay: Duration, place: Place) -> Endpoint {
        let name = MODES.iter().find(|(_, known)| *known == mode).expect("a mode").0;
        let place = if place == Place::OneCore { ONE_CORE } else { "anywhere" };
        let reply = self.ask(&format!("listen {name} {} {place}", delay.as_micros()));
        let (port, pem) = reply.split_once(' ').expect("a port and a certificate");
        let is_tls = matches!(mode, Mode::Tls | Mode::TlsOnce);
        Endpoint {
            port: port.parse().expect("a port"),
            ca_pem: is_tls.then(|| pem.replace('|', "\n")),
        }
    }

    pub fn counts(&mut self, endpoint: &Endpoint) -> Counts {
        let reply = self.ask(&format!("counts {}", endpoint.port));
        let numbers: Vec<u64> =
            reply.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [connections, requests, handshakes, resumed] = numbers[..] else {
            panic!("four numbers: {reply}")
        };
        Counts { connections, requests, handshakes, resumed }
    }

    /// The processor time that the server has used.
    pub fn cpu(&mut self) -> Duration {
        Duration::from_nanos(self.ask("cpu").parse().expect("nanoseconds"))
    }

    fn ask(&mut self, command: &str) -> String {
        let commands = self.commands.as_mut().expect("a pipe until the end");
        writeln!(commands, "{command}").expect("the server reads");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("the server answers");
        reply.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input ends the server.
        self.commands = None;
        let _ = self.process.wait();
    }
}

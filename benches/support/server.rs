//! A server that is faster than its clients: answers are prepared once, requests are not parsed beyond what chooses
//! the answer. It runs in a process of its own, so that the CPU time of the measured process is the client's alone.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answers::Answers;

/// The argument with which the bench starts itself as the server.
pub const SERVE: &str = "--serve";

#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
}

/// Serves until standard input ends. Lines there are commands: `listen MICROSECONDS`, `counts PORT`.
pub fn serve() -> io::Result<()> {
    let answers = Arc::new(Answers::prepare());
    let mut listeners: HashMap<u16, Arc<Counters>> = HashMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<_> = line.split(' ').collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
        match (words[0], number(1)) {
            ("listen", Some(delay)) => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                let counters = Arc::new(Counters::default());
                listeners.insert(port, counters.clone());
                let answers = answers.clone();
                let delay = Duration::from_micros(delay);
                std::thread::spawn(move || accept(&listener, &answers, delay, &counters));
                println!("{port}");
            }
            ("counts", Some(port)) => {
                let counters = &listeners[&u16::try_from(port).expect("a port")];
                let connections = counters.connections.load(Ordering::Relaxed);
                println!("{connections} {}", counters.requests.load(Ordering::Relaxed));
            }
            _ => panic!("not a command: {line:?}"),
        }
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    answers: &Arc<Answers>,
    delay: Duration,
    counters: &Arc<Counters>,
) {
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        counters.connections.fetch_add(1, Ordering::Relaxed);
        let (answers, counters) = (answers.clone(), counters.clone());
        // A connection that breaks ends its thread; the client's side of the bench fails then.
        std::thread::spawn(move || converse(stream, &answers, delay, &counters));
    }
}

fn converse(
    mut stream: TcpStream,
    answers: &Answers,
    delay: Duration,
    counters: &Counters,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
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
            counters.requests.fetch_add(1, Ordering::Relaxed);
            if !delay.is_zero() {
                std::thread::sleep(delay);
            }
            stream.write_all(answers.choose(&buffer[..filled]))?;
            filled = 0;
        }
    }
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
    pub fn listen(&mut self, delay: Duration) -> u16 {
        let reply = self.ask(&format!("listen {}", delay.as_micros()));
        reply.parse().expect("a port")
    }

    /// How many connections and requests there were at a port.
    pub fn counts(&mut self, port: u16) -> (u64, u64) {
        let reply = self.ask(&format!("counts {port}"));
        let (connections, requests) = reply.split_once(' ').expect("two numbers");
        (connections.parse().expect("a number"), requests.parse().expect("a number"))
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

//! A child process that is driven by JSON lines on its pipes and never outlives the test process.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::tools;

/// Enough for a stack trace, and too little to drown a test's output.
const STDERR_LINES: usize = 60;

/// A child process with JSON lines on stdin and stdout.
///
/// Dropping it kills it. If the test process is killed instead, the kernel closes the child's stdin, and every script in
/// this folder exits at the end of its stdin.
pub struct LineProcess {
    name: String,
    child: Child,
    stdin: ChildStdin,
    /// Never locked: the mutex makes the process `Sync`, so that a static may hold one.
    lines: Mutex<Receiver<String>>,
    stderr: StderrTail,
}

impl LineProcess {
    /// Starts the command. `name` stands in the messages of panics.
    pub fn start(name: impl Into<String>, command: &mut Command) -> Self {
        let name = name.into();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                let program = Path::new(command.get_program());
                panic!("{name}: {}", tools::explain_spawn_error(program, &error))
            });
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        Self {
            name,
            child,
            stdin,
            lines: Mutex::new(read_lines(stdout)),
            stderr: StderrTail::read(stderr),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line.
    pub fn send(&mut self, message: &Value) {
        let sent = writeln!(self.stdin, "{message}").and_then(|()| self.stdin.flush());
        if let Err(error) = sent {
            self.fail(&format!("does not take `{message}`: {error}"));
        }
    }

    /// Waits for the next line.
    ///
    /// # Panics
    ///
    /// If the process ends or stays silent for that long, with what it wrote to stderr.
    pub fn receive(&mut self, timeout: Duration) -> Value {
        match self.incoming().recv_timeout(timeout) {
            Ok(line) => self.parse(&line),
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("stayed silent for {timeout:?}, it hangs"))
            }
            Err(RecvTimeoutError::Disconnected) => self.fail("ended without an answer"),
        }
    }

    /// Returns the lines that are there already.
    pub fn received(&mut self) -> Vec<Value> {
        let lines: Vec<String> = self.incoming().try_iter().collect();
        lines.iter().map(|line| self.parse(line)).collect()
    }

    /// Kills the process and returns the lines that it had written. A last line that was cut is left out.
    pub fn kill_and_read(&mut self) -> Vec<Value> {
        self.kill();
        let lines: Vec<String> = self.incoming().iter().collect();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Kills the process (SIGKILL on Unix) and waits for its end.
    pub fn kill(&mut self) {
        // Fails only for a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for a process that ends by itself, and kills it after the timeout.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        None
    }

    /// Panics with all that is known about the process.
    pub fn fail(&mut self, problem: &str) -> ! {
        let end = match self.child.try_wait() {
            Ok(None) => self.wait(Duration::from_secs(1)),
            status => status.ok().flatten(),
        };
        let end = end.map_or("it was still running".to_owned(), |end| end.to_string());
        panic!("{} {problem} ({end})\n--- its stderr ---\n{}", self.name, self.stderr.finish())
    }

    fn incoming(&mut self) -> &mut Receiver<String> {
        self.lines.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn parse(&mut self, line: &str) -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| {
            self.fail(&format!("wrote a line that is not JSON: {error}: {line}"))
        })
    }
}

impl Drop for LineProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

const ARGUMENT: &str = "CHECKPOINTSTORE_TEST_ARGUMENT";

/// The command that runs one test of this binary in a process of its own, which is given an argument.
pub fn in_a_process_of_its_own(test: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path to this binary"));
    command.args(["--exact", test, "--nocapture"]).env(ARGUMENT, argument);
    command
}

/// The argument, in such a process.
pub fn argument() -> Option<String> {
    std::env::var(ARGUMENT).ok()
}

/// Dropping it kills the process (SIGKILL on Unix), also when an assertion fails first.
pub struct Killed(pub Child);

impl Killed {
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Fails only for a process that has ended and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_lines(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The last lines of a process's stderr. They are read all the time, because a full pipe would stop the process.
struct StderrTail {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl StderrTail {
    fn read(stderr: impl Read + Send + 'static) -> Self {
        let lines = Arc::default();
        let shared = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                push(&shared, String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { lines, reader: Some(reader) }
    }

    /// Returns the lines of a process that has ended.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

fn push(lines: &Mutex<VecDeque<String>>, line: String) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == STDERR_LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

//! A panic leaves the terminal of `watch` clean, and its message is printed afterwards.
//!
//! This test has no harness, because it starts its own binary on a terminal, with an event hub that makes it panic. So the
//! released program needs no way to panic on request.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says that it has passed"
)]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use clean_environment as _;
use eventhub_checkpoints::console::Console;
use eventhub_checkpoints::exit::Failure;
use eventhub_checkpoints::hub::{EventPlace, HubData, Place};
use eventhub_checkpoints::progress::Progress;
use eventhub_checkpoints::storage::Storage;
use eventhub_checkpoints::{HubPartition, HubPartitions, World, run};
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, MemoryContainer};
use serde_json::Value;

const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";
const CURSOR_HIDDEN: &str = "\x1b[?25l";
const CURSOR_SHOWN: &str = "\x1b[?25h";
const MESSAGE: &str = "the second look is one too many";

/// Tells its numbers once. The second look panics, while the screen is taken.
#[derive(Default)]
struct Hub(AtomicUsize);

impl HubData for Hub {
    fn partitions(&self, _: &str, _: &str, _: &Progress) -> Result<HubPartitions, Failure> {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) == 0, "{MESSAGE}");
        let partition = HubPartition {
            first: 0,
            last: 700,
            last_offset: "70000".to_owned(),
            last_enqueued: None,
            is_empty: false,
        };
        Ok(HubPartitions::from([("0".to_owned(), partition)]))
    }

    fn event(&self, _: &ConsumerGroup, _: &str, _: &Place) -> Result<Option<EventPlace>, Failure> {
        Err(Failure::failed("nobody reads events here"))
    }
}

/// The program on the terminal.
fn watch() -> ExitCode {
    let container = MemoryContainer::new();
    let group =
        ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "billing").unwrap();
    let checkpoint = Checkpoint::new(&group, "0", "10000", 100).unwrap();
    let store = BlobCheckpointStore::from_container(container.clone());
    store.update_checkpoint(&checkpoint).unwrap();
    let world = World {
        console: Console::of_the_process(),
        vars: Box::new(|_| None),
        interrupted: Arc::default(),
        clock: SystemTime::now,
        storage: Some(Storage::in_memory(&container).unwrap()),
        hub: Some(Arc::new(Hub::default())),
    };
    let line = ["program", "watch", "contoso/telemetry/billing", "--interval", "300ms"];
    ExitCode::from(run(line.map(Into::into), world) as u8)
}

fn a_panic_leaves_the_terminal_of_a_watch_clean() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/terminal.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(std::env::current_exe().unwrap()).arg("--watch");
    command.env("TERM", "xterm-256color").env("TEXT", "unowned").env("KEYS", "");
    let output = command.output().expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| {
        panic!("{error}: {said}{}", String::from_utf8_lossy(&output.stderr))
    });
    let screen = said["output"].as_str().unwrap();
    assert_eq!(said["status"], 101, "it has panicked: {screen:?}");
    assert!(screen.contains("LAG 600"), "it has shown the lag: {screen:?}");
    assert_eq!(screen.matches(TAKEN).count(), 1, "{screen:?}");
    assert_eq!(screen.matches(GIVEN_BACK).count(), 1, "{screen:?}");
    let (given_back, message) = (screen.rfind(GIVEN_BACK), screen.find(MESSAGE));
    assert!(message.is_some() && given_back < message, "the message can be read: {screen:?}");
    assert!(screen.rfind(CURSOR_SHOWN) > screen.rfind(CURSOR_HIDDEN), "{screen:?}");
    assert_eq!(said["as_before"], true, "lines are edited and echoed again: {screen:?}");
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--watch") {
        return watch();
    }
    a_panic_leaves_the_terminal_of_a_watch_clean();
    println!("test a_panic_leaves_the_terminal_of_a_watch_clean ... ok");
    ExitCode::SUCCESS
}

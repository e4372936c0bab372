//! The examples as processes, on the double of Event Hubs and on Azurite.
#![cfg(unix)]

#[path = "../../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhubs_double::{Config, EventHubsDouble};
use tokio::runtime::{Builder, Runtime};

use support::azurite::Azurite;

const PARTITIONS: usize = 2;
const NAMESPACE: &str = "double.servicebus.windows.net";
const PATIENCE: Duration = Duration::from_secs(60);

type Events = BTreeMap<String, Vec<i64>>;

struct Example {
    process: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(path: &str, double: &EventHubsDouble, container: &str) -> Self {
        let mut process = Command::new(path)
            .env(
                "EVENT_HUB_CONN_STR",
                format!("Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=n;SharedAccessKey=k"),
            )
            .env("EVENT_HUB_NAME", "telemetry")
            .env("EVENT_HUB_ENDPOINT", double.endpoint())
            .env("AZURE_STORAGE_CONN_STR", Azurite::shared().connection_string())
            .env("BLOB_CONTAINER_NAME", container)
            .env_remove("CONSUMER_GROUP")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let _ = self.process.kill();
            let mut stderr = String::new();
            let _ = self.process.stderr.take().unwrap().read_to_string(&mut stderr);
            panic!("no line in time: {error}; {stderr}")
        })
    }

    /// Reads until every partition has come to that sequence number.
    fn events_to(&mut self, last: i64) -> Events {
        let mut events = Events::new();
        let at_the_end = |numbers: &Vec<i64>| numbers.last() == Some(&last);
        while events.len() < PARTITIONS || !events.values().all(at_the_end) {
            let line = self.line();
            let (id, rest) = line.split_once(": event ").unwrap_or_else(|| panic!("{line}"));
            let (number, _) = rest.split_once(" at offset ").unwrap();
            let id = id.strip_prefix("partition ").unwrap();
            events.entry(id.to_owned()).or_default().push(number.parse().unwrap());
        }
        events
    }

    /// Stops it as Ctrl-C does, and hands out its last line.
    fn stop(mut self) -> String {
        support::signal(self.process.id(), "INT");
        let last = self.line();
        assert!(self.process.wait().unwrap().success());
        last
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A reader that waits for ever has no time limit; a channel has one.
fn lines_of(output: ChildStdout) -> Receiver<String> {
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    received
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Receives, is cut, receives on, stops; another one resumes.
fn receives_and_resumes(path: &str) {
    let runtime = runtime();
    let config = Config::new("telemetry", PARTITIONS).in_flight(100);
    let double = runtime.block_on(EventHubsDouble::start(config)).unwrap();
    let container = Azurite::shared().new_container_name();
    let fill = || {
        for id in 0..PARTITIONS {
            double.fill(&id.to_string(), (0..50).map(|number| number.to_string()));
        }
    };
    let all = |numbers: std::ops::Range<i64>| -> Events {
        (0..PARTITIONS).map(|id| (id.to_string(), numbers.clone().collect())).collect()
    };

    fill();
    let mut example = Example::start(path, &double, &container);
    assert_eq!(example.events_to(49), all(0..50));
    double.cut_connections();
    fill();
    assert_eq!(example.events_to(99), all(50..100));
    let summary = example.stop();
    assert!(summary.starts_with("200 events, "), "{summary}");

    let account = Azurite::shared().connection_string();
    let store = BlobCheckpointStore::from_connection_string(&account, &container).unwrap();
    let group = ConsumerGroup::new(NAMESPACE, "telemetry", "$Default").unwrap();
    let stored: Vec<_> = store.list_checkpoints(&group).unwrap().into_iter().collect();
    assert_eq!(stored.len(), PARTITIONS);
    for checkpoint in stored {
        assert_eq!(checkpoint.sequence_number(), Some(99), "{checkpoint:?}");
    }
    for ownership in &store.list_ownership(&group).unwrap() {
        assert_eq!(ownership.owner_id(), None, "{ownership:?}");
    }

    fill();
    let mut next = Example::start(path, &double, &container);
    assert_eq!(next.events_to(149), all(100..150));
    let summary = next.stop();
    assert!(summary.starts_with("100 events, "), "{summary}");
}

#[test]
fn receive() {
    receives_and_resumes(env!("CARGO_BIN_EXE_receive"));
}

#[test]
fn receive_aio() {
    receives_and_resumes(env!("CARGO_BIN_EXE_receive_aio"));
}

/// What is for a real namespace keeps working: here it runs on the double.
#[test]
fn check_namespace() {
    let runtime = runtime();
    let double = runtime.block_on(EventHubsDouble::start(Config::new("telemetry", 2))).unwrap();
    double.fill("1", (0..50).map(|number| number.to_string()));
    let mut example = Example::start(env!("CARGO_BIN_EXE_check_namespace"), &double, "unused");
    let mut lines = vec![example.line()];
    while lines.last().is_some_and(|line| line.starts_with("ok: ")) {
        lines.push(example.line());
    }
    assert_eq!(lines.last().map(String::as_str), Some("all checks passed"), "{lines:#?}");
    assert_eq!(lines.len(), 13, "{lines:#?}");
    assert!(example.process.wait().unwrap().success());
}

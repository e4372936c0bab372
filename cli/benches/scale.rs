//! Large containers and hubs: requests, seconds and MiB of the program, over doubles on loopback.
//!
//! `cargo bench --manifest-path cli/Cargo.toml` measures; in the test profile each case runs once, small and unmeasured.
//! `PROGRAM=…` measures another build of the program.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it measures, and fails by panicking"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use eventhubs_double::{Config, EventHubsDouble};
use support::blob_service::BlobService;
use support::loopback::Loopback;
use tokio::runtime::Runtime;

const NAMES: &str = "contoso.servicebus.windows.net/telemetry";
const TARGET: &str = "contoso/telemetry/billing";

struct Scene {
    service: BlobService,
    loopback: Loopback,
    double: Option<EventHubsDouble>,
    // Ends after the double.
    _runtime: Runtime,
}

impl Scene {
    fn new(hub_partitions: Option<usize>) -> Self {
        let service = BlobService::new("checkpoints");
        let runtime = Runtime::new().unwrap();
        let double = hub_partitions.map(|count| {
            let config = Config::new("telemetry", count);
            runtime.block_on(EventHubsDouble::start(config)).unwrap()
        });
        let loopback = service.serve();
        Self { service, loopback, double, _runtime: runtime }
    }

    fn records(&self, group: &str, partitions: usize) {
        for id in 0..partitions {
            let position = [("offset", "50000"), ("sequencenumber", "500")];
            self.service.put(&format!("{NAMES}/{group}/checkpoint/{id}"), &position);
            self.service.put(&format!("{NAMES}/{group}/ownership/{id}"), &[("ownerid", "")]);
        }
    }

    /// Runs the program, and says what it took.
    fn run(&self, what: &str, line: &str) {
        self.loopback.clear();
        let before = self.double.as_ref().map_or(0, |double| double.counters().management_requests);
        let folder = tempfile::TempDir::new().unwrap();
        let program = std::env::var("PROGRAM")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_eventhub-checkpoints").to_owned());
        let mut command = Command::new(program);
        command.env_clear().current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env(
            "AZURE_STORAGE_CONNECTION_STRING",
            format!(
                "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2VjcmV0;BlobEndpoint={}",
                self.loopback.url()
            ),
        );
        command.env("AZURE_STORAGE_CONTAINER", "checkpoints");
        command.args(line.split_whitespace());
        match &self.double {
            Some(double) => {
                command.args(["--hub-endpoint", &double.endpoint()]).env(
                    "EVENTHUBS_CONNECTION_STRING",
                    "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0",
                );
            }
            None => {
                command.arg("--no-hub");
            }
        }
        let started = Instant::now();
        let child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let watcher = thread::spawn(move || {
            let mut most = 0;
            // The peak that the kernel keeps, as long as the process is there.
            while let Some(kib) = peak(&status) {
                most = kib.max(most);
                thread::sleep(Duration::from_millis(2));
            }
            most
        });
        let output = child.wait_with_output().unwrap();
        let took = started.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        let asked = self.double.as_ref().map_or(0, |double| double.counters().management_requests);
        println!(
            "{what}: {} requests to the account, {} to the hub, {:.2} s, {:.0} MiB",
            self.loopback.requests().len(),
            asked - before,
            took.as_secs_f64(),
            watcher.join().unwrap() as f64 / 1024.0
        );
    }
}

/// The peak of the resident memory in KiB; `None` after the end, or where there is no such file.
fn peak(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn main() {
    let is_measured = std::env::args().any(|arg| arg == "--bench");
    let sized = |count: usize| if is_measured { count } else { count / 100 };

    let scene = Scene::new(None);
    let groups = sized(10_000);
    for group in 0..groups {
        scene.records(&format!("g{group}"), 1);
    }
    scene.run(&format!("groups, {groups} groups"), "groups -o jsonl");
    scene.run(&format!("export, {groups} groups"), "export --all-groups");

    let scene = Scene::new(None);
    let partitions = sized(32_000);
    scene.records("billing", partitions);
    scene.run(&format!("show, {partitions} partitions"), &format!("show {TARGET} -o jsonl"));
    scene.run(
        &format!("reset, dry run, {partitions} partitions"),
        &format!("reset {TARGET} --to-earliest -o jsonl"),
    );
    scene.run(
        &format!("reset, executed, {partitions} partitions"),
        &format!("reset {TARGET} --to-earliest -o jsonl --execute --yes --backup b.jsonl"),
    );

    let partitions = sized(1_000);
    let scene = Scene::new(Some(partitions));
    scene.records("billing", partitions);
    scene.run(&format!("lag, {partitions} partitions"), &format!("lag {TARGET} -o jsonl"));
}

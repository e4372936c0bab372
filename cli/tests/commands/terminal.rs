//! The program itself, on a terminal and as a process: the full screen of `watch`, questions, exit codes.
#![cfg(unix)]

use std::process::Command;

use serde_json::Value;

use crate::bed::{Bed, TARGET};
use crate::reading::fleet;
use crate::support::blob_service::{Fault, error_reply};
use crate::support::tools;

const PROGRAM: &str = env!("CARGO_BIN_EXE_eventhub-checkpoints");
/// Takes the screen, and gives it back.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

/// Nothing of the developer's own accounts gets in.
fn clean(mut command: Command, bed: &Bed) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("AZURE_STORAGE_CONNECTION_STRING", bed.var("AZURE_STORAGE_CONNECTION_STRING"));
    command.env("AZURE_STORAGE_CONTAINER", "checkpoints").env("TERM", "xterm-256color");
    command.current_dir(bed.folder.path());
    command
}

/// Runs the program on a terminal, types when a text is there, and returns its status and its screen.
fn on_a_terminal(bed: &Bed, line: &str, text: &str, keys: &str) -> (i64, String) {
    let mut command = clean(Command::new("python3"), bed);
    command.arg(tools::repository_file("cli/tests/commands/terminal.py")).arg(PROGRAM);
    command.args(line.split_whitespace()).env("TEXT", text).env("KEYS", keys);
    let output = command.output().expect("python3 runs");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Value = serde_json::from_str(&shown).unwrap_or_else(|error| {
        panic!("{error}: {shown}{}", String::from_utf8_lossy(&output.stderr))
    });
    (said["status"].as_i64().unwrap(), said["output"].as_str().unwrap().to_owned())
}

fn with_hub_file() -> Bed {
    let bed = fleet();
    let lag = bed.run(&format!("lag {TARGET} -o json"));
    std::fs::write(bed.path("hub.json"), &lag.out).unwrap();
    bed
}

#[test]
fn a_watch_takes_the_whole_terminal_and_leaves_it_clean() {
    let bed = with_hub_file();
    let line = format!("watch {TARGET} --hub-file hub.json --interval 200ms");
    for keys in ["s q", "\x03"] {
        let (status, output) = on_a_terminal(&bed, &line, "stalled", keys);
        assert_eq!(status, 0, "{keys:?}: {output}");
        assert!(output.contains(TAKEN) && output.contains("41,298"), "{output}");
        let end = output
            .rfind(GIVEN_BACK)
            .unwrap_or_else(|| panic!("the terminal is not given back: {output:?}"));
        assert!(end > output.rfind(TAKEN).unwrap());
    }
}

#[test]
fn a_watch_on_a_terminal_can_be_plain() {
    let bed = with_hub_file();
    let line = format!("watch {TARGET} --hub-file hub.json --interval 10ms --count 2 --plain");
    let (status, output) = on_a_terminal(&bed, &line, "stalled", "");
    assert_eq!((status, output.matches("PARTITION").count()), (0, 2), "{output}");
    assert!(!output.contains(TAKEN));
    // Colors, and the time of the terminal's zone.
    assert!(output.contains("\x1b[31mstalled"), "{output}");
}

#[test]
fn a_change_on_a_terminal_is_asked_for() {
    for (answer, status) in [("y\r", 0), ("n\r", 4)] {
        let bed = Bed::new();
        bed.checkpoint("0", 500, 3_600);
        let line = format!("reset {TARGET} --to-earliest --no-hub --execute --backup b.jsonl");
        let (ended, output) = on_a_terminal(&bed, &line, "[y/N]", answer);
        assert_eq!(ended, status, "{output}");
        assert!(
            output.contains("Move 1 of 1 partition, replay 501 events, skip 0? [y/N]"),
            "{output}"
        );
        assert_eq!(bed.writes(), usize::from(status == 0));
    }
}

/// With the test that follows, which reaches 130, every code there is.
#[test]
fn the_process_ends_with_the_code_of_the_command() {
    let bed = with_hub_file();
    // The first write is let through, the others are not.
    let mut writes = 0;
    bed.service.inject(move |request| {
        writes += usize::from(request.method == "PUT");
        if request.method == "PUT" && writes > 1 {
            let (code, text) = ("AuthorizationPermissionMismatch", "No permission.");
            Fault::Answer(error_reply(403, code, text))
        } else {
            Fault::None
        }
    });
    let reset = "--to-earliest --no-hub --force --execute --yes --backup b.jsonl";
    for (code, line) in [
        (0, format!("show {TARGET}")),
        (1, format!("show {TARGET} -c absent")),
        (2, "frobnicate".to_owned()),
        (3, "show contoso/nothing".to_owned()),
        (4, format!("delete {TARGET}")),
        (5, format!("reset {TARGET} {reset}")),
        (6, format!("check {TARGET} --hub-file hub.json")),
    ] {
        let mut command = clean(Command::new(PROGRAM), &bed);
        let output = command.args(line.split_whitespace()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    }
}

#[test]
fn a_terminated_watch_ends_as_interrupted() {
    let bed = with_hub_file();
    let mut command = clean(Command::new(PROGRAM), &bed);
    command.args(["watch", TARGET, "--hub-file", "hub.json"]).stdout(std::process::Stdio::null());
    let mut child = crate::support::process::Killed(command.spawn().expect("it runs"));
    // It has looked once.
    assert!(bed.loopback.wait_for_requests(4, std::time::Duration::from_secs(60)));
    std::thread::sleep(std::time::Duration::from_millis(200));
    crate::support::signal(child.0.id(), "INT");
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
}

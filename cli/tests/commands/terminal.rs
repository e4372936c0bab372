//! The program itself, on a terminal and as a process: the full screen of `watch`, questions, exit codes.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eventhub_checkpoints::exit::Exit;
use serde_json::Value;

use crate::bed::{Bed, TARGET};
use crate::reading::fleet;
use crate::support::blob_service::{Fault, error_reply};
use crate::support::process::Killed;
use crate::support::tools;

const PROGRAM: &str = env!("CARGO_BIN_EXE_eventhub-checkpoints");
/// Takes the screen, and gives it back.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";
const CURSOR_HIDDEN: &str = "\x1b[?25l";
const CURSOR_SHOWN: &str = "\x1b[?25h";

/// Nothing of the developer's own accounts gets in.
fn clean(mut command: Command, bed: &Bed) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("AZURE_STORAGE_CONNECTION_STRING", bed.var("AZURE_STORAGE_CONNECTION_STRING"));
    command.env("AZURE_STORAGE_CONTAINER", "checkpoints").env("TERM", "xterm-256color");
    command.current_dir(bed.folder.path());
    command
}

/// Runs the program on a terminal, types when a text is there, and returns its status and its screen. However it ends, the
/// terminal is then as it was.
fn on_a_terminal(bed: &Bed, line: &str, text: &str, keys: &str) -> (i64, String) {
    on_a_terminal_with(&[], bed, line, text, keys)
}

fn on_a_terminal_with(
    vars: &[(&str, &str)],
    bed: &Bed,
    line: &str,
    text: &str,
    keys: &str,
) -> (i64, String) {
    let mut command = clean(Command::new("python3"), bed);
    command.arg(tools::repository_file("cli/tests/commands/terminal.py")).arg(PROGRAM);
    command.args(line.split_whitespace()).env("TEXT", text).env("KEYS", keys);
    command.envs(vars.iter().copied());
    let output = command.output().expect("python3 runs");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Value = serde_json::from_str(&shown).unwrap_or_else(|error| {
        panic!("{error}: {shown}{}", String::from_utf8_lossy(&output.stderr))
    });
    let (status, output) =
        (said["status"].as_i64().unwrap(), said["output"].as_str().unwrap().to_owned());
    assert_eq!(said["as_before"], true, "{status}: {output:?}");
    let is_hidden = output.rfind(CURSOR_HIDDEN) > output.rfind(CURSOR_SHOWN);
    assert!(!is_hidden, "the cursor is left hidden: {output:?}");
    assert_eq!(output.matches(TAKEN).count(), output.matches(GIVEN_BACK).count(), "{output:?}");
    (status, output)
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
    for keys in ["sg q", "\x03"] {
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
fn a_watch_that_is_terminated_leaves_the_terminal_clean() {
    let bed = with_hub_file();
    let line = format!("watch {TARGET} --hub-file hub.json --interval 1h");
    for signal in ["TERM", "INT", "HUP"] {
        let (status, output) =
            on_a_terminal_with(&[("SIGNAL", signal)], &bed, &line, "stalled", "");
        assert_eq!(status, 130, "{signal}: {output:?}");
        assert!(output.contains(TAKEN), "{output:?}");
    }
}

/// A look that hangs keeps neither the keys nor the terminal.
#[test]
fn a_watch_can_be_left_while_a_look_hangs() {
    let bed = with_hub_file();
    let mut lists = 0;
    bed.service.inject(move |_| {
        lists += 1;
        if lists == 1 { Fault::None } else { Fault::Delay(Duration::from_secs(20)) }
    });
    let line = format!("watch {TARGET} --hub-file hub.json --interval 10ms");
    let started = Instant::now();
    let (status, output) = on_a_terminal(&bed, &line, "stalled", "q");
    assert_eq!(status, 0, "{output:?}");
    assert!(output.contains(TAKEN) && started.elapsed() < Duration::from_secs(20), "{output:?}");
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
fn no_color_is_obeyed_on_a_terminal() {
    let bed = with_hub_file();
    let lag = format!("lag {TARGET} --hub-file hub.json");
    let (_, output) = on_a_terminal(&bed, &lag, "stalled", "");
    assert!(output.contains("\x1b[31mstalled"), "{output:?}");
    let no_color = [("NO_COLOR", "1")];
    let (_, output) = on_a_terminal_with(&no_color, &bed, &lag, "stalled", "");
    assert!(output.contains("stalled") && !output.contains('\x1b'), "{output:?}");
    let (_, output) =
        on_a_terminal_with(&no_color, &bed, &format!("{lag} --color always"), "stalled", "");
    assert!(output.contains("\x1b[31mstalled"), "asked for by a flag: {output:?}");
    // The full screen keeps its bold and reversed lines, and has no colors: no SGR code from 30 to 48.
    let watch = format!("watch {TARGET} --hub-file hub.json --interval 200ms");
    let (status, output) = on_a_terminal_with(&no_color, &bed, &watch, "stalled", "q");
    let is_color = |code: &str| {
        let codes = code.split('m').next().unwrap_or_default().split(';');
        codes.filter_map(|code| code.parse::<u32>().ok()).any(|code| (30..=37).contains(&code))
    };
    assert_eq!(status, 0, "{output:?}");
    assert!(!output.split("\x1b[").skip(1).any(is_color), "{output:?}");
}

#[test]
fn times_on_a_terminal_are_those_of_its_zone() {
    let bed = with_hub_file();
    let tokyo = [("TZ", "Asia/Tokyo")];
    let (status, output) =
        on_a_terminal_with(&tokyo, &bed, &format!("show {TARGET}"), "PARTITION", "");
    assert!(status == 0 && output.contains("+09:00"), "{output}");
    let (_, output) =
        on_a_terminal_with(&tokyo, &bed, &format!("show {TARGET} -o jsonl"), "schema", "");
    assert!(!output.contains("+09:00"), "data is in UTC: {output}");
}

/// Forty writes of which each takes a while, several at a time: more than a second.
fn slow() -> Bed {
    let bed = Bed::new();
    for id in 0..40 {
        bed.checkpoint(&id.to_string(), 500, 3_600);
    }
    bed.service.inject(|request| match request.method.as_str() {
        "PUT" => Fault::Delay(Duration::from_millis(400)),
        _ => Fault::None,
    });
    bed
}

#[test]
fn long_work_shows_on_a_terminal_how_far_it_has_come() {
    let line = format!("reset {TARGET} --to-earliest --no-hub --execute --yes --backup b.jsonl");
    let (status, output) = on_a_terminal(&slow(), &line, "Changed", "");
    assert_eq!(status, 0, "{output}");
    assert!(output.contains("Writing [") || output.contains("Writing #"), "{output}");
    assert!(output.contains("/40"), "{output}");
    // It goes away before the account is given.
    let (bar, account) = (output.rfind("/40").unwrap(), output.rfind("Changed: 0-39").unwrap());
    assert!(bar < account && output[bar..account].contains("\x1b[2K"), "{output:?}");
    // In a pipe there is none.
    let bed = slow();
    let mut command = clean(Command::new(PROGRAM), &bed);
    let output = command.args(line.split_whitespace()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("Writing") && said.contains("Changed: 0-39"), "{said}");
}

/// Killed without a warning, it has lost nothing: what was there before stands in the backup.
#[test]
fn a_change_that_is_killed_is_restored_from_its_backup() {
    let bed = slow();
    let line = format!("reset {TARGET} --to-earliest --no-hub --execute --yes --backup b.jsonl");
    let mut command = clean(Command::new(PROGRAM), &bed);
    command.args(line.split_whitespace()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().expect("it runs"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while bed.writes() < 5 {
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    // What was sent is applied, whoever waits for it.
    std::thread::sleep(Duration::from_secs(1));
    let numbers =
        || -> Vec<String> { (0..40).map(|id| bed.stored(&id.to_string()).unwrap().1).collect() };
    let moved = numbers().iter().filter(|number| *number == "-1").count();
    let kept = numbers().iter().filter(|number| *number == "500").count();
    assert!(moved >= 5 && kept > 0 && moved + kept == 40, "{moved} moved, {kept} kept");
    bed.service.clear_faults();
    bed.run("import {b.jsonl} --overwrite --execute --yes --backup {c.jsonl}").ends(Exit::Done);
    assert_eq!(numbers(), ["500"; 40]);
}

#[test]
fn verbose_runs_say_what_is_asked_and_no_secret() {
    let bed = with_hub_file();
    for (flag, level) in [("-vv", Some("debug: ")), ("-v", None), ("", None)] {
        let mut command = clean(Command::new(PROGRAM), &bed);
        let output = command.args(["show", TARGET]).args(flag.split_whitespace()).output();
        let said = String::from_utf8_lossy(&output.as_ref().unwrap().stderr).into_owned();
        match level {
            Some(level) => assert!(said.contains(level) && said.contains("list blobs"), "{said}"),
            None => assert!(!said.contains("debug: "), "{said}"),
        }
        assert!(!said.contains("c2VjcmV0"), "{said}");
    }
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
            Fault::Respond(error_reply(403, code, text))
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
    command.args(["watch", TARGET, "--hub-file", "hub.json"]).stdout(Stdio::null());
    let mut child = Killed(command.spawn().expect("it runs"));
    // It has looked once.
    assert!(bed.loopback.wait_for_requests(2, Duration::from_secs(60)));
    std::thread::sleep(Duration::from_millis(200));
    crate::support::signal(child.0.id(), "INT");
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
}

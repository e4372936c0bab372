//! The command line tool over running fleets of every language.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use eventhubs_double::AttachedReceiver;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bed::{Bed, HUB, NAMESPACE, consumer_group, eventually, program};
use crate::peer::{Consumer, Heard, Kind, Options};

/// How many events each partition has at the start.
const EVENTS: i64 = 20;

/// Longer than any test: however busy the machine is, nobody loses a partition, and an owner that runs is live.
const NEVER: Duration = Duration::from_secs(600);

/// When an owner that was killed counts as gone.
const EXPIRATION: Duration = Duration::from_secs(5);

/// The number of the first event that came after a pause, in all partitions.
const LATER: i64 = 10;

/// The age of the events before the pause.
const OLD: Duration = Duration::from_secs(3_600);

struct Tool<'a> {
    bed: &'a Bed,
    folder: TempDir,
}

/// The output of a run.
#[derive(Debug)]
struct Ran {
    exit: Option<i32>,
    out: String,
    err: String,
}

impl<'a> Tool<'a> {
    fn new(bed: &'a Bed) -> Self {
        Self { bed, folder: TempDir::new().unwrap() }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program("eventhub-checkpoints"));
        let hub =
            format!("Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=listen;SharedAccessKey=key");
        command
            .args(line.split_whitespace())
            .args(["--hub-endpoint", &self.bed.double.endpoint()])
            .env("AZURE_STORAGE_CONNECTION_STRING", &self.bed.connection_string)
            .env("AZURE_STORAGE_CONTAINER", &self.bed.container)
            .env("EVENTHUBS_CONNECTION_STRING", hub)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).spawn().unwrap())
    }

    /// Flags that make a change.
    fn execute(&self, name: &str, expiration: Duration) -> String {
        let (backup, seconds) = (self.path(name), expiration.as_secs());
        format!("--execute --yes --expiration {seconds}s -o json --backup {}", backup.display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Ran {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "{self:#?}");
        self
    }

    #[track_caller]
    fn rows(&self, key: &str) -> Vec<Value> {
        let json: Value = serde_json::from_str(&self.out).unwrap();
        json["groups"][0][key].as_array().unwrap_or_else(|| panic!("no {key}: {self:#?}")).clone()
    }
}

fn group(kind: Kind) -> String {
    format!("Group-{kind:?}")
}

fn target(kind: Kind) -> String {
    format!("{NAMESPACE}/{HUB}/{}", group(kind))
}

/// Shows a running group, and is refused a change; returns nothing that a change could be made with.
fn looks_at_a_running_fleet(tool: &Tool<'_>, kind: Kind) {
    let target = target(kind);
    let rows = tool.run(&format!("show {target} -o json")).ends(0).rows("partitions");
    assert_eq!(rows.len(), 9, "{kind:?}");
    for row in &rows {
        assert!(row["owner_id"].is_string(), "{kind:?}: {row}");
        assert_eq!(row["sequence_number"], EVENTS - 1, "{kind:?}: {row}");
    }
    let lag = tool.run(&format!("lag {target} -o json --name-case lower")).ends(0);
    for row in lag.rows("partitions") {
        assert_eq!((&row["lag"], &row["status"]), (&json!(0), &json!("ok")), "{kind:?}: {row}");
    }
    // No SDK of these writes the names as they are given.
    tool.run(&format!("show {target} --name-case as-given")).ends(3);
    let refused = format!("reset {target} --to-earliest {}", tool.execute("refused.jsonl", NEVER));
    let ran = tool.run(&refused).ends(4);
    assert!(ran.err.contains("--wait"), "{ran:#?}");
    for id in tool.bed.partition_ids() {
        assert_eq!(tool.bed.checkpoint(&group(kind), &id), EVENTS - 1, "{kind:?} {id}");
    }
}

/// Resets each partition by another goal. Returns the first event that each plan named.
fn resets_each_partition(tool: &Tool<'_>, kind: Kind) -> BTreeMap<String, i64> {
    let bed = tool.bed;
    let offset = |id: &str, number| bed.double.offset(id, number).unwrap();
    let exported = tool.path(&format!("{kind:?}.jsonl"));
    let all = tool.run(&format!("export {}", target(kind))).ends(0).out;
    let row = all.lines().find(|line| line.contains("\"partition_id\":\"6\"")).unwrap();
    let (old, new) = (offset("6", EVENTS - 1), offset("6", 2));
    let edited = row
        .replace(&format!("\"offset\":\"{old}\""), &format!("\"offset\":\"{new}\""))
        .replace(&format!("\"sequence_number\":{}", EVENTS - 1), "\"sequence_number\":2");
    std::fs::write(&exported, edited).unwrap();
    let pause = Timestamp::now() - SignedDuration::from_mins(30);
    let goals = [
        ("1", "--to-latest".to_owned(), EVENTS),
        ("2", format!("--to-offset {} --sequence-number 11", offset("2", 11)), 12),
        ("3", "--to-sequence 13 --via-group tools".to_owned(), 13),
        ("4", format!("--to-datetime {pause} --via-group tools"), LATER),
        ("5", "--shift-by -5 --via-group tools".to_owned(), EVENTS - 5),
        ("6", format!("--from-file {}", exported.display()), 3),
        ("7", "--to-sequence 0 --via-group tools".to_owned(), 0),
        ("8", "--by-duration 30m --via-group tools".to_owned(), LATER),
    ];
    let mut named = BTreeMap::from([("0".to_owned(), 0)]);
    for (id, goal, first) in goals {
        let flags = tool.execute(&format!("{kind:?}-{id}.jsonl"), EXPIRATION);
        let line = format!("reset {} -p {id} {goal} {flags}", target(kind));
        let rows = tool.run(&line).ends(0).rows("changes");
        assert_eq!(rows.len(), 1, "{kind:?} {goal}: {rows:?}");
        let to = rows[0]["to_sequence_number"].as_i64().unwrap_or_else(|| panic!("{rows:?}"));
        assert_eq!(to + 1, first, "{kind:?} {goal}: {rows:?}");
        named.insert(id.to_owned(), first);
    }
    named
}

#[test]
fn fleets_of_all_languages_resume_where_the_plan_says() {
    let bed = Bed::new(9);
    for id in bed.partition_ids() {
        bed.double.fill_aged(&id, OLD, (0..LATER).map(|number| format!("{id}: {number}")));
    }
    bed.append_to_each((EVENTS - LATER) as usize);

    let options = |kind: Kind| Options {
        checkpoint_every: 1,
        interval: Duration::from_secs(3),
        expiration: NEVER,
        ..Options::sharing(&group(kind))
    };
    let start = |kind: Kind| Consumer::launch(kind, "consumer", &bed, &options(kind));
    let tool = Tool::new(&bed);
    let mut fleets: Vec<_> = Kind::ALL.into_iter().map(start).collect();
    for fleet in &mut fleets {
        let group = group(fleet.kind);
        eventually(&format!("{group} is at the end"), || {
            let is_done = |id: &String| bed.checkpoint(&group, id) == EVENTS - 1;
            bed.partition_ids().iter().all(is_done).then_some(())
        });
    }
    for fleet in &fleets {
        looks_at_a_running_fleet(&tool, fleet.kind);
    }
    // A receiver of the tool's would have been refused, or would have taken a link.
    let counters = bed.double.counters();
    assert_eq!((counters.stolen_links, counters.refused_links), (0, 0));

    // The tool waits for an owner that runs until it has stopped, and for one that was killed until it has expired.
    let is_killed = |kind: Kind| matches!(kind, Kind::PythonAio | Kind::Ours);
    let (killed, running): (Vec<_>, Vec<_>) =
        fleets.into_iter().partition(|fleet| is_killed(fleet.kind));
    for fleet in killed {
        fleet.kill();
    }
    let waiting = Kind::ALL.map(|kind| {
        let expiration = if is_killed(kind) { EXPIRATION } else { NEVER };
        let flags = tool.execute(&format!("{kind:?}-wait.jsonl"), expiration);
        let line = format!("reset {} -p 0 --to-earliest --wait 80s {flags}", target(kind));
        (kind, tool.command(&line).spawn().unwrap())
    });
    thread::sleep(Duration::from_secs(1));
    for fleet in running {
        assert_eq!(bed.checkpoint(&group(fleet.kind), "0"), EVENTS - 1, "{:?}", fleet.kind);
        fleet.stop();
    }
    for (kind, child) in waiting {
        let rows = Ran::of(child).ends(0).rows("changes");
        assert_eq!(rows[0]["to_sequence_number"], -1, "{rows:?}");
        assert_eq!(rows[0]["to_offset"], "-1", "{rows:?}");
        if is_killed(kind) {
            assert!(bed.silence_of_the_owner(&group(kind), "0") >= EXPIRATION, "{kind:?}");
            let flags = tool.execute(&format!("{kind:?}-release.jsonl"), EXPIRATION);
            tool.run(&format!("release {} {flags}", target(kind))).ends(0);
        }
    }

    let named: Vec<_> =
        Kind::ALL.into_iter().map(|kind| resets_each_partition(&tool, kind)).collect();
    let mut fleets: Vec<_> = Kind::ALL.into_iter().map(start).collect();
    // Only now does the partition that was reset to its end have an event to receive.
    for fleet in &mut fleets {
        for id in bed.partition_ids().iter().filter(|id| **id != "1") {
            fleet.until_event(id, EVENTS - 1);
        }
        fleet.until("partition 1 is read", |heard| heard.open().contains("1").then_some(()));
    }
    eventually("all read partition 1", || {
        let of = bed.double.receivers().into_iter().filter(|one| one.partition_id == "1");
        (of.count() == Kind::ALL.len()).then_some(())
    });
    bed.append_to_each(1);
    for (mut fleet, named) in fleets.into_iter().zip(named) {
        for (id, first) in named {
            fleet.until_event(&id, EVENTS);
            let expected: Vec<_> = (first..=EVENTS).collect();
            assert_eq!(fleet.heard.numbers(&id), expected, "{}, partition {id}", fleet.name);
        }
        fleet.kill();
    }
}

/// An owner that is released, and whose partition another consumer takes, leaves it without being asked.
#[test]
fn a_released_owner_stops_at_its_next_renewal() {
    let bed = Bed::new(2);
    bed.append_to_each(3);
    let tool = Tool::new(&bed);
    // The claim of the other one lasts until the end.
    let expiration = Duration::from_secs(80);
    let options = |kind: Kind| Options { expiration, ..Options::sharing(&group(kind)) };
    let start = |kind: Kind| Consumer::launch(kind, "consumer", &bed, &options(kind));
    let mut fleets: Vec<_> = Kind::ALL.into_iter().map(start).collect();
    for fleet in &mut fleets {
        for id in bed.partition_ids() {
            fleet.until_event(&id, 2);
        }
        let refused = format!("release {} -p 0 --execute --yes", target(fleet.kind));
        tool.run(&refused).ends(4);
        release_and_claim(&tool, fleet.kind);
    }
    // JavaScript's client does not look for its own name in the records: it stops when the next owner takes the link.
    let group_of_javascript = group(Kind::JavaScript);
    let next_owner =
        Consumer::start(Kind::Ours, &bed, &Options::level(&group_of_javascript, "0", 0));
    for fleet in &mut fleets {
        let kind = fleet.kind;
        let gone = |heard: &Heard| (!heard.open().contains("0")).then_some(());
        fleet.until("it leaves partition 0", gone);
        if kind.is_ours() {
            assert_eq!(fleet.heard.reasons("0"), ["Taken"], "{kind:?}");
        }
        let of = |one: &AttachedReceiver| {
            one.partition_id == "0" && one.consumer_group.eq_ignore_ascii_case(&group(kind))
        };
        let left = usize::from(kind == Kind::JavaScript);
        eventually(&format!("{kind:?} detaches"), || {
            (bed.double.receivers().into_iter().filter(of).count() == left).then_some(())
        });
    }
    bed.append_to_each(1);
    for mut fleet in fleets {
        fleet.until_event("1", 3);
        assert_eq!(fleet.heard.numbers("0"), [0, 1, 2], "{}", fleet.name);
        let owners = bed.owners(&group(fleet.kind));
        assert!(owners.contains(&("0".to_owned(), "other".to_owned())), "{owners:?}");
        fleet.kill();
    }
    next_owner.kill();
}

/// Releases partition 0 and claims it for somebody else. Its owner may renew its claim while the tool releases it, and one of
/// another language that is alone claims it again in its next round, and does not notice. If either comes between, all of
/// it is done again.
fn release_and_claim(tool: &Tool<'_>, kind: Kind) {
    let (bed, group) = (tool.bed, consumer_group(&group(kind)));
    for attempt in 0.. {
        let backup = tool.path(&format!("{kind:?}-{attempt}.jsonl"));
        let backup = backup.display();
        let line =
            format!("release {} -p 0 --execute --yes --force --backup {backup}", target(kind));
        let ran = tool.run(&line);
        if ran.err.contains("Changed by another writer: 0 ") {
            ran.ends(4);
            continue;
        }
        ran.ends(0);
        let listing = bed.store.list_ownership(&group).unwrap();
        let record = listing.iter().find(|record| record.partition_id() == "0").unwrap();
        let claim = record.claimed_by("other").unwrap();
        if !record.is_owned() && bed.store.claim_ownership(&[claim]).all_claimed() {
            return;
        }
    }
}

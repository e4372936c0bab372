//! The examples as a user runs them: as processes, in memory, and on Azurite with a SIGKILL in the middle.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::azurite::Azurite;
use crate::support::process::Killed;
use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;

const EVENTS: usize = 3200;
const PARTITIONS: usize = 8;

/// Sequence numbers by partition id.
type Positions = BTreeMap<String, i64>;

const EXAMPLES: [&str; 2] = ["receive_events", "receive_events_aio"];

/// Both surfaces at once: most of their time they wait for an ownership to expire.
fn on_both_surfaces(test: fn(&str)) {
    std::thread::scope(|scope| {
        EXAMPLES.iter().for_each(|name| drop(scope.spawn(move || test(name))));
    });
}

#[test]
fn a_dead_consumer_loses_no_event() {
    on_both_surfaces(loses_a_consumer_but_no_event);
}

#[test]
fn a_killed_process_resumes_at_the_stored_positions() {
    on_both_surfaces(resumes_after_sigkill);
}

#[test]
fn the_short_examples_do_what_they_say() {
    let lines = |name: &str| succeeded(Command::new(example(name)).output().unwrap());
    let batches = lines("receive_batch");
    assert!(batches.last().unwrap().starts_with("1000 events, "), "{batches:#?}");
    let pulled = lines("pull");
    assert!(pulled.last().unwrap().starts_with("400 events, "), "{pulled:#?}");
    assert_eq!(pulled.iter().filter(|line| line.ends_with(": stopped")).count(), 4, "{pulled:#?}");
    let tested = lines("testing");
    assert_eq!(tested.len(), 4, "{tested:#?}");
    assert_eq!(tested[2], "a stop: 150 events by the first, 150 by the second");
    assert_eq!(
        lines("dead_letter"),
        [
            "processed: 21.5 degrees",
            "put aside: 0/1 \"warm\", invalid float literal",
            "attempt 1: -300 degrees",
            "attempt 2: -300 degrees",
            "attempt 3: -300 degrees",
            "put aside: 0/2 \"-300\", colder than possible",
            "processed: 22.5 degrees",
            "5 events, 1 checkpoints, 1 partitions relinquished, 2 dead letters",
        ]
    );
}

#[test]
fn storage_api_version_shows_what_it_is_told() {
    for (arguments, version) in [(&[][..], "2019-07-07"), (&["2017-11-09"][..], "2017-11-09")] {
        let output = Command::new(example("storage_api_version")).args(arguments).output().unwrap();
        let lines = succeeded(output);
        assert!(lines.contains(&format!("x-ms-version: {version}")), "{lines:#?}");
        assert!(lines[0].starts_with("PUT https://contoso.blob."), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("failed")), "{lines:#?}");
    }
    let refused = Command::new(example("storage_api_version")).arg("latest").output().unwrap();
    assert!(!refused.status.success());
}

#[test]
fn custom_transport_reaches_a_service_over_both_surfaces() {
    let alone = succeeded(Command::new(example("custom_transport")).output().unwrap());
    assert!(
        alone.iter().any(|line| line.starts_with("  GET /contoso/custom-transport?")),
        "{alone:#?}"
    );
    assert_eq!(alone.iter().filter(|line| line.ends_with("sockets: 0 checkpoints")).count(), 2);

    let azurite = Azurite::shared();
    let output = Command::new(example("custom_transport"))
        .env("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string())
        .env("AZURE_STORAGE_CONTAINER", azurite.new_container_name())
        .output();
    let lines = succeeded(output.unwrap());
    assert_eq!(
        lines,
        ["over blocking sockets: 1 checkpoints", "over async sockets: 2 checkpoints"],
        "each surface writes one"
    );
}

#[test]
fn custom_container_keeps_conditions_and_what_it_stored() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("custom-container-{}", std::process::id()));
    let run = |checkpoint: i64, claimed: u32| {
        let output = Command::new(example("custom_container")).arg(&folder).output();
        let lines = succeeded(output.unwrap());
        assert_eq!(
            lines,
            [
                format!("blocking: checkpoint {checkpoint}, claimed {claimed}"),
                format!("async: checkpoint Some({checkpoint})"),
                "async: first claim lost 1, takeover claimed 1".to_owned(),
            ]
        );
    };
    run(0, 1);
    // The record of the first run is there.
    run(1, 0);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn loses_a_consumer_but_no_event(name: &str) {
    let lines = succeeded(command(name).output().unwrap());

    let death = lines.iter().position(|line| line.ends_with(": dies without warning"));
    let (before, after) = lines.split_at(death.expect("a consumer dies"));
    let dead = after[0].split(':').next().unwrap();
    assert!(before.iter().any(|line| line.starts_with(dead) && line.contains(": checkpoint of ")));
    let begins = |line: &String| line.contains("resumed partition") || line.contains("started");
    assert!(!after.iter().any(|line| line.starts_with(dead) && begins(line)), "{lines:#?}");
    let mut taken_over = 0;
    for (index, line) in lines.iter().enumerate().skip(before.len()) {
        for (partition_id, last) in positions([line], "resumed partition") {
            // A write that was under way at the death may be told after it.
            let stored =
                format!(": checkpoint of partition {partition_id} at sequence number {last}");
            assert!(
                lines[..index].iter().any(|line| line.ends_with(&stored)),
                "{stored}\n{lines:#?}"
            );
            taken_over += 1;
        }
    }
    assert_ne!(taken_over, 0, "{lines:#?}");
    // At least the event that the dead consumer was at had no checkpoint behind it.
    assert_ne!(repeated(&lines, EVENTS), 0, "{lines:#?}");
}

fn resumes_after_sigkill(name: &str) {
    let azurite = Azurite::shared();
    let container = name.replace('_', "-");
    let ledger = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-processed.txt"));
    match std::fs::remove_file(&ledger) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
    let on_azurite = || {
        let mut command = command(name);
        command
            .arg(&ledger)
            .env("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string())
            .env("AZURE_STORAGE_CONTAINER", &container);
        command
    };

    kill_after_checkpoints(&mut on_azurite(), 8);
    let store =
        BlobCheckpointStore::from_connection_string(&azurite.connection_string(), &container)
            .unwrap();
    let stored = settled_positions(&store);
    let processed_before = processed(&ledger);
    assert!(!stored.is_empty() && processed_before.len() < EVENTS);

    let lines = succeeded(on_azurite().output().unwrap());
    // Only what was resumed first: a consumer of the second run dies, too.
    let resumed = positions(lines.iter().rev(), "resumed partition");
    let first_resumed: Positions =
        resumed.into_iter().filter(|(id, _)| stored.contains_key(id)).collect();
    assert_eq!(first_resumed, stored, "{lines:#?}");

    let all = processed(&ledger);
    let processed_after = &all[processed_before.len()..];
    for (partition_id, last) in &stored {
        let next = processed_after.iter().find(|(id, _)| id == partition_id);
        assert_eq!(next.map(|(_, number)| *number), Some(last + 1), "partition {partition_id}");
    }
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), EVENTS);
    assert_eq!(repeated(&lines, EVENTS), repetitions(&all));
    assert_eq!(settled_positions(&store).len(), PARTITIONS);
}

/// How many events occur more than once.
fn repetitions(processed: &[(String, i64)]) -> usize {
    let mut counts = BTreeMap::new();
    for event in processed {
        *counts.entry(event).or_insert(0) += 1;
    }
    counts.values().filter(|count| **count > 1).count()
}

/// Lets the example work until so many checkpoints are stored, then kills it as a crash would.
fn kill_after_checkpoints(command: &mut Command, count: usize) {
    let mut child = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let stored = lines.filter(|line| line.contains(": checkpoint of partition ")).take(count);
    assert_eq!(stored.count(), count, "it ended before it was killed");
}

/// The stored positions, once a request that was under way when its sender was killed has come to its end.
fn settled_positions(store: &BlobCheckpointStore) -> Positions {
    let group =
        ConsumerGroup::new("webshop.servicebus.windows.net", "clickstream", "$Default").unwrap();
    let list = || -> Positions {
        let listing = store.list_checkpoints(&group).unwrap();
        let position = |checkpoint: &eventhub_checkpointstore::Checkpoint| {
            (checkpoint.partition_id().to_owned(), checkpoint.sequence_number().unwrap())
        };
        listing.iter().map(position).collect()
    };
    let mut positions = list();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let again = list();
        if again == positions {
            return positions;
        }
        positions = again;
    }
}

/// The events in the file that the example appends to, in the order in which they were processed.
fn processed(ledger: &Path) -> Vec<(String, i64)> {
    let text = std::fs::read_to_string(ledger).unwrap();
    text.lines()
        .map(|line| {
            let (partition_id, number) = line.split_once(',').unwrap();
            (partition_id.to_owned(), number.parse().unwrap())
        })
        .collect()
}

/// The last position of each partition in lines as `consumer-a: {what} 3 at sequence number 49`.
fn positions<'a>(lines: impl IntoIterator<Item = &'a String>, what: &str) -> Positions {
    let read = |line: &'a String| {
        let (_, rest) = line.split_once(": ")?;
        let (id, number) = rest.strip_prefix(what)?.trim().split_once(" at sequence number ")?;
        Some((id.to_owned(), number.parse().ok()?))
    };
    lines.into_iter().filter_map(read).collect()
}

/// Reads the proof in the last line: how many of the events were processed more than once.
fn repeated(lines: &[String], events: usize) -> usize {
    let start = format!("all {events} events were processed at least once, ");
    let proof = lines.last().and_then(|line| line.strip_prefix(&start));
    let count = proof.and_then(|rest| rest.strip_suffix(" of them more than once"));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no proof: {lines:#?}"))
}

fn succeeded(output: Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{stderr}\n{stdout}", output.status);
    stdout.lines().map(str::to_owned).collect()
}

fn command(name: &str) -> Command {
    let mut command = Command::new(example(name));
    command.env_remove("AZURE_STORAGE_CONNECTION_STRING").env_remove("AZURE_STORAGE_CONTAINER");
    command
}

/// Cargo builds the examples with the tests, into a folder beside the tests' own, but tells no test where.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: `cargo test --test …` alone does not build it, `cargo build --examples` does",
        path.display()
    );
    path
}

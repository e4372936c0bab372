//! Large containers: requests grow with pages, not with partitions or groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, TARGET};
use crate::support::blob_service::{Fault, Gate};

/// The response to the first write is waited for; of the others eight are on their way at a time.
#[test]
fn writes_go_several_at_a_time_after_the_first() {
    const PARTITIONS: usize = 40;
    let bed = Bed::new();
    for id in 0..PARTITIONS {
        bed.checkpoint(&id.to_string(), 500, 3_600);
        bed.partition(&id.to_string(), 100, 999, 60);
    }
    let (writes, gates) = (Arc::new(AtomicUsize::new(0)), [Gate::default(), Gate::default()]);
    let (counted, [first, others]) = (Arc::clone(&writes), gates.clone());
    bed.service.inject(move |request| match request.method.as_str() {
        "PUT" if counted.fetch_add(1, Ordering::SeqCst) == 0 => Fault::Gated(first.clone()),
        "PUT" => Fault::Gated(others.clone()),
        _ => Fault::None,
    });
    let watcher = thread::spawn(move || {
        let seen = gates.each_ref().map(|gate| {
            let seen = settled(&writes);
            gate.open();
            seen
        });
        assert_eq!(seen, [1, 1 + 8]);
    });
    let line = format!("reset {TARGET} --to-earliest --execute --yes --backup {{b.jsonl}}");
    bed.run(&line).ends(Exit::Done).says("Changed: 0-39");
    watcher.join().unwrap();
    assert_eq!(bed.writes(), PARTITIONS);
}

/// The count once it is not zero and has not grown for a while.
fn settled(count: &AtomicUsize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut last = (0, Instant::now());
    loop {
        let now = count.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        if last.0 > 0 && last.1.elapsed() > Duration::from_secs(1) {
            return last.0;
        }
        assert!(Instant::now() < deadline, "nothing is written");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_hub_is_asked_once_for_all_its_groups() {
    let bed = Bed::new();
    bed.partition("0", 0, 999, 60);
    for group in 0..20 {
        let name = GROUP.replace("billing", &format!("g{group}"));
        bed.blob(&format!("{name}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 60);
    }
    let ran = bed.run("lag contoso/telemetry --all-groups -o jsonl").ends(Exit::Done);
    assert_eq!((ran.out.lines().count(), bed.hub_was_asked()), (20, 1));
    // Each look of a watch asks anew.
    bed.run("watch contoso/telemetry/g0 --interval 1ms --count 3 -o jsonl").ends(Exit::Done);
    assert_eq!(bed.hub_was_asked(), 4);
}

#[test]
fn a_list_is_one_request_for_5000_records() {
    let bed = Bed::new();
    for id in 0..6_000 {
        bed.checkpoint(&id.to_string(), 500, 60);
        bed.partition(&id.to_string(), 0, 999, 60);
    }
    let ran = bed.run(&format!("lag {TARGET} -o jsonl")).ends(Exit::Done);
    assert_eq!(ran.out.lines().count(), 6_000);
    assert_eq!(bed.loopback.requests().len(), 2);
    bed.loopback.clear();
    // Checkpoints and owners are in one list.
    bed.owner("0", "worker-a", 10);
    bed.run(&format!("show {TARGET} -p 0 -o jsonl")).ends(Exit::Done).shows("worker-a");
    assert_eq!(bed.loopback.requests().len(), 2);
}

#[test]
fn all_groups_are_read_in_one_list() {
    let bed = Bed::new();
    bed.partition("0", 0, 999, 60);
    for group in 0..2_000 {
        let name = GROUP.replace("billing", &format!("g{group}"));
        bed.blob(&format!("{name}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 60);
        bed.blob(&format!("{name}/ownership/0"), &[("ownerid", "a")], 60);
    }
    for line in [
        "groups -o jsonl",
        "export --all-groups",
        "lag contoso/telemetry --all-groups -o jsonl",
        "lag contoso/telemetry --all-groups -o jsonl --no-hub",
    ] {
        bed.loopback.clear();
        let ran = bed.run(line).ends(Exit::Done);
        assert_eq!(ran.out.lines().count(), 2_000, "{line}");
        assert_eq!(bed.loopback.requests().len(), 1, "{line}");
    }
    assert_eq!(bed.hub_was_asked(), 1);
    bed.loopback.clear();
    let serve = "serve --discover --listen 127.0.0.1:0 --count 1";
    bed.run(serve).ends(Exit::Done);
    assert_eq!((bed.loopback.requests().len(), bed.hub_was_asked()), (1, 2));
    // A hub that is away is not asked for each of its groups.
    bed.hub_is_away();
    bed.run(serve).ends(Exit::Done).says("/telemetry/g1999: the event hub is away");
    assert_eq!(bed.hub_was_asked(), 3);
}

/// A file of many groups is planned from one list of the container, and its owners are looked at in another one.
#[test]
fn an_import_of_many_groups_lists_the_container_and_not_each_group() {
    const GROUPS: usize = 150;
    let bed = Bed::new();
    let name = |group: usize| GROUP.replace("billing", &format!("g{group}"));
    for group in 0..GROUPS {
        let position = [("offset", "1"), ("sequencenumber", "1")];
        bed.blob(&format!("{}/checkpoint/0", name(group)), &position, 600);
    }
    let exported = bed.run("export --all-groups").ends(Exit::Done).out;
    // What is there stays; of the others one has a live owner.
    for group in 0..GROUPS - 10 {
        bed.service.delete(&format!("{}/checkpoint/0", name(group)));
    }
    bed.blob(&format!("{}/ownership/0", name(3)), &[("ownerid", "worker-a")], 10);
    let backup = bed.path("b.jsonl");
    let line = format!("import - --execute --yes --backup {}", backup.display());
    bed.loopback.clear();
    bed.run_with_input(&line, &exported).ends(Exit::Refused).says("/g3 has live owners");
    assert_eq!(bed.loopback.requests().len(), 1);
    bed.service.delete(&format!("{}/ownership/0", name(3)));
    bed.loopback.clear();
    let ran = bed.run_with_input(&line, &exported).ends(Exit::Done);
    ran.says(&format!("Import into {} of {GROUPS} partitions", GROUPS - 10));
    assert_eq!(bed.loopback.requests().len(), 2 + GROUPS - 10);
    let again = bed.run("export --all-groups").ends(Exit::Done).out;
    assert_eq!(again.lines().count(), GROUPS);
}

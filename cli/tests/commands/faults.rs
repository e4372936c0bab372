//! Changes that are cut in the middle: what is said, what it ends with, and that the backup restores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, Ran, TARGET};
use crate::support::blob_service::{Fault, error_reply};

fn stopped() -> Bed {
    stopped_with(8)
}

/// So many partitions that a change is cut long before its end, although several go at a time.
fn stopped_with(partitions: usize) -> Bed {
    let bed = Bed::new();
    for id in 0..partitions {
        bed.checkpoint(&id.to_string(), 500, 3_600);
        bed.partition(&id.to_string(), 100, 999, 60);
    }
    bed
}

const RESET: &str = "--to-earliest --execute --yes --backup {backup.jsonl}";

const MANY: usize = 40;

/// How many partitions are said to be done, to have failed and not to have been tried. Each is as it is said to be.
fn outcomes(bed: &Bed, ran: &Ran) -> [usize; 3] {
    let mut counts = [0; 3];
    for row in ran.rows("changes") {
        let id = row["partition_id"].as_str().unwrap();
        let (index, number) = match row["outcome"].as_str().unwrap() {
            "done" => (0, "99"),
            "failed" => (1, "500"),
            "not tried" => (2, "500"),
            other => panic!("{id}: {other}: {ran}"),
        };
        assert_eq!(bed.stored(id).unwrap().1, number, "{row}: {ran}");
        counts[index] += 1;
    }
    counts
}

fn numbers(bed: &Bed) -> Vec<String> {
    numbers_of(bed, 8)
}

fn numbers_of(bed: &Bed, partitions: usize) -> Vec<String> {
    (0..partitions).map(|id| bed.stored(&id.to_string()).unwrap().1).collect()
}

/// From the third write on the account responds with 503.
fn overload(bed: &Bed) {
    let writes = Arc::new(AtomicUsize::new(0));
    bed.service.inject(move |request| {
        if request.method == "PUT" && writes.fetch_add(1, Ordering::SeqCst) >= 3 {
            Fault::Respond(error_reply(503, "ServerBusy", "The server is busy."))
        } else {
            Fault::None
        }
    });
}

#[test]
fn a_failing_account_ends_a_change_in_the_middle_and_the_backup_restores() {
    let bed = stopped_with(MANY);
    overload(&bed);
    let line = format!("reset {TARGET} {RESET} --timeout 1s -o json");
    let ran = bed.run(&line).ends(Exit::Partly).says("Changed: 0").says("Not changed: ");
    let ran = ran.says("error: partition ").says("import ").says("--overwrite --execute");
    let [done, failed, not_tried] = outcomes(&bed, &ran);
    assert!(done == 3 && (1..=8).contains(&failed) && not_tried >= MANY - 11, "{ran}");
    bed.service.clear_faults();
    bed.run("import {backup.jsonl} --overwrite --execute --yes --backup {second.jsonl}")
        .ends(Exit::Done);
    assert_eq!(numbers_of(&bed, MANY), ["500"; MANY]);
}

#[test]
fn a_change_that_never_began_is_a_failure() {
    let bed = stopped();
    bed.service.inject(|request| match request.method.as_str() {
        "PUT" => {
            Fault::Respond(error_reply(403, "AuthorizationPermissionMismatch", "No permission."))
        }
        _ => Fault::None,
    });
    bed.run(&format!("reset {TARGET} {RESET}")).ends(Exit::Failed).says("Failed: 0");
    assert_eq!(numbers(&bed), ["500"; 8]);
}

/// The consumers start after the plan was made, when the first conditional write is on its way.
#[test]
fn a_fleet_that_starts_meanwhile_is_left_alone() {
    let bed = stopped();
    let (service, name) = (bed.service.clone(), format!("{GROUP}/checkpoint/0"));
    let mut has_started = false;
    bed.service.inject(move |request| {
        if request.method == "PUT" && !std::mem::replace(&mut has_started, true) {
            service.put(&name, &[("offset", "51000"), ("sequencenumber", "510")]);
        }
        Fault::None
    });
    bed.run(&format!("reset {TARGET} {RESET}"))
        .ends(Exit::Refused)
        .says("Changed by another writer: 0");
    assert_eq!(numbers(&bed)[0], "510");
    assert_eq!(numbers(&bed)[1..], ["500"; 7]);
}

/// They claim between the plan and the change.
#[test]
fn owners_that_come_after_the_plan_forbid_the_change() {
    let bed = stopped();
    let (service, name) = (bed.service.clone(), format!("{GROUP}/ownership/0"));
    let mut lists = 0;
    bed.service.inject(move |request| {
        // The plan lists both kinds of records together; the owners alone are listed just before the change.
        let is_list = request.method == "GET" && request.target.contains("ownership");
        lists += usize::from(is_list);
        if is_list && lists == 1 {
            service.put(&name, &[("ownerid", "worker-new")]);
        }
        Fault::None
    });
    bed.run(&format!("reset {TARGET} {RESET}")).ends(Exit::Refused).says("worker-new");
    assert_eq!(numbers(&bed), ["500"; 8]);
    assert!(!bed.path("backup.jsonl").exists());
}

#[test]
fn an_interrupted_change_says_what_was_written() {
    let bed = stopped_with(MANY);
    let interrupted = Arc::clone(&bed.interrupted);
    let mut writes = 0;
    bed.service.inject(move |request| {
        writes += usize::from(request.method == "PUT");
        interrupted.fetch_or(writes == 2, Ordering::SeqCst);
        Fault::None
    });
    let ran = bed.run(&format!("reset {TARGET} {RESET} -o json")).ends(Exit::Interrupted);
    let ran = ran.says("Changed: 0").says("Not changed: ").says("--overwrite --execute");
    let [done, failed, not_tried] = outcomes(&bed, &ran);
    // What was on its way is finished.
    assert!((2..=10).contains(&done) && failed == 0 && not_tried >= MANY - 10, "{ran}");
}

/// What other programs, and people, leave in containers: every command that reads goes on, and shows what is readable.
#[test]
fn odd_blobs_stop_no_command() {
    let bed = stopped();
    let long = "9".repeat(700);
    for (name, metadata) in [
        (format!("{GROUP}/checkpoint/x"), vec![("offset", "é\u{1b}[2J"), ("sequencenumber", "7")]),
        (format!("{GROUP}/checkpoint/y"), vec![("offset", ""), ("sequencenumber", "NaN")]),
        (format!("{GROUP}/checkpoint/z"), vec![("sequencenumber", &long)]),
        (format!("{GROUP}/checkpoint/"), vec![("offset", "1")]),
        (format!("{GROUP}/checkpoint/0/more"), vec![("offset", "1")]),
        (format!("{GROUP}/ownership/x"), vec![("ownerid", "\u{202e}<b>\"'`$(reboot)")]),
        (format!("{GROUP}/ownership/y"), vec![]),
        (format!("{GROUP}/lease/0"), vec![("ownerid", "a")]),
        ("readme.txt".to_owned(), vec![]),
        ("a//b//checkpoint//0".to_owned(), vec![("offset", "1")]),
    ] {
        bed.blob(&name, &metadata, 60);
    }
    for line in [
        "groups".to_owned(),
        format!("show {TARGET}"),
        format!("lag {TARGET}"),
        format!("watch {TARGET} --count 1"),
        format!("export {TARGET} --with-owners"),
        "export --all-groups".to_owned(),
    ] {
        let ran = bed.run(&line).ends(Exit::Done);
        assert!(!ran.out.contains('\u{1b}'), "{line}: {ran}");
        assert!(ran.out.contains("billing"), "{line}: {ran}");
    }
    bed.run(&format!("doctor {TARGET}")).ends(Exit::Findings).shows("y");
    bed.run(&format!("check {TARGET}")).ends(Exit::Findings);
    // The partitions that are whole can be reset.
    bed.run(&format!("reset {TARGET} -p 0-7 {RESET} --force")).ends(Exit::Done);
    assert_eq!(numbers(&bed), ["99"; 8]);
}

#[test]
fn nothing_is_changed_without_a_backup() {
    let bed = stopped();
    let line =
        format!("reset {TARGET} --to-earliest --execute --yes --backup {{no/such/folder.jsonl}}");
    bed.run(&line).ends(Exit::Failed).says("nothing was changed");
    assert_eq!(bed.writes(), 0);
}

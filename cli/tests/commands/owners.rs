//! Live owners: what is refused, waited for, and released.

use std::thread;
use std::time::Duration;

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, TARGET};

fn running() -> Bed {
    let bed = Bed::new();
    for id in ["0", "1"] {
        bed.checkpoint(id, 500, 20);
        bed.owner(id, "worker-a", 10);
        bed.partition(id, 100, 999, 60);
    }
    bed
}

fn owner(bed: &Bed, id: &str) -> String {
    bed.service.blob(&format!("{GROUP}/ownership/{id}")).unwrap().metadata[0].1.clone()
}

#[test]
fn live_owners_forbid_a_change_and_are_named() {
    let bed = running();
    for line in ["reset --to-earliest", "delete"] {
        let (command, flags) = line.split_once(' ').unwrap_or((line, ""));
        for execute in ["", "--execute --yes --backup {b.jsonl}"] {
            let ran = bed.run(&format!("{command} {TARGET} {flags} {execute}")).ends(Exit::Refused);
            ran.says("worker-a (renewed 1").says("--wait");
        }
    }
    assert_eq!(bed.writes(), 0);
    bed.run(&format!("reset {TARGET} --to-earliest --force --execute --yes --backup {{b.jsonl}}"))
        .ends(Exit::Done);
    assert_eq!(bed.stored("0"), Some(("-1".into(), "99".into())));
}

#[test]
fn an_expired_owner_forbids_nothing() {
    let bed = running();
    bed.run(&format!("reset {TARGET} --to-earliest --expiration 5s")).ends(Exit::Done);
}

#[test]
fn it_waits_until_the_consumers_have_stopped_and_plans_anew() {
    let bed = running();
    let service = bed.service.clone();
    let consumer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        // A last checkpoint, then the partitions are given up.
        for id in ["0", "1"] {
            let position = [("offset", "60000"), ("sequencenumber", "600")];
            service.put(&format!("{GROUP}/checkpoint/{id}"), &position);
            service.put(&format!("{GROUP}/ownership/{id}"), &[("ownerid", "")]);
        }
    });
    let line =
        format!("reset {TARGET} --to-earliest --wait 60s --execute --yes --backup {{b.jsonl}}");
    bed.run(&line)
        .ends(Exit::Done)
        .says("Waiting for owners to stop: worker-a")
        .says("replay 1,002 events");
    consumer.join().unwrap();
    assert_eq!(bed.stored("1"), Some(("-1".into(), "99".into())));
    assert!(
        std::fs::read_to_string(bed.path("b.jsonl")).unwrap().contains("\"sequence_number\":600")
    );
}

#[test]
fn a_wait_that_is_over_is_a_refusal() {
    let bed = running();
    let line =
        format!("reset {TARGET} --to-earliest --wait 100ms --execute --yes --backup {{b.jsonl}}");
    bed.run(&line).ends(Exit::Refused).says("owners are still live");
    assert_eq!(bed.writes(), 0);
}

#[test]
fn a_release_takes_expired_owners_out() {
    let bed = running();
    bed.owner("2", "worker-gone", 500);
    bed.run(&format!("release {TARGET}"))
        .ends(Exit::Done)
        .says("Release 1 of 3 partitions")
        .shows("its owner is live");
    bed.run(&format!("release {TARGET} --execute --yes --backup {{b.jsonl}}")).ends(Exit::Done);
    assert_eq!((owner(&bed, "0").as_str(), owner(&bed, "2").as_str()), ("worker-a", ""));
}

#[test]
fn a_live_owner_is_released_by_force_only() {
    let bed = running();
    bed.owner("1", "worker-b", 10);
    bed.run(&format!("release {TARGET} -p 0")).ends(Exit::Refused).says("worker-a is live");
    bed.run(&format!("release {TARGET} --owner worker-a")).ends(Exit::Refused).says("--force");
    let line =
        format!("release {TARGET} --owner worker-a --force --execute --yes --backup {{b.jsonl}}");
    bed.run(&line).ends(Exit::Done).says("at its next renewal");
    assert_eq!((owner(&bed, "0").as_str(), owner(&bed, "1").as_str()), ("", "worker-b"));
    bed.run(&format!("release {TARGET} --owner nobody")).ends(Exit::NothingFound);
}

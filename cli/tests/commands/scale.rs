//! Large containers: requests grow with pages, not with partitions or groups.

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, TARGET};

#[test]
fn a_list_is_one_request_for_5000_partitions() {
    let bed = Bed::new();
    for id in 0..6_000 {
        bed.checkpoint(&id.to_string(), 500, 60);
        bed.partition(&id.to_string(), 0, 999, 60);
    }
    let ran = bed.run(&format!("lag {TARGET} -o jsonl")).ends(Exit::Done);
    assert_eq!(ran.out.lines().count(), 6_000);
    // Two pages of checkpoints, one of owners.
    assert_eq!(bed.loopback.requests().len(), 3);
}

#[test]
fn all_groups_are_counted_in_one_list() {
    let bed = Bed::new();
    for group in 0..2_000 {
        let name = GROUP.replace("billing", &format!("g{group}"));
        bed.blob(&format!("{name}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 60);
        bed.blob(&format!("{name}/ownership/0"), &[("ownerid", "a")], 60);
    }
    let ran = bed.run("groups -o jsonl").ends(Exit::Done);
    assert_eq!(ran.out.lines().count(), 2_000);
    assert_eq!(bed.loopback.requests().len(), 1);
}

//! `reset`, `delete` and `copy`: plans, questions, what is written.

use eventhub_checkpoints::exit::Exit;
use serde_json::json;

use crate::bed::{Bed, GROUP, TARGET};
use crate::support::blob_service::{Fault, error_reply};

/// Four partitions whose consumers have stopped.
fn stopped() -> Bed {
    let bed = Bed::new();
    for id in ["0", "1", "2", "3"] {
        bed.checkpoint(id, 500, 3_600);
        bed.owner(id, "", 3_000);
        bed.partition(id, 100, 999, 60);
    }
    bed
}

fn backup(bed: &Bed) -> String {
    format!("--backup {{{}}}", bed.path("backup.jsonl").file_name().unwrap().display())
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let bed = stopped();
    let ran = bed.run(&format!("reset {TARGET} --to-earliest")).ends(Exit::Done);
    let ran = ran
        .says("Move 4 of 4 partitions, replay 1,604 events, skip 0.")
        .says("Dry run")
        .shows("write");
    assert!(ran.out.contains("500") && ran.out.contains("99"), "{ran}");
    assert_eq!(bed.writes(), 0);
    assert_eq!(std::fs::read_dir(bed.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_reset_writes_offset_and_number_of_the_event_before() {
    let bed = stopped();
    let backup = backup(&bed);
    let execute = format!("--execute --yes {backup}");
    bed.run(&format!("reset {TARGET} --to-earliest -p 0 {execute}"))
        .ends(Exit::Done)
        .says("Changed: 0");
    assert_eq!(bed.stored("0"), Some(("-1".into(), "99".into())));
    assert_eq!(bed.stored("1"), Some(("50000".into(), "500".into())));
    let again = |args: &str| {
        std::fs::remove_file(bed.path("backup.jsonl")).unwrap();
        bed.run(&format!("reset {TARGET} {args} {execute}"))
    };
    again("--to-latest -p 1").ends(Exit::Done).says("replay 0 events, skip 499");
    assert_eq!(bed.stored("1"), Some(("99900".into(), "999".into())));
    again("--to-offset 77 --sequence-number 300 -p 2").ends(Exit::Done);
    assert_eq!(bed.stored("2"), Some(("77".into(), "300".into())));
    again("--to-sequence 100 -p 3").ends(Exit::Done);
    assert_eq!(bed.stored("3"), Some(("-1".into(), "99".into())));
}

#[test]
fn an_event_in_between_is_not_guessed() {
    let bed = stopped();
    bed.run(&format!("reset {TARGET} --to-sequence 300")).ends(Exit::Usage).says("--via-group");
    bed.run(&format!("reset {TARGET} --shift-by -5")).ends(Exit::Usage).says("--via-group");
    let same = format!("reset {TARGET} --shift-by -5 --via-group Billing");
    bed.run(&same).ends(Exit::Usage).says("must not be the group of the target");
    bed.run(&format!("reset {TARGET} --to-datetime yesterday --via-group tools"))
        .ends(Exit::Usage)
        .says("2026-11-28T20:00:00Z");
    bed.run(&format!("reset {TARGET} --to-latest --no-hub")).ends(Exit::Usage).says("--no-hub");
    bed.run(&format!("reset {TARGET} --to-earliest --no-hub")).ends(Exit::Done).says("KEDA");
    bed.run(&format!("reset {TARGET} --to-earliest -p 7"))
        .ends(Exit::NothingFound)
        .says("no partition 7");
}

#[test]
fn without_a_terminal_and_without_yes_it_refuses() {
    let bed = stopped();
    bed.run(&format!("reset {TARGET} --to-earliest --execute")).ends(Exit::Refused).says("--yes");
    assert_eq!(bed.writes(), 0);
}

#[test]
fn on_a_terminal_it_asks() {
    for (answer, exit) in [
        ("y", Exit::Done),
        ("YES", Exit::Done),
        ("n", Exit::Refused),
        ("", Exit::Refused),
        ("x", Exit::Refused),
    ] {
        let bed = stopped().answering(answer);
        let line = format!("reset {TARGET} --to-earliest --execute {}", backup(&bed));
        bed.run(&line)
            .ends(exit)
            .says("Move 4 of 4 partitions, replay 1,604 events, skip 0? [y/N]");
        assert_eq!(bed.writes(), if exit == Exit::Done { 4 } else { 0 }, "{answer:?}");
        assert_eq!(bed.path("backup.jsonl").exists(), exit == Exit::Done);
    }
    let bed = stopped().answering("y");
    bed.run(&format!("reset {TARGET} --to-earliest --execute --no-input")).ends(Exit::Refused);
}

#[test]
fn the_backup_restores_what_was_there() {
    let bed = stopped();
    bed.service.delete(&format!("{GROUP}/checkpoint/2"));
    let before: Vec<_> = (0..4).map(|id| bed.stored(&id.to_string())).collect();
    bed.run(&format!("reset {TARGET} --to-latest --execute --yes {}", backup(&bed)))
        .ends(Exit::Done);
    assert_eq!(bed.stored("2"), Some(("99900".into(), "999".into())));
    // A backup is not overwritten.
    bed.run(&format!("reset {TARGET} --to-earliest --execute --yes {}", backup(&bed)))
        .ends(Exit::Failed)
        .says("backup");
    assert_eq!(bed.stored("2"), Some(("99900".into(), "999".into())));
    bed.run("import {backup.jsonl} --overwrite --execute --yes --backup {second.jsonl}")
        .ends(Exit::Done);
    let after: Vec<_> = (0..4).map(|id| bed.stored(&id.to_string())).collect();
    assert_eq!(after, before);
}

#[test]
fn nothing_to_change_asks_nobody() {
    let bed = stopped();
    let line = format!("reset {TARGET} --to-offset 50000 --sequence-number 500 --execute");
    bed.run(&line).ends(Exit::Done).says("Nothing to change").shows("it has this position already");
    assert_eq!(bed.writes(), 0);
}

#[test]
fn positions_come_from_a_file_or_another_group() {
    let bed = stopped();
    let other = GROUP.replace("billing", "other");
    bed.blob(&format!("{other}/checkpoint/1"), &[("offset", "7"), ("sequencenumber", "700")], 60);
    let execute = format!("--execute --yes {}", backup(&bed));
    bed.run(&format!("reset {TARGET} --from-group other {execute}"))
        .ends(Exit::Done)
        .says("Move 1 of 4");
    assert_eq!(bed.stored("1"), Some(("7".into(), "700".into())));
    assert_eq!(bed.stored("0"), Some(("50000".into(), "500".into())));

    bed.run("export contoso/telemetry/other {positions.jsonl}").ends(Exit::Done);
    let line = format!("reset {TARGET} --from-file {{positions.jsonl}} -o json");
    let rows = bed.run(&line).ends(Exit::Done).rows("changes");
    assert_eq!(rows[1]["reason"], "it has this position already");
    assert_eq!(rows[0]["reason"], "no position is given for it");
}

#[test]
fn data_formats_have_plan_and_outcome_in_one_document() {
    let bed = stopped();
    let line =
        format!("reset {TARGET} --to-latest -p 0-1 -o json --execute --yes {}", backup(&bed));
    let rows = bed.run(&line).ends(Exit::Done).rows("changes");
    let row = &rows[1];
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&row["from_sequence_number"], &row["to_sequence_number"]),
        (&json!(500), &json!(999))
    );
    assert_eq!(
        (&row["replay"], &row["skip"], &row["outcome"]),
        (&json!(0), &json!(499), &json!("done"))
    );
}

#[test]
fn a_deletion_warns_of_consumers_that_start_at_the_latest_event() {
    let bed = stopped();
    let ran = bed.run(&format!("delete {TARGET} -p 1-2")).ends(Exit::Done);
    ran.says("start at the latest event").says("Delete records of 2 of 2 partitions");
    assert_eq!(bed.writes(), 0);
    bed.run(&format!("delete {TARGET} -p 1-2 --execute --yes {}", backup(&bed))).ends(Exit::Done);
    assert_eq!((bed.stored("1"), bed.stored("2")), (None, None));
    assert!(bed.stored("0").is_some());
    bed.run(&format!("delete {TARGET} -p 1")).ends(Exit::NothingFound);
    bed.run("import {backup.jsonl} --execute --yes --backup {second.jsonl}").ends(Exit::Done);
    assert_eq!(bed.stored("1"), Some(("50000".into(), "500".into())));
}

#[test]
fn a_copy_leaves_existing_checkpoints_alone() {
    let bed = stopped();
    let other = GROUP.replace("billing", "other");
    bed.blob(&format!("{other}/checkpoint/1"), &[("offset", "7"), ("sequencenumber", "700")], 60);
    bed.blob(&format!("{other}/checkpoint/2"), &[("offset", "7"), ("sequencenumber", "300")], 60);
    let number = |id: &str| {
        let blob = bed.service.blob(&format!("{other}/checkpoint/{id}")).unwrap();
        blob.metadata.iter().find(|(key, _)| key == "sequencenumber").unwrap().1.clone()
    };
    let copy = |args: &str| bed.run(&format!("copy {TARGET} contoso/telemetry/other {args}"));
    copy("")
        .ends(Exit::Done)
        .says("Copy to 2 of 4 partitions")
        .shows("1-2: kept, there is a checkpoint.");
    copy("--execute --yes --backup {a.jsonl}").ends(Exit::Done);
    assert_eq!(["0", "1", "2", "3"].map(number), ["500", "700", "300", "500"]);
    copy("--if-newer --execute --yes --backup {b.jsonl}").ends(Exit::Done);
    assert_eq!(["0", "1", "2", "3"].map(number), ["500", "700", "500", "500"]);
    copy("--overwrite --execute --yes --backup {c.jsonl}").ends(Exit::Done);
    assert_eq!(["0", "1", "2", "3"].map(number), ["500", "500", "500", "500"]);
    bed.run(&format!("copy {TARGET} {TARGET}")).ends(Exit::Usage).says("the same");
}

#[test]
fn a_copy_can_go_to_the_other_spelling() {
    let bed = stopped();
    let line = format!(
        "copy {TARGET} Contoso.servicebus.windows.net/Telemetry/$Default --to-name-case as-given"
    );
    bed.run(&format!("{line} --execute --yes {}", backup(&bed))).ends(Exit::Done);
    assert!(
        bed.service
            .blob("Contoso.servicebus.windows.net/Telemetry/$Default/checkpoint/3")
            .is_some()
    );
}

#[test]
fn a_copy_can_go_to_another_account() {
    let (mut bed, there) = (stopped(), Bed::new());
    let url = there.loopback.url();
    let line = format!(
        "copy {TARGET} {TARGET} --to-storage-url {url} --to-account acct --execute --yes {}",
        backup(&bed)
    );
    bed.run(&line).ends(Exit::Usage).says("credential");
    bed.set_var("TO_AZURE_STORAGE_KEY", "c2VjcmV0");
    bed.run(&line).ends(Exit::Done);
    assert_eq!(there.stored("3"), Some(("50000".into(), "500".into())));
    assert_eq!(bed.writes(), 0);
}

#[test]
fn a_copy_can_go_to_another_container() {
    let bed = stopped();
    let there = bed.service.with_another_container("elsewhere");
    let written = [("offset", "7"), ("sequencenumber", "700")];
    there.put(&format!("{GROUP}/checkpoint/1"), &written);
    let number = |id: &str| {
        let blob = there.blob(&format!("{GROUP}/checkpoint/{id}"))?;
        blob.metadata.iter().find(|(key, _)| key == "sequencenumber").map(|pair| pair.1.clone())
    };
    let line = format!("copy {TARGET} {TARGET} --to-container elsewhere");
    bed.run(&line).ends(Exit::Done).says("Copy to 3 of 4 partitions").says("Dry run");
    assert_eq!(bed.writes(), 0);
    let execute = "--overwrite --execute --yes --backup {backup.jsonl}";
    bed.run(&format!("{line} {execute}")).ends(Exit::Done).says("Changed: 0-3");
    assert_eq!(["0", "1", "2", "3"].map(number), ["500"; 4].map(|text| Some(text.to_owned())));
    // Only there: the container that is read is as it was.
    let written = bed.service.history().into_iter().filter(|write| write.request.is_some());
    assert!(written.into_iter().all(|write| write.container == "elsewhere"));
    assert_eq!(bed.stored("1"), Some(("50000".into(), "500".into())));
    // The backup has what was there, and restores it there.
    bed.run("import {backup.jsonl} -c elsewhere --overwrite --execute --yes --backup {c.jsonl}")
        .ends(Exit::Done);
    assert_eq!(number("1"), Some("700".to_owned()));
    // It is the group there that must have stopped.
    there.put(&format!("{GROUP}/ownership/1"), &[("ownerid", "worker-a")]);
    bed.run(&format!("{line} --overwrite")).ends(Exit::Refused).says("worker-a");
    there.delete(&format!("{GROUP}/ownership/1"));
    let mut writes = 0;
    bed.service.inject(move |request| {
        writes += usize::from(request.method == "PUT");
        let is_denied = request.method == "PUT" && writes > 1;
        if is_denied {
            let text = "No permission.";
            Fault::Respond(error_reply(403, "AuthorizationPermissionMismatch", text))
        } else {
            Fault::None
        }
    });
    for id in ["0", "1", "2", "3"] {
        there.put(&format!("{GROUP}/checkpoint/{id}"), &[("offset", "1"), ("sequencenumber", "1")]);
    }
    bed.run(&format!("{line} --overwrite --execute --yes --backup {{d.jsonl}}"))
        .ends(Exit::Partly)
        .says("d.jsonl --container elsewhere --overwrite --execute");
    bed.service.clear_faults();
    bed.run(&format!("copy {TARGET} {TARGET} --to-container none"))
        .ends(Exit::Failed)
        .says("the container does not exist");
}

#[test]
fn ownership_records_are_deleted_by_their_versions() {
    let bed = stopped();
    let has = |id: &str| bed.service.blob(&format!("{GROUP}/ownership/{id}")).is_some();
    bed.run(&format!("delete {TARGET} --ownerships -p 0 --execute --yes --backup {{a.jsonl}}"))
        .ends(Exit::Done);
    assert!(!has("0") && has("1") && bed.stored("0").is_some());
    bed.run(&format!("delete {TARGET} --all -p 1 --execute --yes --backup {{b.jsonl}}"))
        .ends(Exit::Done);
    assert!(!has("1") && has("2") && bed.stored("1").is_none());
}

#[test]
fn an_unreadable_checkpoint_can_be_repaired() {
    let bed = stopped();
    let broken = |id: &str| bed.blob(&format!("{GROUP}/checkpoint/{id}"), &[("offset", "")], 60);
    broken("0");
    broken("1");
    bed.run(&format!("reset {TARGET} --to-earliest -p 0 --execute --yes --backup {{a.jsonl}}"))
        .ends(Exit::Done);
    assert_eq!(bed.stored("0"), Some(("-1".into(), "99".into())));
    bed.run(&format!("delete {TARGET} -p 1 --execute --yes --backup {{b.jsonl}}")).ends(Exit::Done);
    assert_eq!(bed.stored("1"), None);
}

/// Where each is: what is missing is completed, and what is whole stays.
#[test]
fn a_reset_to_where_they_are_completes_positions() {
    let bed = stopped();
    let stored = |id: &str, offset: &str, number: &str| {
        let metadata = [("offset", offset), ("sequencenumber", number)];
        bed.blob(&format!("{GROUP}/checkpoint/{id}"), &metadata, 3_600);
    };
    bed.service.delete(&format!("{GROUP}/checkpoint/0"));
    stored("1", "99900", "");
    stored("2", "", "999");
    for (id, offset, number) in
        [("4", "-1", ""), ("5", "", "42"), ("6", "", "700"), ("7", "70000", "")]
    {
        bed.partition(id, 100, 999, 60);
        stored(id, offset, number);
    }
    let line = format!("reset {TARGET} --to-current");
    bed.run(&line).ends(Exit::Done).says("Move 5 of 8 partitions, replay 0 events");
    assert_eq!(bed.writes(), 0);
    bed.run(&format!("{line} --execute --yes {}", backup(&bed))).ends(Exit::Done);
    let now = |id: &str| bed.stored(id).unwrap();
    let end = ("99900".to_owned(), "999".to_owned());
    assert_eq!([now("0"), now("1"), now("2")], [end.clone(), end.clone(), end]);
    assert_eq!(now("3"), ("50000".into(), "500".into()));
    assert_eq!(now("4"), ("-1".into(), "99".into()));
    assert_eq!(now("5"), ("-1".into(), "42".into()));
    // Only reading events tells the offsets between the first and the last event.
    assert_eq!([now("6"), now("7")], [("".into(), "700".into()), ("70000".into(), "".into())]);
    let ran = bed.run(&line).ends(Exit::Done).says("Nothing to change");
    ran.shows("6-7: kept, its missing part is known only by reading its event");
    let line = format!("{line} --via-group tools --execute --yes --backup {{read.jsonl}}");
    bed.run(&line).ends(Exit::Done).says("Changed: 6-7").says("replay 0 events");
    assert_eq!(
        [now("6"), now("7")],
        ["70000", "70000"].map(|offset| (offset.into(), "700".into()))
    );
    // Of an offset whose event is gone, the next event is the first that is received.
    stored("7", "5050", "");
    bed.run(&line.replace("read.jsonl", "gone.jsonl")).ends(Exit::Done);
    assert_eq!(now("7"), ("5050".into(), "99".into()));
}

/// An event a second came, the last, 999, a minute ago; 100 is the first that is kept.
#[test]
fn a_reset_by_time_stores_the_event_before_the_first_of_that_time() {
    let bed = stopped();
    let mut count = 0;
    let mut resets_to = |goal: &str, id: &str| {
        count += 1;
        let line = format!(
            "reset {TARGET} {goal} --via-group tools -p {id} --execute --yes --backup {{{count}}}"
        );
        bed.run(&line).ends(Exit::Done);
        let (offset, number) = bed.stored(id).unwrap();
        (offset, number.parse::<i64>().unwrap())
    };
    let time = |seconds| {
        let moment = bed.ago(seconds).duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let moment = jiff::Timestamp::from_second(moment.as_secs().try_into().unwrap()).unwrap();
        format!("--to-datetime {moment}")
    };
    // The event of 160 s ago is 899 and the next received one, so 898 is what was processed.
    let (offset, number) = resets_to(&time(160), "0");
    assert!((895..=901).contains(&number), "{number}");
    assert_eq!(offset, format!("{number}00"));
    // Before the first that is kept, and after the last.
    assert_eq!(resets_to(&time(5_000), "1"), ("-1".to_owned(), 99));
    assert_eq!(resets_to(&time(1), "2"), ("99900".to_owned(), 999));
    let (_, number) = resets_to("--by-duration 160s", "3");
    assert!((895..=905).contains(&number), "{number}");
    assert_eq!(resets_to("--to-sequence 300", "0"), ("29900".to_owned(), 299));
    assert_eq!(resets_to("--shift-by -100", "0"), ("19900".to_owned(), 199));
    assert_eq!(resets_to("--shift-by 50", "0"), ("24900".to_owned(), 249));
    assert_eq!(resets_to("--shift-by -9999", "0"), ("-1".to_owned(), 99));
}

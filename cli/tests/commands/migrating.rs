//! `migrate` and `doctor`.

use eventhub_checkpoints::exit::Exit;

use crate::bed::{Bed, GROUP, TARGET};
use crate::reading::fleet;
use crate::support::blob_service::{Fault, ForeignBlob, error_reply};

fn legacy(bed: &Bed, name: &str, number: i64) {
    let content = format!(r#"{{"Offset":"{}","SequenceNumber":{number}}}"#, number * 100);
    bed.service.put_with(ForeignBlob::new(name).content(content));
}

const EXECUTE: &str = "--execute --yes --backup {b.jsonl}";

#[test]
fn legacy_checkpoints_are_taken_over_where_there_are_none() {
    let bed = Bed::new();
    legacy(&bed, &format!("{GROUP}/0"), 10);
    legacy(&bed, &format!("{GROUP}/1"), 20);
    bed.checkpoint("1", 500, 60);
    let ran = bed.run(&format!("migrate {TARGET}")).ends(Exit::Done);
    ran.says("Layout: functions")
        .says("Migrate 1 of 2 partitions")
        .shows("1: kept, there is a checkpoint.");
    bed.run(&format!("migrate {TARGET} {EXECUTE}")).ends(Exit::Done);
    assert_eq!(bed.stored("0"), Some(("1000".into(), "10".into())));
    assert_eq!(bed.stored("1"), Some(("50000".into(), "500".into())));
    bed.run(&format!("migrate {TARGET} --layout dapr")).ends(Exit::NothingFound);
}

#[test]
fn legacy_checkpoints_may_be_in_a_container_of_their_own() {
    let bed = Bed::new();
    let older = bed.service.with_another_container("azure-webjobs-eventhub");
    for (id, number) in [("0", 10), ("1", 20)] {
        let content = format!(r#"{{"Offset":"{number}00","SequenceNumber":{number}}}"#);
        older.put_with(ForeignBlob::new(&format!("{GROUP}/{id}")).content(content));
    }
    bed.run(&format!("migrate {TARGET}"))
        .ends(Exit::NothingFound)
        .says("container checkpoints has no legacy checkpoints");
    let line = format!("migrate {TARGET} --from-container azure-webjobs-eventhub");
    bed.run(&line).ends(Exit::Done).says("Migrate 2 of 2 partitions").says("Dry run");
    assert_eq!(bed.writes(), 0);
    bed.run(&format!("{line} -p 1 {EXECUTE}")).ends(Exit::Done);
    assert_eq!((bed.stored("0"), bed.stored("1")), (None, Some(("2000".into(), "20".into()))));
    let written = bed.service.history().into_iter().filter(|write| write.request.is_some());
    assert!(written.into_iter().all(|write| write.container == "checkpoints"));
    bed.run(&format!("migrate {TARGET} --from-container none"))
        .ends(Exit::Failed)
        .says("the container does not exist");
}

#[test]
fn of_two_layouts_the_user_chooses() {
    let bed = Bed::new();
    legacy(&bed, &format!("{GROUP}/0"), 10);
    legacy(&bed, "dapr-telemetry-billing-0", 20);
    bed.run(&format!("migrate {TARGET}"))
        .ends(Exit::Refused)
        .says("functions, dapr")
        .says("--layout");
    bed.run(&format!("migrate {TARGET} --layout dapr {EXECUTE}")).ends(Exit::Done);
    assert_eq!(bed.stored("0"), Some(("2000".into(), "20".into())));
}

#[test]
fn the_doctor_finds_problems_and_names_the_remedy() {
    let bed = fleet();
    bed.blob(&format!("{GROUP}/checkpoint/7"), &[("offset", ""), ("sequencenumber", "")], 60);
    bed.blob(&format!("{GROUP}/checkpoint/8"), &[("offset", "5"), ("sequencenumber", "")], 60);
    legacy(&bed, &format!("{GROUP}/0"), 10);
    let ran = bed.run(&format!("doctor {TARGET}")).ends(Exit::Findings);
    let ran = ran
        .shows("1: a live owner stores no checkpoints")
        .shows("3: retention passed the checkpoint")
        .shows("2, 7: no checkpoint")
        .shows("7: it has neither an offset nor a sequence number")
        .shows("8: no sequence number, which KEDA and Go need")
        .shows("7-8: the hub has no such partition")
        .shows("3: the owner has not renewed for 2m")
        .shows("1 under contoso.servicebus.windows.net/telemetry/billing/{partition}")
        .shows("eventhub-checkpoints reset 'contoso.servicebus.windows.net/telemetry/billing' --to-earliest -p 3")
        .shows("eventhub-checkpoints release ");
    assert_eq!(bed.writes(), 0, "{ran}");
    // Without a target it looks at every group.
    bed.run("doctor").ends(Exit::Findings).shows("3: retention passed");
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_healthy_fleet() {
    let bed = Bed::new();
    for id in ["0", "1"] {
        bed.checkpoint(id, 500, 20);
        bed.owner(id, &format!("worker-{id}"), 10);
        bed.partition(id, 100, 500, 60);
    }
    let ran = bed.run(&format!("doctor {TARGET} -o json")).ends(Exit::Done);
    let findings = ran.rows("findings");
    assert!(
        findings.len() > 10 && findings.iter().all(|finding| finding["result"] == "ok"),
        "{ran}"
    );
}

#[test]
fn the_doctor_tells_what_the_credential_lacks() {
    let bed = fleet();
    bed.service.inject(|request| match request.method.as_str() {
        "PUT" => {
            Fault::Respond(error_reply(403, "AuthorizationPermissionMismatch", "No permission."))
        }
        _ => Fault::None,
    });
    bed.run(&format!("doctor {TARGET} --no-hub"))
        .ends(Exit::Findings)
        .shows("Storage Blob Data Contributor");
    bed.service.clear_faults();
    bed.service.set_clock_offset(-30);
    bed.run(&format!("doctor {TARGET} --no-hub")).shows("differ by");
    bed.hub_is_away();
    bed.run(&format!("doctor {TARGET}")).ends(Exit::Findings).shows("the event hub is away");
}

#[test]
fn the_doctor_looks_at_the_container_and_its_account() {
    let line = format!("doctor {TARGET} --no-hub");
    let looked = |change: &dyn Fn(&Bed)| {
        let bed = Bed::new();
        bed.checkpoint("0", 500, 20);
        change(&bed);
        bed.run(&line)
    };
    let well = looked(&|_| ()).ends(Exit::Done).shows("nothing prevents writing");
    well.shows("StorageV2, Standard_LRS").shows("it is off");
    let header = |name: &'static str, value: &'static str| {
        looked(&move |bed| bed.service.set_container_header(name, value))
    };
    let held = header("x-ms-has-legal-hold", "true").ends(Exit::Findings);
    held.shows("a legal hold prevents changes to blobs").shows("problem");
    header("x-ms-has-immutability-policy", "true")
        .ends(Exit::Findings)
        .shows("an immutability policy prevents");
    header("x-ms-blob-public-access", "container")
        .ends(Exit::Findings)
        .shows("anyone can read and list its blobs");
    header("x-ms-immutable-storage-with-versioning-enabled", "true")
        .ends(Exit::Findings)
        .shows("it keeps versions");
    header("x-ms-lease-state", "leased").ends(Exit::Done).shows("its lease is leased");
    looked(&|bed| bed.service.set_delete_retention_days(Some(7)))
        .ends(Exit::Findings)
        .shows("keeps deleted and overwritten blobs for 7 days");
    looked(&|bed| bed.service.set_hierarchical(true))
        .ends(Exit::Findings)
        .shows("hierarchical namespace");
    // Who may not ask is not told off for it.
    let denied = looked(&|bed| {
        bed.service.inject(|request| {
            let is_asked = request.query("restype").is_some_and(|kind| kind != "container")
                || request.method == "HEAD";
            if is_asked {
                Fault::Respond(error_reply(
                    403,
                    "AuthorizationPermissionMismatch",
                    "No permission.",
                ))
            } else {
                Fault::None
            }
        });
    });
    let denied = denied.ends(Exit::Done);
    assert_eq!(
        denied.out.matches("this credential has no permission to read it").count(),
        3,
        "{denied}"
    );
}

#[test]
fn two_spellings_are_two_fleets() {
    let bed = Bed::new();
    let at = [("offset", "1"), ("sequencenumber", "1")];
    for name in
        ["contoso.servicebus.windows.net/t/$Default", "contoso.servicebus.windows.net/t/$default"]
    {
        bed.blob(&format!("{name}/checkpoint/0"), &at, 60);
    }
    let ran = bed.run("doctor contoso/t --no-hub").ends(Exit::Findings);
    ran.shows("two fleets that do not see each other").shows("metrics-api");
}

#[test]
fn partitions_that_move_between_two_looks_are_named() {
    let bed = Bed::new();
    bed.owner("0", "worker-a", 10);
    let (service, name) = (bed.service.clone(), format!("{GROUP}/ownership/0"));
    let mut lists = 0;
    bed.service.inject(move |request| {
        // The second look is one at the owners alone.
        lists += usize::from(request.method == "GET" && request.target.contains("ownership"));
        if lists == 1 {
            service.put(&name, &[("ownerid", "worker-b")]);
            lists += 1;
        }
        Fault::None
    });
    let ran = bed.run(&format!("doctor {TARGET} --no-hub --again-after 10ms")).ends(Exit::Findings);
    ran.shows("0: moved between two samples");
}

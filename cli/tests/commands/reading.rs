//! `show`, `lag` and `groups`.

use eventhub_checkpoints::exit::Exit;
use serde_json::{Value, json};

use crate::bed::{Bed, GROUP, TARGET};

/// The last event of its first partition.
pub const LAST: i64 = 881_216;

/// The fleet of the manual: one partition well, one stalled, one without a checkpoint, one that lost events.
pub fn fleet() -> Bed {
    let bed = Bed::new();
    populate(&bed);
    bed
}

pub fn populate(bed: &Bed) {
    bed.checkpoint("0", 881_204, 2);
    bed.owner("0", "worker-7f3c", 8);
    bed.partition("0", 0, LAST, 3);
    bed.checkpoint("1", 802_118, 7_890);
    bed.owner("1", "worker-7f3c", 8);
    bed.partition("1", 0, 843_416, 7_885);
    bed.owner("2", "worker-19aa", 4);
    bed.partition("2", 0, 790_000, 3);
    bed.checkpoint("3", 1_200, 777_660);
    bed.owner("3", "worker-gone", 777_600);
    bed.partition("3", 19_601, 20_600, 60);
}

fn column(rows: &[Value], key: &str) -> Vec<Value> {
    rows.iter().map(|row| row[key].clone()).collect()
}

#[test]
fn lag_names_the_state_of_every_partition() {
    let ran = fleet().run(&format!("lag {TARGET} -o json")).ends(Exit::Done);
    let rows = ran.rows("partitions");
    assert_eq!(column(&rows, "partition_id"), ["0", "1", "2", "3"]);
    assert_eq!(column(&rows, "status"), ["ok", "stalled", "none", "lost"]);
    assert_eq!(column(&rows, "lag"), [12, 41_298, 790_001, 1_000]);
    assert_eq!(column(&rows, "lag_is_bound"), [false, false, true, false]);
    assert_eq!(rows[3]["lost_events"], 18_400);
    assert_eq!(
        column(&rows, "owner_id"),
        [json!("worker-7f3c"), json!("worker-7f3c"), json!("worker-19aa"), Value::Null]
    );
    let group = &ran.json()["groups"][0];
    assert_eq!(
        (&group["lag"], &group["lag_is_bound"], &group["owners"]),
        (&json!(832_311), &json!(true), &json!(2))
    );
}

#[test]
fn lag_explains_what_is_wrong() {
    fleet()
        .run(&format!("lag {TARGET}"))
        .ends(Exit::Done)
        .shows("contoso.servicebus.windows.net / telemetry / billing    4 partitions, 2 owners, lag <= 832,311    ")
        .shows("1: the owner renews but stores no checkpoint: a handler that hangs or fails.")
        .shows("2: no checkpoint: 790,001 if the consumer starts at the earliest event")
        .shows("3: retention passed the checkpoint: 18,400 events were lost before sequence number 19,601.");
}

#[test]
fn a_threshold_ends_with_its_own_code() {
    let bed = fleet();
    bed.run(&format!("lag {TARGET} -p 0 --fail-above 12")).ends(Exit::Done);
    bed.run(&format!("lag {TARGET} -p 0 --fail-above 11")).ends(Exit::Findings);
    bed.run(&format!("lag {TARGET} -p 1 --fail-behind 3h")).ends(Exit::Done);
    bed.run(&format!("lag {TARGET} -p 1 --fail-behind 2h")).ends(Exit::Findings);
    // Lost events are above every threshold.
    bed.run(&format!("lag {TARGET} -p 3 --fail-above 5000000")).ends(Exit::Findings);
}

#[test]
fn lag_sorts_and_leaves_out_what_is_well() {
    let bed = fleet();
    let rows = bed.run(&format!("lag {TARGET} -o json --sort lag")).rows("partitions");
    assert_eq!(column(&rows, "partition_id"), ["2", "1", "3", "0"]);
    // Whose age nobody knows stands last.
    let rows = bed.run(&format!("lag {TARGET} -o json --sort behind")).rows("partitions");
    assert_eq!(column(&rows, "partition_id"), ["1", "3", "0", "2"]);
    let behind = rows.iter().map(|row| row["behind_seconds"].as_u64()).collect::<Vec<_>>();
    assert!(behind.is_sorted_by(|one, other| one >= other) && behind[3].is_none(), "{behind:?}");
    let ran = bed.run(&format!("lag {TARGET} -o json --only-lagging"));
    assert_eq!(column(&ran.rows("partitions"), "partition_id"), ["1", "2", "3"]);
    // The sums are those of all partitions.
    assert_eq!(ran.json()["groups"][0]["lag"], 832_311);
}

#[test]
fn several_groups_are_shown_by_one_command() {
    let bed = fleet();
    let other = GROUP.replace("billing", "other");
    bed.blob(
        &format!("{other}/checkpoint/0"),
        &[("offset", "88121600"), ("sequencenumber", "881216")],
        60,
    );
    let line = format!("lag contoso/telemetry/other {TARGET}");
    let ran = bed.run(&format!("{line} -o json")).ends(Exit::Done);
    let groups = ran.json()["groups"].as_array().unwrap().clone();
    // In the order in which they are named, and the hub is asked once.
    assert_eq!(column(&groups, "consumer_group"), ["other", "billing"]);
    assert_eq!(column(&groups, "lag"), [843_417 + 790_001 + 1_000, 832_311]);
    assert_eq!(bed.hub_was_asked(), 1);
    let lines = bed.run(&format!("{line} -p 0 -o jsonl")).ends(Exit::Done).out;
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(column(&rows, "consumer_group"), ["other", "billing"]);
    assert_eq!(column(&rows, "lag"), [0, 12]);
    bed.run(&format!("{line} -p 0"))
        .shows("telemetry / other    1 partition, 0 owners, lag 0")
        .shows("telemetry / billing    1 partition, 2 owners, lag 12");
    // One that exceeds a threshold is enough.
    bed.run(&format!("{line} -p 0 --fail-above 11")).ends(Exit::Findings);
    bed.run(&format!("{line} -p 0 --fail-above 12")).ends(Exit::Done);
    // A group without records is named, and no half of the response is shown.
    let ran = bed.run(&format!("{line} contoso/telemetry/none")).ends(Exit::NothingFound);
    assert_eq!(ran.says("telemetry/none").out, "");
}

#[test]
fn without_the_hub_its_columns_are_empty() {
    let bed = fleet();
    bed.hub_is_away();
    bed.run(&format!("lag {TARGET}")).ends(Exit::Failed).says("the event hub is away");
    let rows =
        bed.run(&format!("lag {TARGET} --no-hub -o json")).ends(Exit::Done).rows("partitions");
    assert_eq!(column(&rows, "lag"), [Value::Null, Value::Null, Value::Null, Value::Null]);
    assert_eq!(column(&rows, "status"), [Value::Null, Value::Null, json!("none"), Value::Null]);
    assert_eq!(rows[0]["sequence_number"], 881_204);
}

#[test]
fn the_numbers_of_a_hub_may_come_from_an_earlier_run() {
    let bed = fleet();
    let first = bed.run(&format!("lag {TARGET} -o json")).ends(Exit::Done);
    std::fs::write(bed.path("hub.json"), &first.out).unwrap();
    bed.hub_is_away();
    let again = bed.run(&format!("lag {TARGET} -o json --hub-file {{hub.json}}")).ends(Exit::Done);
    assert_eq!(column(&again.rows("partitions"), "lag"), column(&first.rows("partitions"), "lag"));
    bed.run(&format!("lag {TARGET} --hub-file {{none.json}}")).ends(Exit::Usage).says("none.json");
}

#[test]
fn show_has_the_records_as_they_are() {
    let bed = fleet();
    bed.blob(&format!("{GROUP}/checkpoint/9"), &[("offset", ""), ("sequencenumber", "")], 5);
    let ran = bed.run(&format!("show {TARGET} -o json")).ends(Exit::Done);
    let rows = ran.rows("partitions");
    assert_eq!(column(&rows, "partition_id"), ["0", "1", "2", "3", "9"]);
    assert_eq!(
        column(&rows, "owner_state"),
        [json!("live"), json!("live"), json!("live"), json!("expired"), Value::Null]
    );
    assert_eq!(rows[1]["offset"], "80211800");
    assert_eq!(rows[4]["unreadable"], "it has neither an offset nor a sequence number");
    bed.run(&format!("show {TARGET} -p 0,3 --expiration 10d"))
        .ends(Exit::Done)
        .shows("live")
        .shows("2 partitions, 3 owners");
}

#[test]
fn nothing_found_is_not_an_empty_table() {
    let bed = Bed::new();
    for line in ["show", "lag --no-hub", "export"] {
        bed.run(&format!("{line} {TARGET}")).ends(Exit::NothingFound).says("no records");
    }
}

#[test]
fn both_spellings_of_a_group_are_shown() {
    let bed = Bed::new();
    let (upper, lower) =
        ("Contoso.servicebus.windows.net/T/$Default", "contoso.servicebus.windows.net/t/$default");
    let at = |number| [("offset", "1"), ("sequencenumber", number)];
    bed.blob(&format!("{upper}/checkpoint/0"), &at("1"), 5);
    bed.run("show Contoso.servicebus.windows.net/T -o json").ends(Exit::Done);
    bed.blob(&format!("{lower}/checkpoint/0"), &at("2"), 5);
    let ran = bed
        .run("show Contoso.servicebus.windows.net/T -o json")
        .ends(Exit::Done)
        .says("both spellings");
    let groups = ran.json()["groups"].clone();
    let seen = |index: usize| {
        (
            groups[index]["name_case"].clone(),
            groups[index]["partitions"][0]["sequence_number"].clone(),
        )
    };
    assert_eq!(seen(0), (json!("lower"), json!(2)));
    assert_eq!(seen(1), (json!("as-given"), json!(1)));
    // A change is about one of them.
    let reset = "reset Contoso.servicebus.windows.net/T --to-earliest --no-hub";
    bed.run(reset).ends(Exit::Refused).says("--name-case");
    bed.run(&format!("{reset} --name-case lower")).ends(Exit::Done);
}

#[test]
fn a_failing_account_is_a_failure_with_a_hint() {
    let bed = Bed::new();
    bed.run("show contoso/h -c absent").ends(Exit::Failed).says("the container does not exist");
    let denied = Bed::new();
    denied.service.inject(|_| {
        use crate::support::blob_service::{Fault, error_reply};
        Fault::Respond(error_reply(403, "AuthorizationPermissionMismatch", "No permission."))
    });
    denied.run(&format!("show {TARGET}")).ends(Exit::Failed).says("Storage Blob Data Reader");
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let mut bed = Bed::new();
    for (line, part) in [
        ("", "Usage"),
        ("frobnicate", "frobnicate"),
        ("show contoso", "NAMESPACE/HUB"),
        ("show contoso/telemetry/", "single quotes"),
        ("lag contoso/telemetry --expiration 5", "90s"),
        ("reset contoso/telemetry", "--to-earliest"),
        ("reset contoso/telemetry --to-earliest --to-latest", "cannot be used with"),
        ("reset contoso/telemetry --to-offset 5", "--sequence-number"),
    ] {
        bed.run(line).ends(Exit::Usage).says(part);
    }
    bed.run("--help").ends(Exit::Done).shows("Exit codes");
    bed.run("--version").ends(Exit::Done).shows("eventhub-checkpoints 0.");
    bed.set_var("AZURE_STORAGE_CONNECTION_STRING", "");
    bed.run(&format!("show {TARGET}")).ends(Exit::Usage).says("AZURE_STORAGE_KEY");
    bed.set_var("AZURE_STORAGE_CONTAINER", "");
    bed.run(&format!("show {TARGET}")).ends(Exit::Usage).says("--container");
}

#[test]
fn keys_and_signatures_open_the_account_too() {
    let mut bed = fleet();
    let url = bed.loopback.url();
    bed.set_var("AZURE_STORAGE_CONNECTION_STRING", "");
    bed.set_var("AZURE_STORAGE_KEY", "c2VjcmV0");
    bed.run(&format!("show {TARGET} --storage-url {url} --account acct")).ends(Exit::Done);
    bed.run(&format!("show {TARGET} --auth sas --storage-url {url}"))
        .ends(Exit::Usage)
        .says("AZURE_STORAGE_SAS_TOKEN");
    bed.set_var("AZURE_STORAGE_SAS_TOKEN", "sv=2021-12-02&sp=rl&sig=c2VjcmV0");
    bed.run(&format!("show {TARGET} --auth sas --storage-url {url}")).ends(Exit::Done);
    bed.run(&format!("show {TARGET} --auth anonymous --storage-url {url}")).ends(Exit::Done);
    let sent = bed.loopback.requests();
    assert!(sent.iter().any(|request| {
        request.header("authorization").is_some_and(|value| value.starts_with("SharedKey acct:"))
    }));
    assert!(sent.iter().any(|request| request.query("sig").is_some()));
}

#[test]
fn groups_counts_what_the_container_holds() {
    let bed = fleet();
    let other = "contoso.servicebus.windows.net/telemetry/$Default";
    bed.blob(&format!("{other}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 600);
    bed.blob("fabrikam.servicebus.windows.net/h/g/ownership/0", &[("ownerid", "a")], 600);
    let ran = bed.run("groups -o json").ends(Exit::Done);
    let groups = ran.json()["groups"].as_array().unwrap().clone();
    assert_eq!(column(&groups, "consumer_group"), ["$Default", "billing", "g"]);
    assert_eq!(column(&groups, "checkpoints"), [1, 3, 0]);
    assert_eq!(column(&groups, "live_owners"), [0, 2, 0]);
    assert_eq!(column(&groups, "ownerships"), [0, 4, 1]);
    let groups = bed.run("groups contoso/Telemetry -o jsonl").ends(Exit::Done);
    assert_eq!(groups.out.lines().count(), 2);
    bed.run("groups contoso").ends(Exit::Done).shows("10m ago");
    bed.run("groups nobody").ends(Exit::NothingFound);
}

#[test]
fn lag_and_export_go_through_all_groups_of_a_hub() {
    let bed = fleet();
    let other = "contoso.servicebus.windows.net/telemetry/$Default";
    bed.blob(&format!("{other}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 600);
    bed.blob("fabrikam.servicebus.windows.net/h/g/checkpoint/0", &[("offset", "1")], 600);
    let ran = bed.run("lag contoso/telemetry --all-groups -o json").ends(Exit::Done);
    let groups = ran.json()["groups"].as_array().unwrap().clone();
    assert_eq!(column(&groups, "consumer_group"), ["$Default", "billing"]);
    assert_eq!(bed.run("export --all-groups").ends(Exit::Done).out.lines().count(), 5);
    assert_eq!(
        bed.run("export contoso/telemetry --all-groups").ends(Exit::Done).out.lines().count(),
        4
    );
}

#[test]
fn every_spelling_of_a_group_is_shown_once() {
    let bed = Bed::new();
    let names = ["telemetry/$default", "Telemetry/$Default", "telemetry/$Default"];
    for name in names {
        let name = format!("contoso.servicebus.windows.net/{name}/checkpoint/0");
        bed.blob(&name, &[("offset", "1"), ("sequencenumber", "1")], 60);
    }
    let line = "lag contoso/telemetry --all-groups --no-hub -o jsonl";
    let rows = |line: &str| -> Vec<String> {
        let out = bed.run(line).ends(Exit::Done).out;
        let rows = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let name = |key: &str, row: &Value| row[key].as_str().unwrap().to_owned();
        rows.map(|row| {
            let keys = ["eventhub", "consumer_group", "name_case"];
            keys.map(|key| name(key, &row)).join("/")
        })
        .collect()
    };
    let [lower, upper, group] =
        ["telemetry/$default/lower", "Telemetry/$Default/as-given", "telemetry/$Default/as-given"];
    assert_eq!(rows(line), [lower, upper, group]);
    assert_eq!(rows(&format!("{line} --name-case lower")), [lower]);
    assert_eq!(rows(&format!("{line} --name-case as-given")), [upper, group]);
    bed.run(line).says("two fleets that do not see each other");
}

#[test]
fn a_peek_makes_the_time_exact() {
    let bed = fleet();
    let line = format!("lag {TARGET} -p 0 --peek -o json");
    bed.run(&line).ends(Exit::Usage).says("--via-group");
    bed.run(&format!("{line} --via-group billing")).ends(Exit::Usage);
    let rows = bed.run(&format!("{line} --via-group tools")).ends(Exit::Done).rows("partitions");
    // The next event is the twelfth before the last, with an event a second.
    let behind = rows[0]["behind_seconds"].as_i64().unwrap();
    assert!((14..=17).contains(&behind), "{behind}");
    assert_eq!(rows[0]["behind_is_bound"], false);
}

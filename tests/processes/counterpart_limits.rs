//! The foreign metadata that the published stores of other languages cannot read, beside what this crate reads.
//!
//! Nothing here depends on the surface. One record that a store cannot read fails its whole list, and with it load
//! balancing or the start of every partition.

use crate::support::blob_service::BlobService;
use crate::support::counterpart::{Counterpart, Kind};
use crate::support::foreign_rows::{Owner, Position, ROWS, Row};
use crate::support::loopback::Loopback;
use crate::support::report;
use serde_json::{Value, json};

const NAMESPACE: &str = "ns.servicebus.windows.net";
const GROUP: &str = "$default";

/// Row, list, what this crate reads, what both Python stores read, what JavaScript reads. Of an error, its beginning.
type Limit<'a> = (&'a str, &'a str, String, String, String);

/// Every row that one of them reads otherwise.
const LIMITS: &[(&str, &str, &str, &str, &str)] = &[
    ("a blank owner", "ownership", "nobody", " ", " "),
    (
        "C++: ownerId",
        "ownership",
        "a",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "OWNERID",
        "ownership",
        "a",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "official Rust: no metadata",
        "ownership",
        "nobody",
        "fails: TypeError: 'NoneType' object i",
        "fails: Error: Error occurred while fe",
    ),
    (
        "official Rust: no metadata",
        "checkpoint",
        "none",
        "fails: TypeError: 'NoneType' object i",
        "fails: Error: Missing metadata proper",
    ),
    (
        "other metadata only",
        "ownership",
        "nobody",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "other metadata only",
        "checkpoint",
        "none",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    (
        "Offset, SequenceNumber",
        "checkpoint",
        "1 / 5",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    ("one key in two cases", "checkpoint", "2 / 5", "1 / 5", "1 / 5"),
    (
        "Go, Java, C++, Rust: no offset key",
        "checkpoint",
        "- / 5",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    (".NET: offset \"\"", "checkpoint", "- / 5", "None / 5", "- / 5"),
    (".NET 5.11: no offset", "checkpoint", "- / 5", "no offset / 5", "no offset / 5"),
    ("No Offset", "checkpoint", "- / 5", "No Offset / 5", "No Offset / 5"),
    ("Python: offset None", "checkpoint", "- / 5", "None / 5", "None / 5"),
    ("blanks around", "checkpoint", "1 / 5", " 1  / 5", " 1  / 5"),
    (
        "no sequence number key",
        "checkpoint",
        "1 / -",
        "fails: KeyError: 'sequencenumber'",
        "fails: Error: Missing metadata proper",
    ),
    (
        ".NET: sequence number \"\"",
        "checkpoint",
        "1 / -",
        "fails: TypeError: int() argument must",
        "fails: Error: Failed to parse metadat",
    ),
    (
        "Python: sequence number None",
        "checkpoint",
        "1 / -",
        "fails: ValueError: invalid literal fo",
        "fails: Error: Failed to parse metadat",
    ),
    (
        ".NET: long.MinValue",
        "checkpoint",
        "1 / -",
        "1 / -9223372036854775808",
        "1 / -9.223372036854776e+18",
    ),
    (
        "the largest number",
        "checkpoint",
        "1 / 9223372036854775807",
        "1 / 9223372036854775807",
        "1 / 9223372036854776000",
    ),
    (
        "beyond the largest number",
        "checkpoint",
        "1 / -",
        "1 / 9223372036854775808",
        "1 / 9223372036854776000",
    ),
    ("no number", "checkpoint", "1 / -", "fails: ValueError: invalid literal fo", "1 / 12"),
    ("a fraction", "checkpoint", "1 / -", "fails: ValueError: invalid literal fo", "1 / 5"),
    (
        "a sequence number of an offset",
        "checkpoint",
        "1 / -",
        "fails: ValueError: invalid literal fo",
        "fails: Error: Failed to parse metadat",
    ),
    (
        "no number and no offset",
        "checkpoint",
        "none",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    (
        "both empty",
        "checkpoint",
        "none",
        "fails: TypeError: int() argument must",
        "fails: Error: Failed to parse metadat",
    ),
    (
        "both None",
        "checkpoint",
        "none",
        "fails: ValueError: invalid literal fo",
        "fails: Error: Failed to parse metadat",
    ),
    (
        "no offset, long.MinValue",
        "checkpoint",
        "none",
        "no offset / -9223372036854775808",
        "no offset / -9.223372036854776e+18",
    ),
    (
        "directory",
        "ownership",
        "none",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "directory",
        "checkpoint",
        "none",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    (
        "directory, True",
        "ownership",
        "none",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "directory, True",
        "checkpoint",
        "none",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    (
        "directory, HDI_IsFolder",
        "ownership",
        "none",
        "fails: KeyError: 'ownerid'",
        "fails: Error: Error occurred while fe",
    ),
    (
        "directory, HDI_IsFolder",
        "checkpoint",
        "none",
        "fails: KeyError: 'offset'",
        "fails: Error: Missing metadata proper",
    ),
    ("directory with a record", "ownership", "none", "a", "a"),
    ("directory with a record", "checkpoint", "none", "1 / 5", "1 / 5"),
];

fn owner_of(row: &Row) -> String {
    match row.owner {
        Owner::Nobody => "nobody".to_owned(),
        Owner::Is(owner) => owner.to_owned(),
        Owner::Skipped(_) => "none".to_owned(),
    }
}

fn position_of(row: &Row) -> String {
    match row.position {
        Position::At(offset, number) => {
            let number = number.map_or("-".to_owned(), |number| number.to_string());
            format!("{} / {number}", offset.unwrap_or("-"))
        }
        Position::Repaired(offset) => format!("{offset} / -"),
        Position::Skipped(_) => "none".to_owned(),
    }
}

/// Whether the row is about records of that kind, or about neither.
fn is_about(row: &Row, kind: &str) -> bool {
    let has = |keys: &[&str]| {
        row.metadata.iter().any(|(key, _)| keys.iter().any(|other| key.eq_ignore_ascii_case(other)))
    };
    let (ownership, checkpoint) = (has(&["ownerid"]), has(&["offset", "sequencenumber"]));
    if kind == "ownership" { ownership || !checkpoint } else { checkpoint || !ownership }
}

fn their_owner(item: &Value) -> String {
    match item["owner_id"].as_str() {
        None | Some("") => "nobody".to_owned(),
        Some(owner) => owner.to_owned(),
    }
}

fn their_position(item: &Value) -> String {
    let offset = item["offset"].as_str().filter(|offset| !offset.is_empty());
    format!("{} / {}", offset.unwrap_or("-"), item["sequence_number"])
}

/// The result of a list of the one record: its value, none, or the error.
fn cell(listed: Result<Vec<Value>, String>, describe: fn(&Value) -> String) -> String {
    match listed {
        Ok(items) => items.first().map_or("none".to_owned(), describe),
        Err(error) => format!("fails: {}", error.chars().take(30).collect::<String>()),
    }
}

fn read(their: &mut Counterpart, kind: &str, hub: &str) -> String {
    match kind {
        "ownership" => cell(their.list_ownership(NAMESPACE, hub, GROUP), their_owner),
        _ => cell(their.list_checkpoints(NAMESPACE, hub, GROUP), their_position),
    }
}

fn start_all(server: &Loopback) -> [Counterpart; 3] {
    let connection_string = format!(
        "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2VjcmV0;BlobEndpoint={}",
        server.url()
    );
    Kind::ALL.map(|kind| Counterpart::start(kind, &connection_string, "checkpoints"))
}

#[test]
fn how_counterparts_read_foreign_metadata() {
    let service = BlobService::new("checkpoints");
    let server = service.serve();
    let mut theirs = start_all(&server);
    let mut limits: Vec<Limit<'_>> = Vec::new();
    let mut table = String::new();
    for (number, row) in ROWS.iter().enumerate() {
        for kind in ["ownership", "checkpoint"] {
            if !is_about(row, kind) {
                continue;
            }
            let hub = format!("row-{number}");
            service.put(&format!("{NAMESPACE}/{hub}/{GROUP}/{kind}/0"), row.metadata);
            let ours = if kind == "ownership" { owner_of(row) } else { position_of(row) };
            let [sync, aio, javascript] = theirs.each_mut().map(|their| read(their, kind, &hub));
            assert_eq!(sync, aio, "both Python stores: {row:?}");
            if sync != ours || javascript != ours {
                table += &format!(
                    "    ({:?}, {kind:?}, {ours:?}, {sync:?}, {javascript:?}),\n",
                    row.what
                );
                limits.push((row.what, kind, ours, sync, javascript));
            }
        }
    }
    report::show(&table);
    let limits: Vec<_> = limits
        .iter()
        .map(|(what, kind, ours, python, javascript)| {
            (*what, *kind, ours.as_str(), python.as_str(), javascript.as_str())
        })
        .collect();
    assert_eq!(limits, LIMITS);
}

/// Where conditions hold, as the REST reference says: Python's first claim respects a live owner, JavaScript's sets no
/// condition and takes the partition.
#[test]
fn a_first_claim_of_javascript_takes_an_owned_partition() {
    let service = BlobService::new("checkpoints");
    let server = service.serve();
    let name = format!("{NAMESPACE}/hub/{GROUP}/ownership/0");
    for mut their in start_all(&server) {
        service.put(&name, &[("ownerid", "ours")]);
        let claim = json!({
            "fully_qualified_namespace": NAMESPACE,
            "eventhub_name": "hub",
            "consumer_group": GROUP,
            "partition_id": "0",
            "owner_id": "theirs",
            "etag": null,
        });
        let claimed = their.claim_ownership(&[claim]).unwrap();
        let is_javascript = their.kind() == Kind::JavaScript;
        assert_eq!(claimed.len(), usize::from(is_javascript), "{claimed:?}");
        let owner = if is_javascript { "theirs" } else { "ours" };
        let stored = service.blob(&name).unwrap().metadata;
        assert_eq!(stored, [("ownerid".to_owned(), owner.to_owned())]);
    }
}

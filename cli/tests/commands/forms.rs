//! Every command in every form of output, the scripts of the shells, and the manual pages.

use eventhub_checkpoints::exit::Exit;
use serde_json::{Map, Value};

use crate::bed::{Bed, GROUP, Ran, TARGET};
use crate::reading::fleet;
use crate::readme::without_times;
use crate::support::blob_service::ForeignBlob;

const FORMS: [&str; 5] = ["table", "wide", "json", "jsonl", "csv"];

/// What a command writes to stdout.
enum Shows {
    /// Rows, in each form; in JSON under this key.
    Rows(&'static str),
    /// A line in a table's stead, rows in data.
    LineOr(&'static str),
    /// Something of a form of its own, which `--output` does not change.
    ItsOwn,
}
use Shows::{ItsOwn, LineOr, Rows};

/// One line for each command.
fn cases() -> Vec<(String, Exit, Shows)> {
    let ends = |line: String, exit, shows| (line, exit, shows);
    vec![
        ends("groups".to_owned(), Exit::Done, Rows("groups")),
        ends(format!("show {TARGET}"), Exit::Done, Rows("partitions")),
        ends(format!("lag {TARGET}"), Exit::Done, Rows("partitions")),
        ends(format!("watch {TARGET} --count 1"), Exit::Done, Rows("partitions")),
        ends(format!("check {TARGET}"), Exit::Findings, LineOr("checks")),
        ends(format!("serve --target {TARGET} --listen 127.0.0.1:0 --count 1"), Exit::Done, ItsOwn),
        ends(format!("reset {TARGET} --to-earliest --force"), Exit::Done, Rows("changes")),
        ends(format!("delete {TARGET} --force"), Exit::Done, Rows("changes")),
        ends(format!("release {TARGET}"), Exit::Done, Rows("changes")),
        ends(format!("export {TARGET}"), Exit::Done, ItsOwn),
        ends("import {one.jsonl} --force".to_owned(), Exit::Done, Rows("changes")),
        ends(format!("copy {TARGET} contoso/telemetry/other"), Exit::Done, Rows("changes")),
        ends(format!("migrate {TARGET} --force"), Exit::Done, Rows("changes")),
        ends(format!("doctor {TARGET}"), Exit::Findings, Rows("findings")),
        ends("completions bash".to_owned(), Exit::Done, ItsOwn),
        ends("man".to_owned(), Exit::Done, ItsOwn),
    ]
}

/// A fleet, a file to import, and the checkpoint of an older processor.
fn everything() -> Bed {
    let bed = Bed::at_one_moment();
    crate::reading::populate(&bed);
    let legacy = r#"{"Offset":"1000","SequenceNumber":10}"#;
    bed.service.put_with(ForeignBlob::new(&format!("{GROUP}/9")).content(legacy));
    let record = r#"{"kind":"checkpoint","namespace":"contoso.servicebus.windows.net","eventhub":"telemetry","consumer_group":"billing","partition_id":"9","offset":"100","sequence_number":1}"#;
    std::fs::write(bed.path("one.jsonl"), record).unwrap();
    bed
}

/// The commands that the help names.
fn commands(bed: &Bed) -> Vec<String> {
    let help = bed.run("--help").ends(Exit::Done).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_every_form() {
    let bed = everything();
    let cases = cases();
    let tested: Vec<_> = cases.iter().map(|(line, ..)| line.split(' ').next().unwrap()).collect();
    assert_eq!(commands(&bed), tested, "each command has a case, in the order of the help");
    for (line, exit, shows) in &cases {
        let ran = |form: &str| {
            let ran = bed.run(&format!("{line} -o {form}")).ends(*exit);
            Ran { out: without_times(&ran.out), ..ran }
        };
        let [table, wide, json, jsonl, csv] = FORMS.map(ran);
        let headless = bed.run(&format!("{line} --no-header")).ends(*exit);
        match shows {
            ItsOwn => {
                for other in [&wide, &json, &jsonl, &csv] {
                    assert_eq!(other.out, table.out, "{line}");
                }
            }
            LineOr(key) => {
                assert_eq!((table.out.lines().count(), &wide.out), (1, &table.out), "{table}");
                same_rows(key, &json, &jsonl, &csv);
            }
            Rows(key) => {
                let title = |ran: &Ran| {
                    let all_capitals = |line: &&str| {
                        line.contains("  ") && !line.chars().any(|c| c.is_ascii_lowercase())
                    };
                    ran.out.lines().find(all_capitals).unwrap_or_else(|| panic!("{ran}")).to_owned()
                };
                assert!(title(&wide).len() >= title(&table).len(), "{wide}");
                assert!(!headless.out.contains(&title(&table)), "{headless}");
                same_rows(key, &json, &jsonl, &csv);
            }
        }
        let headless_csv = bed.run(&format!("{line} -o csv --no-header"));
        if !matches!(shows, ItsOwn) {
            let rows = csv_rows(&csv.out);
            assert_eq!(csv_rows(&without_times(&headless_csv.out)), rows[1..], "{line}");
        }
    }
    assert_eq!(bed.writes(), 0, "all of them are dry runs");
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.expect("as many cells as the first row has"));
    rows.map(|row| row.iter().map(str::to_owned).collect()).collect()
}

/// The forms for programs have the same rows, the same keys and the same values.
fn same_rows(key: &str, json: &Ran, jsonl: &Ran, csv: &Ran) {
    let document = json.json();
    assert_eq!(document["schema"], 1, "{json}");
    let groups = match document[key].as_array() {
        Some(rows) => vec![rows.clone()],
        None => {
            let groups = document["groups"].as_array().unwrap_or_else(|| panic!("{key}: {json}"));
            groups.iter().map(|group| group[key].as_array().unwrap().clone()).collect()
        }
    };
    let rows: Vec<_> = groups.into_iter().flatten().collect();
    let lines: Vec<Map<String, Value>> =
        jsonl.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let table = csv_rows(&csv.out);
    assert!(!rows.is_empty() && rows.len() == lines.len(), "{jsonl}");
    assert_eq!(table.len(), rows.len() + 1, "{csv}");
    for ((row, line), cells) in rows.iter().zip(&lines).zip(&table[1..]) {
        assert_eq!(line["schema"], 1, "{jsonl}");
        for (name, value) in row.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name}: {jsonl}");
        }
        let named: Vec<_> = line.iter().filter(|(name, _)| *name != "schema").collect();
        assert_eq!(
            named.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            table[0].iter().collect::<Vec<_>>()
        );
        for ((name, value), cell) in named.into_iter().zip(cells) {
            let is_snake = name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
            assert!(is_snake, "{name}");
            let expected = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(*cell, expected, "{name}: {csv}");
        }
    }
}

#[test]
fn colors_come_only_where_they_are_asked_for() {
    let mut bed = fleet();
    assert!(!bed.run(&format!("lag {TARGET}")).out.contains('\x1b'));
    assert!(bed.run(&format!("lag {TARGET} --color always")).out.contains("\x1b[31mstalled"));
    bed.set_var("NO_COLOR", "1");
    assert!(!bed.run(&format!("lag {TARGET}")).out.contains('\x1b'));
}

#[test]
fn shells_and_man_get_their_pages() {
    let bed = fleet();
    let help = bed.run("--help").ends(Exit::Done).out;
    assert!(help.ends_with("130 interrupted\n"), "{help}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        bed.run(&format!("completions {shell}")).ends(Exit::Done).shows("eventhub-checkpoints");
    }
    bed.run("man").ends(Exit::Done).shows(".TH eventhub-checkpoints");
    bed.run("man {pages}").ends(Exit::Done);
    for page in
        ["eventhub-checkpoints.1", "eventhub-checkpoints-lag.1", "eventhub-checkpoints-reset.1"]
    {
        assert!(bed.path("pages").join(page).exists(), "{page}");
    }
}

#[test]
fn quiet_says_nothing_but_errors() {
    let bed = fleet();
    let ran = bed.run(&format!("reset {TARGET} --to-earliest --force -q")).ends(Exit::Done);
    assert_eq!(ran.err, "", "{ran}");
    bed.run(&format!("reset {TARGET} --to-earliest -q")).ends(Exit::Refused).says("live owners");
}

//! Every command in every form of output, the scripts of the shells, and the manual pages.

use eventhub_checkpoints::exit::Exit;

use crate::bed::TARGET;
use crate::reading::fleet;

#[test]
fn every_command_has_every_form() {
    let bed = fleet();
    for command in [
        format!("show {TARGET}"),
        format!("lag {TARGET}"),
        format!("reset {TARGET} --to-earliest --force"),
        format!("delete {TARGET} --force"),
        format!("release {TARGET}"),
        format!("copy {TARGET} contoso/telemetry/other"),
    ] {
        for form in ["table", "wide", "json", "jsonl", "csv"] {
            let ran = bed.run(&format!("{command} -o {form}")).ends(Exit::Done);
            match form {
                "json" => assert_eq!(ran.json()["schema"], 1, "{ran}"),
                "jsonl" => {
                    for line in ran.out.lines() {
                        let row: serde_json::Value = serde_json::from_str(line).unwrap();
                        assert_eq!(
                            (&row["schema"], &row["consumer_group"]),
                            (&1.into(), &ran_group(&row)),
                            "{line}"
                        );
                    }
                }
                "csv" => {
                    assert!(ran.out.starts_with("namespace,eventhub,consumer_group,"), "{ran}")
                }
                _ => assert!(ran.out.contains("PARTITION"), "{ran}"),
            }
            let headless = bed.run(&format!("{command} -o {form} --no-header"));
            assert!(headless.out.len() <= ran.out.len());
        }
    }
}

/// The group must be one of the two that these commands are about.
fn ran_group(row: &serde_json::Value) -> serde_json::Value {
    let group = row["consumer_group"].clone();
    assert!(group == "billing" || group == "other", "{row}");
    group
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

//! `export` and `import`: what is written is what is read.

use eventhub_checkpoints::exit::Exit;
use proptest::prelude::*;

use crate::bed::{Bed, GROUP, TARGET};

#[test]
fn both_forms_go_through_pipes() {
    let bed = Bed::new();
    bed.checkpoint("0", 5, 60);
    bed.checkpoint("1", 6, 60);
    bed.owner("0", "worker-a", 500);
    for form in ["jsonl", "csv"] {
        let exported =
            bed.run(&format!("export {TARGET} --with-owners --form {form}")).ends(Exit::Done);
        assert_eq!(exported.out.lines().count(), if form == "csv" { 4 } else { 3 });
        let there = Bed::new();
        let backup = there.path("b.jsonl");
        let line = format!("import - --with-owners --execute --yes --backup {}", backup.display());
        there.run_with_input(&line, &exported.out).ends(Exit::Done);
        assert_eq!((there.stored("0"), there.stored("1")), (bed.stored("0"), bed.stored("1")));
        let owner = there.service.blob(&format!("{GROUP}/ownership/0")).unwrap();
        assert_eq!(owner.metadata[0].1, "worker-a");
    }
}

#[test]
fn invalid_exports_are_refused_with_their_line() {
    let bed = Bed::new();
    bed.run_with_input("import -", "{\"kind\":\"checkpoint\"}").ends(Exit::Usage).says("line 1");
    bed.run_with_input("import -", "").ends(Exit::NothingFound);
    bed.run("import {none.jsonl}").ends(Exit::Usage).says("none.jsonl");
    let twice = r#"{"kind":"checkpoint","namespace":"n.x","eventhub":"h","consumer_group":"g","partition_id":"0","offset":"1"}"#;
    bed.run_with_input("import -", &format!("{twice}\n{twice}")).ends(Exit::Usage).says("twice");
}

#[test]
fn an_export_does_not_overwrite_a_file() {
    let bed = Bed::new();
    bed.checkpoint("0", 5, 60);
    bed.run(&format!("export {TARGET} {{e.jsonl}}")).ends(Exit::Done).says("1 record in ");
    bed.run(&format!("export {TARGET} {{e.jsonl}}")).ends(Exit::Failed);
}

fn any_position() -> impl Strategy<Value = (Option<String>, Option<i64>)> {
    let offset = prop::option::of("[!-~]([ -~]{0,12}[!-~])?").prop_filter(
        "texts that mean none",
        |offset| {
            offset
                .as_ref()
                .is_none_or(|text| text != "None" && !text.eq_ignore_ascii_case("no offset"))
        },
    );
    let number = prop::option::of((i64::MIN + 1)..=i64::MAX);
    (offset, number)
        .prop_filter("a position", |(offset, number)| offset.is_some() || number.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Export → import → export is the identity but for the times.
    #[test]
    fn an_import_writes_what_was_exported(
        positions in prop::collection::btree_map("[0-9]{1,3}|[a-z][a-zA-Z0-9_-]{0,8}", any_position(), 1..6),
        csv: bool,
    ) {
        let bed = Bed::new();
        for (id, (offset, number)) in &positions {
            let number = number.map(|number| number.to_string()).unwrap_or_default();
            let metadata = [("offset", offset.as_deref().unwrap_or_default()), ("sequencenumber", &number)];
            bed.blob(&format!("{GROUP}/checkpoint/{id}"), &metadata, 60);
        }
        let form = if csv { "csv" } else { "jsonl" };
        let exported = bed.run(&format!("export {TARGET} --form {form}")).ends(Exit::Done);
        let there = Bed::new();
        let line = format!("import - --execute --yes --backup {}", there.path("b.jsonl").display());
        there.run_with_input(&line, &exported.out).ends(Exit::Done);
        for id in positions.keys() {
            prop_assert_eq!(there.stored(id), bed.stored(id));
        }
        prop_assert_eq!(there.service.blobs().len(), bed.service.blobs().len());
    }
}

//! The whole way of an operator over the emulator of the storage account.

use eventhub_checkpoints::exit::Exit;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;

use crate::bed::{Bed, TARGET};
use crate::support::azurite::Azurite;

#[test]
fn checkpoints_are_imported_shown_reset_restored_and_deleted() {
    let (azurite, mut bed) = (Azurite::shared(), Bed::new());
    let container = azurite.new_container_name();
    bed.set_var("AZURE_STORAGE_CONNECTION_STRING", &azurite.connection_string());
    bed.set_var("AZURE_STORAGE_CONTAINER", &container);
    bed.run("groups").ends(Exit::Failed).says("the container does not exist");
    let store =
        BlobCheckpointStore::from_connection_string(&azurite.connection_string(), &container)
            .unwrap();
    store.create_container_if_not_exists().unwrap();
    bed.run("groups").ends(Exit::NothingFound);

    let record = |id: u32| {
        format!(
            r#"{{"kind":"checkpoint","namespace":"contoso.servicebus.windows.net","eventhub":"telemetry","consumer_group":"billing","partition_id":"{id}","offset":"{id}00","sequence_number":{id}}}"#
        )
    };
    let records: Vec<_> = (0..12).map(record).collect();
    let line = format!("import - --execute --yes --backup {}", bed.path("a.jsonl").display());
    bed.run_with_input(&line, &records.join("\n")).ends(Exit::Done).says("Changed: 0-11");
    bed.run("groups").ends(Exit::Done).shows("billing").shows("12");
    let exported = bed.run(&format!("export {TARGET} --form csv")).ends(Exit::Done).out;

    let reset =
        format!("reset {TARGET} --to-earliest --no-hub --execute --yes --backup {{b.jsonl}}");
    bed.run(&reset).ends(Exit::Done);
    let rows = bed.run(&format!("show {TARGET} -o json")).ends(Exit::Done).rows("partitions");
    assert!(rows.iter().all(|row| row["offset"] == "-1" && row["sequence_number"] == -1));
    bed.run("import {b.jsonl} --overwrite --execute --yes --backup {c.jsonl}").ends(Exit::Done);
    let again = bed.run(&format!("export {TARGET} --form csv")).ends(Exit::Done).out;
    let positions = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(positions(&again), positions(&exported));

    bed.run(&format!("doctor {TARGET} --no-hub"))
        .ends(Exit::Done)
        .shows("checkpoints can be written");
    bed.run(&format!("delete {TARGET} --all --execute --yes --backup {{d.jsonl}}"))
        .ends(Exit::Done);
    bed.run("groups").ends(Exit::NothingFound);
}

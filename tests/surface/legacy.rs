//! Checkpoints of the processors before the current ones.

use eventhub_checkpointstore::{
    ChangeOutcome, ConsumerGroup, ErrorKind, KeepReason, LegacyLayout, RunMode, SkipReason,
};

use log::Level;

use super::logging::count;
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{Fault, ForeignBlob, error_reply};
use super::support::capture_log;
use super::support::loopback::Reply;
use super::world::{World, position};
use super::{azurite, checkpoint, group, maybe_async, test};

const LEGACY: &str = "NS.servicebus.windows.net/Hub/$Default/";
const NEW: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/";

fn host(partition_id: &str, offset: &str, number: i64) -> String {
    format!(
        r#"{{"PartitionId":"{partition_id}","Owner":"host","Token":"0b1c","Epoch":386,"Offset":{offset},"SequenceNumber":{number}}}"#
    )
}

#[maybe_async]
async fn migrate(
    store: &BlobCheckpointStore,
    layout: &LegacyLayout,
    mode: RunMode,
) -> Vec<(String, String)> {
    let changes = store.migrate_legacy_checkpoints(&group(), layout, mode).await.unwrap();
    let outcome = |outcome: &ChangeOutcome| match outcome {
        ChangeOutcome::Failed(error) => format!("{:?}", error.kind()),
        other => format!("{other:?}"),
    };
    changes.iter().map(|c| (c.partition_id.clone(), outcome(&c.outcome))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    expected.iter().map(owned).collect()
}

#[maybe_async]
#[test]
async fn a_migration_writes_only_what_is_missing_and_reports_each_partition() {
    for world in World::all() {
        let store = world.store();
        let layout = LegacyLayout::event_processor_host(&group());
        world.put_content(&format!("{LEGACY}0"), &host("0", "\"8591964920\"", 960_180));
        world.put_content(&format!("{LEGACY}1"), &host("1", "null", 7));
        world.put_content(&format!("{LEGACY}2"), &host("2", "\"20\"", 2));
        world.put_content(&format!("{LEGACY}3"), &host("3", "null", 0));
        world.put_content(&format!("{LEGACY}4"), "{");
        // The current records of a fleet with given names lie beside.
        world.put(&format!("{LEGACY}checkpoint/9"), &[("offset", "1")]).await;
        store.update_checkpoint(&checkpoint("2", "30", 3)).await.unwrap();
        world.requests();

        let skipped = |reason: SkipReason| format!("Kept({:?})", KeepReason::Skipped(reason));
        let (none, invalid) =
            (skipped(SkipReason::NoPosition), skipped(SkipReason::InvalidContent));
        let report = |change| {
            pairs(&[
                ("0", change),
                ("1", change),
                ("2", "Kept(Exists)"),
                ("3", none.as_str()),
                ("4", invalid.as_str()),
            ])
        };
        let dry = migrate(&store, &layout, RunMode::DryRun).await;
        assert_eq!(dry, report("Planned"));
        let mut requests = world.requests();
        if matches!(world, World::Service(..)) {
            assert_eq!(requests[..2], [format!("LIST {NEW}"), format!("LIST {LEGACY}")]);
            requests.drain(..2);
            requests.sort_unstable();
            let reads = ["0", "1", "3", "4"].map(|id| format!("GET {LEGACY}{id}"));
            assert_eq!(requests, reads);
        }
        world.assert_metadata(&format!("{NEW}0"), None).await;

        let real = migrate(&store, &layout, RunMode::Apply).await;
        assert_eq!(real, report("Applied"));
        if let World::Service(_, loopback) = &world {
            let requests = loopback.requests();
            let writes: Vec<_> =
                requests.iter().filter(|request| request.method == "PUT").collect();
            assert_eq!((requests.len(), writes.len()), (2 + 4 + 2, 2));
            assert!(writes.iter().all(|put| put.header("if-none-match") == Some("*")));
            loopback.clear();
        }
        world.assert_metadata(&format!("{NEW}0"), position("8591964920", "960180")).await;
        world.assert_metadata(&format!("{NEW}1"), position("", "7")).await;
        world.assert_metadata(&format!("{NEW}2"), position("30", "3")).await;
        world.assert_metadata(&format!("{NEW}3"), None).await;

        // Again: what was taken over is left alone, even if the consumers have gone on.
        store.update_checkpoint(&checkpoint("0", "9000000000", 960_200)).await.unwrap();
        let again = migrate(&store, &layout, RunMode::Apply).await;
        assert_eq!(again[..3], report("Kept(Exists)")[..3]);
        world.assert_metadata(&format!("{NEW}0"), position("9000000000", "960200")).await;
        let kept = world.metadata(&format!("{LEGACY}0")).await;
        assert!(kept.is_some());
    }
}

#[maybe_async]
#[test]
async fn every_legacy_place_is_found() {
    let go = r#"{"checkpoint":{"offset":"10","sequenceNumber":1},"partitionId":"0"}"#;
    let python = r#"{"partition_id":"0","owner":"o","offset":"10","sequence_number":1}"#;
    let java = r#"{"partitionId":"0","epoch":1,"offset":"10","sequenceNumber":1}"#;
    let layouts = [
        (
            LegacyLayout::event_processor_host(&group()),
            format!("{LEGACY}0"),
            host("0", "\"10\"", 1),
        ),
        (
            LegacyLayout::functions(&group()),
            "ns.servicebus.windows.net/hub/$Default/0".into(),
            host("0", "\"10\"", 1),
        ),
        (LegacyLayout::stand_alone_host(&group(), ""), "$Default/0".into(), java.into()),
        (LegacyLayout::stand_alone_host(&group(), "a-"), "a-$Default/0".into(), java.into()),
        (LegacyLayout::dapr(&group()), "dapr-Hub-$Default-0".into(), go.into()),
        (LegacyLayout::named_by_partition(), "0".into(), go.into()),
        (LegacyLayout::named_by_partition(), "0".into(), python.into()),
        (LegacyLayout::new("x/y/"), "x/y/0".into(), go.into()),
    ];
    for world in World::all() {
        for (layout, name, content) in &layouts {
            world.put_content(name, content);
            let listing = world.store().list_legacy_checkpoints(&group(), layout).await.unwrap();
            let seen: Vec<_> = listing
                .iter()
                .map(|c| (c.partition_id(), c.offset().unwrap(), c.sequence_number().unwrap()))
                .collect();
            assert_eq!(seen, [("0", "10", 1)], "{layout}");
            // A legacy blob is no version of a current one.
            assert_eq!(listing.items()[0].etag(), None);
        }
    }
}

#[maybe_async]
#[test]
async fn a_group_with_a_longer_name_is_another_group() {
    for world in World::all() {
        let hub = ConsumerGroup::new("ns", "hub", "g").unwrap();
        let content = |id: &str| {
            format!(r#"{{"checkpoint":{{"offset":"1","sequenceNumber":1}},"partitionId":"{id}"}}"#)
        };
        world.put_content("dapr-hub-g-0", &content("0"));
        world.put_content("dapr-hub-g-2-0", &content("0"));
        let layout = LegacyLayout::dapr(&hub);
        let listing = world.store().list_legacy_checkpoints(&hub, &layout).await.unwrap();
        let seen: Vec<_> = listing.iter().map(|c| c.partition_id()).collect();
        assert_eq!(seen, ["0"]);
        let skipped: Vec<_> =
            listing.skipped().iter().map(|s| (s.name.as_str(), s.reason)).collect();
        assert_eq!(skipped, [("dapr-hub-g-2-0", SkipReason::InvalidContent)]);
    }
}

#[maybe_async]
#[test]
async fn the_legacy_container_may_be_another_one() {
    for (old, new) in World::all().into_iter().zip(World::all()) {
        old.put_content("$Default/0", &host("0", "\"10\"", 1));
        let layout = LegacyLayout::stand_alone_host(&group(), "");
        let (source, target) = (old.store(), new.store());
        let changes = target
            .migrate_legacy_checkpoints_from(&source, &group(), &layout, RunMode::Apply)
            .await
            .unwrap();
        assert_eq!(changes.iter().filter(|change| change.is_change()).count(), 1);
        new.assert_metadata(&format!("{NEW}0"), position("10", "1")).await;
        old.assert_metadata(&format!("{NEW}0"), None).await;
    }
}

#[maybe_async]
#[test]
async fn with_the_read_fallback_a_checkpoint_of_the_other_naming_is_one() {
    for world in World::all() {
        let store = world.store_with(|builder| builder.read_other_name_case(true));
        world.put_content(&format!("{LEGACY}0"), &host("0", "\"10\"", 1));
        let name = format!("{LEGACY}checkpoint/0");
        world.put(&name, &[("offset", "90"), ("sequencenumber", "9")]).await;
        let layout = LegacyLayout::event_processor_host(&group());
        let report = migrate(&store, &layout, RunMode::Apply).await;
        assert_eq!(report, pairs(&[("0", "Kept(Exists)")]));
        let found = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(found.sequence_number(), Some(9));
    }
}

#[maybe_async]
#[test]
async fn failures_are_reported_by_partition_and_a_race_is_none() {
    let world = World::service();
    let store = world.store();
    for id in ["0", "1", "2", "3"] {
        world.put_content(&format!("{LEGACY}{id}"), &host(id, "\"10\"", 1));
    }
    let service = world.double().clone();
    let mut lost = false;
    world.double().inject(move |request| {
        let is_put = request.method == "PUT";
        if request.method == "GET" && request.path().ends_with("/0") {
            return Fault::Respond(Reply::new(403));
        }
        if is_put && request.path().ends_with("/1") {
            // A consumer has just begun with the new format.
            service.put(&format!("{NEW}1"), &[("offset", "50"), ("sequencenumber", "5")]);
        }
        if is_put && request.path().ends_with("/2") && !std::mem::replace(&mut lost, true) {
            return Fault::DropAfterProcessing;
        }
        Fault::None
    });
    let layout = LegacyLayout::event_processor_host(&group());
    let report = migrate(&store, &layout, RunMode::Apply).await;
    let expected =
        [("0", "AccessDenied"), ("1", "Kept(Exists)"), ("2", "Applied"), ("3", "Applied")];
    assert_eq!(report, pairs(&expected));
    world.assert_metadata(&format!("{NEW}1"), position("50", "5")).await;

    // A list of legacy checkpoints is whole or an error.
    let error = store.list_legacy_checkpoints(&group(), &layout).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
}

#[maybe_async]
#[test]
async fn one_blob_never_fails_the_list() {
    for world in World::all() {
        let layout = LegacyLayout::stand_alone_host(&group(), "");
        let padding = "x".repeat(70_000);
        let long =
            format!(r#"{{"PartitionId":"1","Offset":"1","SequenceNumber":1,"x":"{padding}"}}"#);
        world.put_content("$Default/0", &host("0", "\"10\"", 1));
        world.put_content("$Default/1", &long);
        world.put_content("$Default/2", "");
        let invalid = SkipReason::InvalidContent;
        let mut expected = vec![("$Default/1", invalid), ("$Default/2", invalid)];
        if let World::Service(service, _) = &world {
            world.put_content("$Default/3", &host("3", "\"30\"", 3));
            expected.push(("$Default/3", SkipReason::ContentRefused));
            service.inject(|request| {
                if request.method == "GET" && request.path().ends_with("/3") {
                    return Fault::Respond(error_reply(
                        409,
                        "BlobArchived",
                        "Not on archived blobs.",
                    ));
                }
                Fault::None
            });
        }
        let store = world.store();
        let listing = store.list_legacy_checkpoints(&group(), &layout).await.unwrap();
        let seen: Vec<_> = listing.iter().map(|c| c.partition_id()).collect();
        assert_eq!(seen, ["0"]);
        let mut skipped: Vec<_> =
            listing.skipped().iter().map(|blob| (blob.name.as_str(), blob.reason)).collect();
        skipped.sort_unstable_by_key(|(name, _)| *name);
        assert_eq!(skipped, expected);
        if let World::Service(_, loopback) = &world {
            let requests = loopback.requests();
            let reads: Vec<_> = requests.iter().filter(|it| it.query("prefix").is_none()).collect();
            assert_eq!(reads.len(), 4);
            assert!(reads.iter().all(|it| it.header("x-ms-range") == Some("bytes=0-65535")));
        }

        let strict = world.store_with(|builder| builder.fail_on_unreadable(true));
        let error = strict.list_legacy_checkpoints(&group(), &layout).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}

#[maybe_async]
#[test]
async fn content_that_a_list_leaves_out_is_not_a_failed_request() {
    capture_log::start();
    let world = World::service();
    let layout = LegacyLayout::stand_alone_host(&group(), "");
    world.put_content("$Default/empty", "");
    world.put_content("$Default/archived", "");
    world.double().inject(|request| {
        if request.method == "GET" && request.path().ends_with("/archived") {
            return Fault::Respond(error_reply(409, "BlobArchived", "Not on archived blobs."));
        }
        Fault::None
    });
    let store = world.store();
    for lists in 1..=2 {
        let listing = store.list_legacy_checkpoints(&group(), &layout).await.unwrap();
        assert_eq!(listing.skipped().len(), 2);
        for (name, status) in [("$Default/empty", 416), ("$Default/archived", 409)] {
            let lines = capture_log::lines_with(name);
            let tells = lines.iter().any(|(_, line)| line.contains(&format!("status {status}")));
            assert!(tells, "{lines:?}");
            assert_eq!((count(Level::Debug, name), count(Level::Warn, name)), (lists, 0));
        }
    }
}

#[maybe_async]
#[test]
async fn partly_migrated_records_are_reported_and_left_by_a_strict_store() {
    for world in World::all() {
        let layout = LegacyLayout::stand_alone_host(&group(), "");
        world
            .put_content("$Default/0", r#"{"PartitionId":"0","Offset":"10","SequenceNumber":"x"}"#);
        let reason = SkipReason::InvalidSequenceNumber;
        let strict = world.store_with(|builder| builder.fail_on_unreadable(true));
        let kept = format!("Kept({:?})", KeepReason::Skipped(reason));
        for mode in [RunMode::DryRun, RunMode::Apply] {
            let report = migrate(&strict, &layout, mode).await;
            assert_eq!(report, pairs(&[("0", &kept)]));
        }
        world.assert_metadata(&format!("{NEW}0"), None).await;

        let store = world.store();
        for mode in [RunMode::DryRun, RunMode::Apply] {
            let changes = store.migrate_legacy_checkpoints(&group(), &layout, mode).await.unwrap();
            let change = changes.iter().next().unwrap();
            assert!(change.is_change());
            assert_eq!(change.repaired, Some(reason));
            let line = change.to_string();
            assert!(
                line.ends_with("(read in part: its sequence number is not a 64-bit integer)"),
                "{line}"
            );
        }
        world.assert_metadata(&format!("{NEW}0"), position("10", "")).await;
    }
}

#[maybe_async]
#[test]
async fn a_dry_run_sees_what_is_in_the_way() {
    let world = World::service();
    let layout = LegacyLayout::stand_alone_host(&group(), "");
    for id in ["0", "1", "2"] {
        world.put_content(&format!("$Default/{id}"), &host(id, "\"10\"", 1));
    }
    world.put(&format!("{NEW}0"), &[("hdi_isfolder", "true")]).await;
    let without_version = ForeignBlob::new(&format!("{NEW}1")).etag("a\"b");
    world.double().put_with(without_version);
    let gone = ForeignBlob::new(&format!("{NEW}2")).metadata(&[("offset", "1")]).deleted();
    world.double().put_with(gone);
    let store = world.store();
    for (mode, change) in [(RunMode::DryRun, "Planned"), (RunMode::Apply, "Applied")] {
        let report = migrate(&store, &layout, mode).await;
        assert_eq!(report, pairs(&[("0", "Kept(Exists)"), ("1", "Kept(Exists)"), ("2", change)]));
    }
}

/// The emulator refuses the range of an empty blob, as the service does.
#[maybe_async]
#[test]
async fn an_empty_blob_of_the_emulator_is_not_a_checkpoint() {
    let store = azurite();
    store.create_container_if_not_exists().await.unwrap();
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let layout = LegacyLayout::new(NEW);
    let listing = store.list_legacy_checkpoints(&group(), &layout).await.unwrap();
    assert!(listing.is_empty());
    let skipped: Vec<_> = listing.skipped().iter().map(|blob| blob.reason).collect();
    assert_eq!(skipped, [SkipReason::InvalidContent]);
}

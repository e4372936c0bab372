//! Moving and deleting checkpoints on purpose, with a dry run and a report for each partition.

use eventhub_checkpointstore::{
    ChangeOutcome, Checkpoint, CheckpointChanges, ConsumerGroup, ErrorKind, KeepReason, NameCase,
    Partitions, RunMode,
};

use super::subject::BlobCheckpointStore;
use super::support::blob_service::{Fault, ForeignBlob, Operation, error_reply};
use super::world::{World, position};
use super::{azurite, checkpoint, group, maybe_async, ownership, test};

const PREFIX: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/";
const OWNERS: &str = "ns.servicebus.windows.net/hub/$default/ownership/";

/// Partition, sequence numbers before and after, and what was done.
fn report(changes: &CheckpointChanges) -> Vec<(&str, Option<i64>, Option<i64>, String)> {
    let number = |checkpoint: &Option<Checkpoint>| checkpoint.as_ref()?.sequence_number();
    changes
        .iter()
        .map(|change| {
            let outcome = match &change.outcome {
                ChangeOutcome::Failed(error) => format!("{:?}", error.kind()),
                other => format!("{other:?}"),
            };
            (change.partition_id.as_str(), number(&change.before), number(&change.after), outcome)
        })
        .collect()
}

fn applied() -> String {
    "Applied".to_owned()
}

fn planned() -> String {
    "Planned".to_owned()
}

fn kept(reason: KeepReason) -> String {
    format!("Kept({reason:?})")
}

/// A store over each container with two checkpoints, at 10 and 11.
#[maybe_async]
async fn filled() -> Vec<(Option<World>, BlobCheckpointStore)> {
    let azurite = azurite();
    azurite.create_container_if_not_exists().await.unwrap();
    let mut stores = vec![(None, azurite)];
    for world in World::all() {
        let store = world.store();
        stores.push((Some(world), store));
    }
    for (_, store) in &stores {
        store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
        store.update_checkpoint(&checkpoint("1", "110", 11)).await.unwrap();
    }
    stores
}

#[maybe_async]
#[test]
async fn a_reset_moves_positions_backwards_and_says_what_it_did() {
    for (world, store) in filled().await {
        let positions =
            [checkpoint("1", "30", 3), checkpoint("0", "100", 10), checkpoint("7", "70", 7)];
        let dry = store.reset_checkpoints(&positions, RunMode::DryRun).await;
        let same = kept(KeepReason::SamePosition);
        let expected = [
            ("1", Some(11), Some(3), planned()),
            ("0", Some(10), Some(10), same.clone()),
            ("7", None, Some(7), planned()),
        ];
        assert_eq!(report(&dry), expected);
        let listing = store.list_checkpoints(&group()).await.unwrap();
        let numbers: Vec<_> = listing.iter().map(|c| c.sequence_number().unwrap()).collect();
        assert_eq!(numbers, [10, 11], "a dry run writes nothing");
        if let Some(world) = &world {
            world.requests();
        }

        let real = store.reset_checkpoints(&positions[..1], RunMode::Apply).await;
        assert_eq!(report(&real), [("1", Some(11), Some(3), applied())]);
        if let Some(world) = &world {
            world.assert_requests(&[
                &format!("LIST {OWNERS}"),
                &format!("HEAD {PREFIX}1"),
                &format!("PUT {PREFIX}1?metadata"),
            ]);
        }
        let real = store.reset_checkpoints(&positions, RunMode::Apply).await;
        let expected = [
            ("1", Some(3), Some(3), same.clone()),
            ("0", Some(10), Some(10), same.clone()),
            ("7", None, Some(7), applied()),
        ];
        assert_eq!(report(&real), expected);

        let listing = store.list_checkpoints(&group()).await.unwrap();
        let numbers: Vec<_> = listing.iter().map(|c| c.sequence_number().unwrap()).collect();
        assert_eq!(numbers, [10, 3, 7]);
        let after: Vec<_> = real.iter().map(|change| change.after.clone().unwrap()).collect();
        assert_eq!(after[2].etag(), listing.items()[2].etag());
    }
}

#[maybe_async]
#[test]
async fn a_reset_beside_a_running_consumer_fails_and_leaves_its_position() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    let service = world.double().clone();
    world.double().inject(move |request| {
        if request.method == "PUT" {
            let name = format!("{PREFIX}0");
            service.put(&name, &[("offset", "120"), ("sequencenumber", "12")]);
        }
        Fault::None
    });
    let changes = store.reset_checkpoints(&[checkpoint("0", "30", 3)], RunMode::Apply).await;
    assert_eq!(report(&changes), [("0", Some(10), None, "ConditionNotMet".to_owned())]);
    assert_eq!(changes.failed().count(), 1);
    let line = changes.iter().next().unwrap().to_string();
    assert!(line.starts_with("partition 0: failed: could not reset the checkpoint"), "{line}");
    world.assert_metadata(&format!("{PREFIX}0"), position("120", "12")).await;
}

#[maybe_async]
#[test]
async fn a_lost_response_to_a_reset_is_settled() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    world.double().queue_faults([Fault::None, Fault::DropAfterProcessing]);
    let changes = store.reset_checkpoints(&[checkpoint("0", "30", 3)], RunMode::Apply).await;
    assert_eq!(report(&changes), [("0", Some(10), Some(3), applied())]);
}

#[maybe_async]
#[test]
async fn a_reset_replaces_what_is_not_readable() {
    for world in World::all() {
        let name = format!("{PREFIX}0");
        world.put(&name, &[("offset", ""), ("sequencenumber", "None")]).await;
        let changes =
            world.store().reset_checkpoints(&[checkpoint("0", "30", 3)], RunMode::Apply).await;
        assert_eq!(report(&changes), [("0", None, Some(3), applied())]);
        world.assert_metadata(&name, position("30", "3")).await;
    }
}

#[maybe_async]
#[test]
async fn checkpoints_of_some_or_of_all_partitions_are_deleted() {
    for (world, store) in filled().await {
        let claims = store.claim_ownership(&[ownership("0", "me")]).await;
        assert!(claims.all_claimed());
        let relinquished = store.relinquish_ownership(&claims.into_claimed()).await;
        assert!(relinquished.all_released());
        let other = ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "other").unwrap();
        let kept_one = Checkpoint::new(&other, "0", "1", 1).unwrap();
        store.update_checkpoint(&kept_one).await.unwrap();

        let only = Partitions::only(["1", "9"]);
        let dry = store.delete_checkpoints(&group(), only.clone(), RunMode::DryRun).await.unwrap();
        let missing = ("9", None, None, kept(KeepReason::Missing));
        assert_eq!(report(&dry), [("1", Some(11), None, planned()), missing.clone()]);
        if let Some(world) = &world {
            world.requests();
        }
        let real = store.delete_checkpoints(&group(), only, RunMode::Apply).await.unwrap();
        assert_eq!(report(&real), [("1", Some(11), None, applied()), missing]);
        if let Some(world) = &world {
            world.assert_requests(&[
                &format!("LIST {PREFIX}"),
                &format!("LIST {OWNERS}"),
                &format!("DELETE {PREFIX}1"),
            ]);
        }
        let left = store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(left.len(), 1);

        let dry =
            store.delete_checkpoints(&group(), Partitions::All, RunMode::DryRun).await.unwrap();
        assert_eq!(report(&dry), [("0", Some(10), None, planned())]);
        let real =
            store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
        assert_eq!(report(&real), [("0", Some(10), None, applied())]);
        let again =
            store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
        assert!(again.is_empty());

        let owned = store.list_ownership(&group()).await.unwrap();
        assert_eq!(owned.len(), 1);
        let others = store.list_checkpoints(&other).await.unwrap();
        assert_eq!(others.len(), 1);
    }
}

#[maybe_async]
#[test]
async fn blobs_that_are_not_checkpoints_are_not_deleted() {
    let world = World::service();
    let store = world.store();
    let service = world.double();
    service.put(&format!("{PREFIX}0"), &[]);
    service.put(&format!("{PREFIX}dir"), &[("hdi_isfolder", "true")]);
    service.put(&format!("{PREFIX}a/b"), &[("offset", "1")]);
    service
        .put_with(ForeignBlob::new(&format!("{PREFIX}1")).metadata(&[("offset", "1")]).deleted());
    let changes =
        store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
    // One without a position is a checkpoint all the same.
    assert_eq!(report(&changes), [("0", None, None, applied())]);
    let left: Vec<_> = service.blobs().into_keys().collect();
    assert_eq!(left, [format!("{PREFIX}a/b"), format!("{PREFIX}dir")]);

    let bad = store.delete_checkpoints(&group(), Partitions::only(["a/b"]), RunMode::Apply).await;
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[maybe_async]
#[test]
async fn a_deletion_beside_a_running_consumer_fails_and_a_lost_response_does_not() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    let service = world.double().clone();
    world.double().inject(move |request| {
        if request.method == "DELETE" {
            let name = format!("{PREFIX}0");
            service.put(&name, &[("offset", "120"), ("sequencenumber", "12")]);
        }
        Fault::None
    });
    let changes =
        store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
    assert_eq!(report(&changes), [("0", Some(10), None, "ConditionNotMet".to_owned())]);
    world.assert_metadata(&format!("{PREFIX}0"), position("120", "12")).await;

    world.double().clear_faults();
    world.double().queue_faults([Fault::None, Fault::DropAfterProcessing]);
    let changes =
        store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
    assert_eq!(report(&changes), [("0", Some(12), None, applied())]);
    let deletions = world.double().history();
    let deletions = deletions.iter().filter(|write| write.operation == Operation::DeleteBlob);
    assert_eq!(deletions.count(), 1);
}

#[maybe_async]
#[test]
async fn a_failed_list_deletes_nothing() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    world.double().queue_faults([Fault::TruncateResponse(300)]);
    let store =
        store.with_options(eventhub_checkpointstore::CallOptions::new().with_max_retries(0));
    let failed = store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await;
    assert!(failed.is_err());
    assert_eq!(world.double().blobs().len(), 1);
}

/// They would go on counting, so whoever deletes must know of them.
#[maybe_async]
#[test]
async fn a_deletion_tells_of_the_checkpoints_of_the_other_naming() {
    const OTHER: &str = "NS.servicebus.windows.net/Hub/$Default/checkpoint/";
    const OTHER_OWNERS: &str = "NS.servicebus.windows.net/Hub/$Default/ownership/";
    for world in World::all() {
        let store = world.store_with(|builder| builder.read_other_name_case(true));
        store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
        for id in ["0", "1"] {
            let position = [("offset", "50"), ("sequencenumber", "5")];
            world.put(&format!("{OTHER}{id}"), &position).await;
        }
        world.requests();
        let other = |id| (id, Some(5), Some(5), kept(KeepReason::OtherNaming));
        let missing = ("7", None, None, kept(KeepReason::Missing));
        for (mode, done) in [(RunMode::DryRun, planned()), (RunMode::Apply, applied())] {
            let only = Partitions::only(["0", "7"]);
            let changes = store.delete_checkpoints(&group(), only, mode).await.unwrap();
            let own = ("0", Some(10), None, done);
            assert_eq!(report(&changes), [own, other("0"), missing.clone()]);
        }
        let lists = [PREFIX, OTHER, OWNERS, OTHER_OWNERS].map(|prefix| format!("LIST {prefix}"));
        let delete = format!("DELETE {PREFIX}0");
        let twice: Vec<_> =
            lists.iter().chain(&lists).chain([&delete]).map(String::as_str).collect();
        world.assert_requests(&twice);

        let changes =
            store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
        assert_eq!(report(&changes), [other("0"), other("1")]);
        let listing = store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(listing.len(), 2);

        // As documented: the store of the other naming deletes them.
        let other = world.store_with(|builder| builder.name_case(NameCase::AsGiven));
        let changes =
            other.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
        assert_eq!(changes.iter().filter(|change| change.is_change()).count(), 2);
    }
}

fn refused(owner_id: &str) -> String {
    format!("{:?}", ChangeOutcome::Refused { owner_id: owner_id.to_owned() })
}

#[maybe_async]
#[test]
async fn a_reset_under_a_running_owner_is_refused_unless_forced() {
    for (_, store) in filled().await {
        let claims = store.claim_ownership(&[ownership("0", "consumer-a")]).await;
        assert!(claims.all_claimed());
        let replay = [checkpoint("0", "30", 3), checkpoint("1", "40", 4)];
        for (mode, other) in [(RunMode::DryRun, planned()), (RunMode::Apply, applied())] {
            let changes = store.reset_checkpoints(&replay, mode).await;
            let owned = ("0", Some(10), Some(10), refused("consumer-a"));
            assert_eq!(report(&changes), [owned, ("1", Some(11), Some(4), other)]);
            let lines: Vec<_> = changes.refused().map(|(change, _)| change.to_string()).collect();
            assert!(lines[0].contains("its owner \"consumer-a\" is running"), "{lines:?}");
            let error = changes.into_result().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConditionNotMet);
            assert!(
                error.to_string().contains("1 of 2 partitions: partition 0: refused"),
                "{error}"
            );
        }
        for (mode, other) in [(RunMode::DryRun, planned()), (RunMode::Apply, applied())] {
            let changes = store.delete_checkpoints(&group(), Partitions::All, mode).await.unwrap();
            let owned = ("0", Some(10), Some(10), refused("consumer-a"));
            assert_eq!(report(&changes), [owned, ("1", Some(4), None, other)]);
        }

        let changes = store.reset_checkpoints(&replay[..1], RunMode::Force).await;
        assert_eq!(report(&changes), [("0", Some(10), Some(3), applied())]);
        let changes = changes.into_result().unwrap();
        assert_eq!(changes.len(), 1);
        let changes = store.delete_checkpoints(&group(), Partitions::All, RunMode::Force).await;
        assert_eq!(report(&changes.unwrap()), [("0", Some(3), None, applied())]);
        store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();

        // Once it has given the partition up, nothing is in the way.
        let relinquished = store.relinquish_ownership(&claims.into_claimed()).await;
        assert!(relinquished.all_released());
        let changes = store.reset_checkpoints(&replay[..1], RunMode::Apply).await;
        assert_eq!(report(&changes), [("0", Some(10), Some(3), applied())]);
    }
}

#[maybe_async]
#[test]
async fn an_owner_that_stopped_renewing_is_not_running() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    let claims = store.claim_ownership(&[ownership("0", "consumer-a")]).await;
    assert!(claims.all_claimed());
    // The server's clock counts, not ours.
    for (seconds, outcome) in [(100, refused("consumer-a")), (200, planned())] {
        world.double().set_clock_offset(seconds);
        let changes = store.reset_checkpoints(&[checkpoint("0", "30", 3)], RunMode::DryRun).await;
        assert_eq!(
            changes.iter().map(|change| format!("{:?}", change.outcome)).collect::<Vec<_>>(),
            [outcome]
        );
    }
}

#[maybe_async]
#[test]
async fn nothing_is_changed_without_the_list_of_owners() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    world.double().inject(|request| match request.query("prefix").as_deref() {
        Some(OWNERS) => Fault::Respond(
            error_reply(403, "AuthorizationFailure", "no").header("x-ms-request-id", "r-1"),
        ),
        _ => Fault::None,
    });
    let positions = [checkpoint("0", "30", 3), checkpoint("1", "30", 3)];
    let changes = store.reset_checkpoints(&positions, RunMode::Apply).await;
    let refused = |id| (id, None, None, "AccessDenied".to_owned());
    assert_eq!(report(&changes), [refused("0"), refused("1")]);
    // Each partition is told all that the service said, and each thing once.
    let whole = (Some(403), Some("AuthorizationFailure"), Some("r-1"));
    for (_, error) in changes.failed() {
        assert_eq!((error.status(), error.code(), error.request_id()), whole);
        assert_eq!(error.to_string().matches("403").count(), 1, "{error}");
        assert!(error.to_string().starts_with("could not list the ownerships: "), "{error}");
    }
    let error = changes.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert_eq!((error.status(), error.code(), error.request_id()), whole);
    let text = "could not change the checkpoints: 2 of 2 partitions: partition 0: could not list the ownerships: ";
    assert!(error.to_string().starts_with(text), "{error}");
    assert_eq!(format!("{error:?}").matches("403").count(), 1, "{error:?}");
    let failed = store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::AccessDenied);
    world.assert_metadata(&format!("{PREFIX}0"), position("100", "10")).await;
}

#[maybe_async]
#[test]
async fn a_deletion_says_that_it_deletes() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    world.double().put(&format!("{PREFIX}1"), &[]);
    let lines =
        |changes: &CheckpointChanges| changes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let dry = store.delete_checkpoints(&group(), Partitions::All, RunMode::DryRun).await.unwrap();
    let expected = [
        "partition 0: would delete sequence number 10, offset 100",
        "partition 1: would delete no position",
    ];
    assert_eq!(lines(&dry), expected);
    let dry = store.reset_checkpoints(&[checkpoint("0", "30", 3)], RunMode::DryRun).await;
    let expected = "partition 0: would change from sequence number 10, offset 100 to sequence \
                    number 3, offset 30";
    assert_eq!(lines(&dry), [expected]);
    let real = store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
    assert_eq!(lines(&real)[0], "partition 0: deleted sequence number 10, offset 100");
}

#[maybe_async]
#[test]
async fn the_second_reset_of_a_partition_in_a_batch_is_an_error() {
    for world in World::all() {
        let batch = [checkpoint("0", "30", 3), checkpoint("0", "40", 4)];
        let changes = world.store().reset_checkpoints(&batch, RunMode::Apply).await;
        let second = ("0", None, None, "InvalidInput".to_owned());
        assert_eq!(report(&changes), [("0", None, Some(3), applied()), second]);
        world.assert_metadata(&format!("{PREFIX}0"), position("30", "3")).await;
    }
}

/// The service refuses it: the snapshots would go with the blob.
#[maybe_async]
#[test]
async fn a_checkpoint_with_snapshots_is_not_deleted() {
    let world = World::service();
    let store = world.store();
    store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    world.double().inject(|request| match request.method.as_str() {
        "DELETE" => Fault::Respond(error_reply(409, "SnapshotsPresent", "it has snapshots")),
        _ => Fault::None,
    });
    let changes =
        store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap();
    assert_eq!(report(&changes), [("0", Some(10), None, "Rejected".to_owned())]);
    let (_, error) = changes.failed().next().unwrap();
    assert_eq!((error.status(), error.code()), (Some(409), Some("SnapshotsPresent")));
    let error = store.delete_checkpoint(&group(), "0").await.unwrap_err();
    assert_eq!(error.code(), Some("SnapshotsPresent"));
    let found = store.get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_some());
}

//! Conditional writes of checkpoints change only what their caller has seen.

use eventhub_checkpointstore::{DeleteOutcome, ErrorKind, Expected, UpdateOutcome};

use super::support::blob_service::{Fault, error_reply};
use super::world::{World, position};
use super::{checkpoint, group, maybe_async, ownership, stores, test};

const NAME: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/0";

#[maybe_async]
#[test]
async fn only_the_expected_version_is_replaced_or_deleted() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let first = checkpoint("0", "100", 10);
        let update = store.update_checkpoint_if(&first, Expected::Absent).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
        let seen = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(
            (update.etag.as_ref(), update.last_modified),
            (seen.etag(), seen.last_modified())
        );
        let seen = seen.etag().unwrap();
        let again = store.update_checkpoint_if(&first, Expected::Absent).await.unwrap();
        assert_eq!((again.outcome, again.etag), (UpdateOutcome::Conflict, None));

        // Backwards is allowed, but not over another writer's.
        let replay = checkpoint("0", "30", 3);
        let update = store.update_checkpoint_if(&replay, Expected::Version(seen)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
        let late = store.update_checkpoint_if(&first, Expected::Version(seen)).await.unwrap();
        assert_eq!(late.outcome, UpdateOutcome::Conflict);
        let outcome = store.delete_checkpoint_if(&group(), "0", seen).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Conflict);
        let stored = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((stored.sequence_number(), stored.etag()), (Some(3), update.etag.as_ref()));

        let stored = stored.etag().unwrap();
        let outcome = store.delete_checkpoint_if(&group(), "0", stored).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Deleted);
        let outcome = store.delete_checkpoint_if(&group(), "0", stored).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Missing);
        let gone = store.update_checkpoint_if(&first, Expected::Version(stored)).await.unwrap();
        assert_eq!(gone.outcome, UpdateOutcome::Conflict);
        let found = store.get_checkpoint(&group(), "0").await.unwrap();
        assert!(found.is_none(), "nothing is created");
    }
}

#[maybe_async]
#[test]
async fn only_the_seen_version_of_an_ownership_is_deleted() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let claims = store.claim_ownership(&[ownership("0", "a"), ownership("1", "a")]).await;
        let first = claims.into_claimed();
        let seen = first[0].etag().unwrap();
        let renewed = store.claim_ownership(&first[..1]).await.into_claimed();
        let outcome = store.delete_ownership_if(&group(), "0", seen).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Conflict);
        let stored = renewed[0].etag().unwrap();
        let outcome = store.delete_ownership_if(&group(), "0", stored).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Deleted);
        let outcome = store.delete_ownership_if(&group(), "0", stored).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Missing);
        let left = store.list_ownership(&group()).await.unwrap();
        let left: Vec<_> = left.iter().map(|ownership| ownership.partition_id()).collect();
        assert_eq!(left, ["1"]);
        // The record's next claim is a first one again.
        let claims = store.claim_ownership(&[ownership("0", "b")]).await;
        assert!(claims.all_claimed());
    }
}

#[maybe_async]
#[test]
async fn an_unreadable_checkpoint_counts_as_present() {
    for world in World::all() {
        world.put(NAME, &[("offset", "")]).await;
        let new = checkpoint("0", "30", 3);
        let update = world.store().update_checkpoint_if(&new, Expected::Absent).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Conflict);
    }
}

#[maybe_async]
#[test]
async fn a_conditional_write_is_one_request() {
    let world = World::service();
    let store = world.store();
    let etag = store.update_checkpoint_if(&checkpoint("0", "1", 1), Expected::Absent).await;
    let etag = etag.unwrap().etag.unwrap();
    world.assert_requests(&[&format!("PUT {NAME}")]);
    let update =
        store.update_checkpoint_if(&checkpoint("0", "2", 2), Expected::Version(&etag)).await;
    let etag = update.unwrap().etag.unwrap();
    world.assert_requests(&[&format!("PUT {NAME}?metadata")]);
    let outcome = store.delete_checkpoint_if(&group(), "0", &etag).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Deleted);
    world.assert_requests(&[&format!("DELETE {NAME}")]);

    // Only a refusal costs another one.
    world.double().put(NAME, &[("offset", "1")]);
    let outcome = store.delete_checkpoint_if(&group(), "0", &etag).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Conflict);
    world.assert_requests(&[&format!("DELETE {NAME}"), &format!("HEAD {NAME}")]);
}

#[maybe_async]
#[test]
async fn a_lost_response_is_not_a_conflict() {
    let world = World::service();
    let store = world.store();
    for expects_one in [false, true] {
        let before = expects_one.then(|| world.double().put(NAME, &[("offset", "1")]));
        let before = before.map(|etag| eventhub_checkpointstore::ETag::new(etag).unwrap());
        let expected = before.as_ref().map_or(Expected::Absent, Expected::Version);
        world.double().queue_faults([Fault::DropAfterProcessing]);
        let update = store.update_checkpoint_if(&checkpoint("0", "30", 3), expected).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
        world.assert_metadata(NAME, position("30", "3")).await;

        let etag = update.etag.unwrap();
        world.double().queue_faults([Fault::DropAfterProcessing]);
        let outcome = store.delete_checkpoint_if(&group(), "0", &etag).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::Deleted);
    }
}

#[maybe_async]
#[test]
async fn a_lost_response_and_another_writer_are_a_conflict() {
    let world = World::service();
    let store = world.store();
    let service = world.double().clone();
    let mut attempts = 0;
    world.double().inject(move |request| {
        attempts += usize::from(request.method == "PUT");
        if attempts == 2 && request.method == "PUT" {
            service.put(NAME, &[("offset", "90"), ("sequencenumber", "9")]);
        }
        if attempts == 1 { Fault::DropAfterProcessing } else { Fault::None }
    });
    let update = store.update_checkpoint_if(&checkpoint("0", "30", 3), Expected::Absent).await;
    assert_eq!(update.unwrap().outcome, UpdateOutcome::Conflict);
    world.assert_metadata(NAME, position("90", "9")).await;
}

#[maybe_async]
#[test]
async fn a_failure_is_an_error_that_says_whether_it_may_be_stored() {
    let world = World::service();
    let store = world.store();
    world.double().queue_faults([Fault::Respond(error_reply(403, "AuthorizationFailure", "no"))]);
    let error = store.update_checkpoint_if(&checkpoint("0", "30", 3), Expected::Absent).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::AccessDenied, false));

    // Stored, its response lost, and then nobody can be asked.
    let mut seen = 0;
    world.double().inject(move |_| {
        seen += 1;
        match seen {
            1 => Fault::DropAfterProcessing,
            _ => Fault::Respond(error_reply(403, "AuthorizationFailure", "no")),
        }
    });
    let error = store.update_checkpoint_if(&checkpoint("0", "30", 3), Expected::Absent).await;
    assert!(error.unwrap_err().is_outcome_unknown());
    let etag = eventhub_checkpointstore::ETag::new("0x1").unwrap();
    let error = store.delete_checkpoint_if(&group(), "a/b", &etag).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

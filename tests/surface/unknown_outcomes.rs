//! Writes whose response was lost: the store finds out who won, or reports an unknown outcome.

use eventhub_checkpointstore::{ClaimOutcome, ETag, ErrorKind, PartitionOwnership};

use super::script::{Script, Step};
use super::support::blob_service::{BlobService, Fault, error_reply};
use super::support::loopback::Reply;
use super::{checkpoint, group, maybe_async, ownership, stores, test};

pub const BLOB: &str = "ns.servicebus.windows.net/hub/$default/ownership/0";

/// A claim of partition 0 by `a`, whatever is stored.
pub fn claim_of(service: &BlobService, stored_owner: Option<&str>) -> PartitionOwnership {
    match stored_owner {
        None => ownership("0", "a"),
        Some(owner) => {
            let etag = service.put(BLOB, &[("ownerid", owner)]);
            ownership("0", "a").with_etag(ETag::new(etag).unwrap())
        }
    }
}

fn owner(service: &BlobService) -> String {
    service.blob(BLOB).unwrap().metadata[0].1.clone()
}

/// The three ways in which a claim is made: by the owner that is stored, if any.
const WAYS: [(&str, Option<&str>); 3] =
    [("first claim", None), ("renewal", Some("a")), ("takeover", Some("b"))];

fn first_write(stored: Option<&str>) -> &'static str {
    if stored.is_some() { "PUT metadata" } else { "PUT" }
}

#[maybe_async]
#[test]
async fn a_claim_that_was_applied_is_won_although_its_response_was_lost() {
    for (way, stored) in WAYS {
        let lost = [
            Fault::DropAfterProcessing,
            Fault::HangAfter,
            Fault::TruncateResponse(20),
            Fault::ApplyThenRespond(Reply::new(500)),
            Fault::ApplyThenRespond(Reply::new(503)),
            Fault::ApplyThenRespond(Reply::new(408)),
        ];
        for fault in lost {
            let name = fault.name();
            let service = BlobService::new("checkpoints");
            let claim = claim_of(&service, stored);
            service.queue_faults([fault]);
            let script = Script::over(&service);
            let claims = script.store().claim_ownership(&[claim]).await;
            let write = first_write(stored);
            assert_eq!(script.operations(), [write, write, "HEAD", "PUT metadata"], "{way} {name}");
            let claimed = claims.into_claimed();
            assert_eq!(claimed.len(), 1, "{way} {name}");
            let etag = claimed[0].etag().unwrap().as_str().trim_matches('"').to_owned();
            assert_eq!(etag, service.blob(BLOB).unwrap().etag, "{way} {name}");
            assert_eq!(owner(&service), "a");
        }
    }
}

#[maybe_async]
#[test]
async fn a_claim_that_another_won_meanwhile_is_lost() {
    for (way, stored) in WAYS {
        let service = BlobService::new("checkpoints");
        let claim = claim_of(&service, stored);
        let other = service.clone();
        let mut first = true;
        service.inject(move |_| {
            if !std::mem::take(&mut first) {
                return Fault::None;
            }
            other.put(BLOB, &[("ownerid", "rival")]);
            Fault::DropBeforeProcessing
        });
        let script = Script::over(&service);
        let claims = script.store().claim_ownership(std::slice::from_ref(&claim)).await;
        assert_eq!(claims.lost().collect::<Vec<_>>(), [&claim], "{way}: {claims:?}");
        let write = first_write(stored);
        assert_eq!(script.operations(), [write, write, "HEAD"], "{way}");
        assert_eq!(owner(&service), "rival");
    }
}

#[maybe_async]
#[test]
async fn a_conflict_without_a_lost_response_is_lost_at_once() {
    for (way, stored) in WAYS {
        for fault in [Fault::None, Fault::Respond(Reply::new(429))] {
            let retried = !matches!(fault, Fault::None);
            let service = BlobService::new("checkpoints");
            let claim = claim_of(&service, stored);
            service.put(BLOB, &[("ownerid", "a")]);
            service.queue_faults([fault]);
            let script = Script::over(&service);
            let claims = script.store().claim_ownership(&[claim]).await;
            assert_eq!(claims.lost().count(), 1, "{way}: the stored owner id alone is no proof");
            // And one more to name the present owner.
            assert_eq!(script.sent().len(), 2 + usize::from(retried), "{way}");
            assert_eq!(script.operations().last().unwrap(), "HEAD");
            let present = claims.outcomes()[0].present().unwrap();
            assert_eq!(present.owner_id(), Some("a"), "{way}");
        }
    }
}

/// Unlike a container that cannot tell whether it has retried a write.
#[maybe_async]
#[test]
async fn an_outdated_claim_is_lost_although_the_owner_has_the_partition() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let first = store.claim_ownership(&[ownership("0", "a")]).await.into_claimed();
        let renewed = store.claim_ownership(&first).await;
        assert!(renewed.all_claimed(), "{renewed:?}");
        let outdated = store.claim_ownership(&first).await;
        assert_eq!(outdated.lost().count(), 1, "{outdated:?}");
    }
}

#[maybe_async]
#[test]
async fn only_a_condition_that_was_not_met_is_a_loss() {
    for (way, stored) in WAYS {
        for code in ["LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "SystemInUse"] {
            let service = BlobService::new("checkpoints");
            let claim = claim_of(&service, stored);
            service.inject(move |_| Fault::Respond(error_reply(412, code, "no")));
            let script = Script::over(&service);
            let claims = script.store().claim_ownership(&[claim]).await;
            let (_, error) = claims.failed().next().expect(way);
            assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, Some(code)), "{way}");
            assert_eq!(script.sent().len(), 1);
        }
    }
}

#[maybe_async]
#[test]
async fn an_old_record_of_the_same_owner_is_claimed_anew() {
    let service = BlobService::new("checkpoints");
    let old = service.put(BLOB, &[("ownerid", "a")]);
    service.queue_faults([Fault::DropBeforeProcessing]);
    let script = Script::over(&service);
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    assert_ne!(service.blob(BLOB).unwrap().etag, old, "it was fenced by a write of its own");
}

#[maybe_async]
#[test]
async fn a_rival_that_takes_the_record_during_the_inspection_wins() {
    for (way, stored) in WAYS {
        let service = BlobService::new("checkpoints");
        let claim = claim_of(&service, stored);
        let other = service.clone();
        let mut count = 0;
        service.inject(move |_| {
            count += 1;
            if count == 4 {
                other.put(BLOB, &[("ownerid", "rival")]);
            }
            if count == 1 { Fault::DropAfterProcessing } else { Fault::None }
        });
        let script = Script::over(&service);
        let claims = script.store().claim_ownership(&[claim]).await;
        assert_eq!(claims.lost().count(), 1, "{way}: {claims:?}");
        assert_eq!((script.sent().len(), owner(&service).as_str()), (5, "rival"));
    }
}

/// From the request of this index on, every response has this status.
fn failing_from(service: &BlobService, from: usize, status: u16) {
    let mut count = 0;
    service.inject(move |_| {
        count += 1;
        match count - 1 {
            0 => Fault::DropAfterProcessing,
            index if index >= from => Fault::Respond(error_reply(status, "Scripted", "no")),
            _ => Fault::None,
        }
    });
}

#[maybe_async]
#[test]
async fn a_claim_that_cannot_be_settled_fails_with_unknown_outcome() {
    for (way, stored) in WAYS {
        // The retry, the HEAD, the Set Metadata.
        for from in [1, 2, 3] {
            for status in [403, 500] {
                let service = BlobService::new("checkpoints");
                let claim = claim_of(&service, stored);
                failing_from(&service, from, status);
                let script = Script::over(&service);
                let claims = script.store().claim_ownership(&[claim]).await;
                let (_, error) = claims.failed().next().expect(way);
                assert!(error.is_outcome_unknown(), "{way} {from} {status}: {error}");
                assert_eq!(error.status(), Some(status));
            }
        }
    }
}

#[maybe_async]
#[test]
async fn a_record_that_comes_and_goes_is_settled_in_the_end() {
    // The first claim is applied, its response lost; the record is deleted when it is looked for; the second first
    // claim is applied, its response lost, too.
    let service = BlobService::new("checkpoints");
    let other = service.clone();
    let mut count = 0;
    service.inject(move |_| {
        count += 1;
        if count == 3 {
            assert!(other.delete(BLOB));
        }
        if count == 1 || count == 4 { Fault::DropAfterProcessing } else { Fault::None }
    });
    let script = Script::over(&service);
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    assert_eq!(script.operations(), ["PUT", "PUT", "HEAD", "PUT", "PUT", "HEAD", "PUT metadata"]);
    assert!(claims.all_claimed(), "the record is ours: {claims:?}");
}

#[maybe_async]
#[test]
async fn a_settling_write_whose_response_is_lost_is_settled_again() {
    let service = BlobService::new("checkpoints");
    let mut count = 0;
    service.inject(move |_| {
        count += 1;
        if count == 1 || count == 4 { Fault::DropAfterProcessing } else { Fault::None }
    });
    let script = Script::over(&service);
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    let settled = ["PUT", "PUT", "HEAD", "PUT metadata", "PUT metadata", "HEAD", "PUT metadata"];
    assert_eq!(script.operations(), settled);
}

#[maybe_async]
#[test]
async fn a_late_copy_of_a_claim_changes_nothing() {
    for (way, stored) in WAYS {
        let service = BlobService::new("checkpoints");
        let claim = claim_of(&service, stored);
        service.queue_faults([Fault::Hold]);
        let script = Script::over(&service);
        let claims = script.store().claim_ownership(&[claim]).await;
        assert!(claims.all_claimed(), "{way}");
        let etag = service.blob(BLOB).unwrap().etag;
        let late: Vec<_> = service.apply_held().iter().map(Reply::status).collect();
        assert!(late == [Some(409)] || late == [Some(412)], "{way}: {late:?}");
        assert_eq!(service.blob(BLOB).unwrap().etag, etag);
    }
}

#[maybe_async]
#[test]
async fn a_lost_response_to_a_release_is_settled() {
    // Applied, response lost.
    let service = BlobService::new("checkpoints");
    let claim = claim_of(&service, Some("a"));
    service.queue_faults([Fault::DropAfterProcessing]);
    let script = Script::over(&service);
    let released = script.store().relinquish_ownership(&[claim]).await;
    assert!(released.all_released(), "{released:?}");
    assert_eq!(released.released().next().unwrap().owner_id(), None);
    assert_eq!(owner(&service), "");

    // Another took it over meanwhile: it must stay theirs.
    let claim = claim_of(&service, Some("a"));
    let other = service.clone();
    let mut first = true;
    service.inject(move |_| {
        if !std::mem::take(&mut first) {
            return Fault::None;
        }
        other.put(BLOB, &[("ownerid", "rival")]);
        Fault::DropBeforeProcessing
    });
    let released = script.store().relinquish_ownership(&[claim]).await;
    assert_eq!(released.lost().count(), 1, "{released:?}");
    assert_eq!(owner(&service), "rival");
    service.clear_faults();

    // Deleted meanwhile: done, and nothing is created.
    let claim = claim_of(&service, Some("a"));
    let other = service.clone();
    let mut count = 0;
    service.inject(move |_| {
        count += 1;
        if count == 3 {
            other.delete(BLOB);
        }
        if count == 1 { Fault::DropAfterProcessing } else { Fault::None }
    });
    let released = script.store().relinquish_ownership(&[claim]).await;
    assert!(released.all_released(), "{released:?}");
    assert!(released.released().all(|ownership| ownership.etag().is_none()));
    assert!(service.blob(BLOB).is_none());
}

#[maybe_async]
#[test]
async fn lost_responses_to_deletions_and_creations_are_settled() {
    let service = BlobService::without_container("checkpoints");
    let script = Script::over(&service);
    let store = script.store();
    service.queue_faults([Fault::DropAfterProcessing]);
    let created = store.create_container_if_not_exists().await.unwrap();
    assert!(created, "this call created it");
    let created = store.create_container_if_not_exists().await.unwrap();
    assert!(!created);

    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    service.queue_faults([Fault::DropAfterProcessing]);
    let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
    assert!(deleted, "this call deleted it");
    let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
    assert!(!deleted);
}

#[maybe_async]
#[test]
async fn a_lost_request_counts_as_the_one_that_did_it() {
    // Whether it arrived cannot be found out: neither a container nor an absence has an owner.
    let lost = || [Fault::DropBeforeProcessing];
    for exists in [true, false] {
        let service = match exists {
            true => BlobService::new("checkpoints"),
            false => BlobService::without_container("checkpoints"),
        };
        let store = Script::over(&service).store();
        service.queue_faults(lost());
        let created = store.create_container_if_not_exists().await.unwrap();
        assert!(created, "existed: {exists}");

        if exists {
            store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        }
        service.queue_faults(lost());
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(deleted, "existed: {exists}");
        let found = store.get_checkpoint(&group(), "0").await.unwrap();
        assert!(found.is_none());
    }
}

#[maybe_async]
#[test]
async fn a_checkpoint_is_stored_whatever_attempt_did_it() {
    for queue in [vec![Fault::DropAfterProcessing], vec![Fault::None, Fault::DropAfterProcessing]] {
        let service = BlobService::new("checkpoints");
        service.queue_faults(queue);
        let store = Script::over(&service).store();
        let update = store.update_checkpoint(&checkpoint("0", "5", 5)).await.unwrap();
        let read = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((read.offset(), read.etag()), (Some("5"), Some(&update.etag)));
    }
}

#[maybe_async]
#[test]
async fn a_claim_of_a_record_that_vanished_is_a_first_claim() {
    let service = BlobService::new("checkpoints");
    let claim = claim_of(&service, Some("a"));
    service.delete(BLOB);
    let script = Script::over(&service);
    let claims = script.store().claim_ownership(std::slice::from_ref(&claim)).await;
    assert!(claims.all_claimed());
    assert_eq!(script.operations(), ["PUT metadata", "PUT"]);

    service.delete(BLOB);
    script.clear();
    let released = script.store().relinquish_ownership(&[claim]).await;
    assert!(released.all_released());
    assert_eq!(script.operations(), ["PUT metadata"]);
    assert!(service.blob(BLOB).is_none());
}

#[maybe_async]
#[test]
async fn outcomes_are_in_the_order_of_the_claims_and_a_failure_hides_nothing() {
    let service = BlobService::new("checkpoints");
    for partition in ["2", "5"] {
        service.put(&BLOB.replace("ownership/0", &format!("ownership/{partition}")), &[]);
    }
    let script = Script::new(move |sent| {
        if sent.request.path().ends_with("/4") {
            return Step::reply_now(error_reply(403, "AuthorizationFailure", "no"));
        }
        Step::reply(sent, service.handle(&sent.request))
    });
    let claims: Vec<_> =
        ["5", "4", "3", "2", "1", "0"].iter().map(|id| ownership(id, "a")).collect();
    let before = claims.clone();
    let outcomes = script.store().claim_ownership(&claims).await;
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            ClaimOutcome::Claimed(claim) => format!("{} won", claim.partition_id()),
            ClaimOutcome::Lost(claim, _) => format!("{} lost", claim.partition_id()),
            ClaimOutcome::Failed(claim, error) => {
                format!("{} {}", claim.partition_id(), error.kind())
            }
            _ => "?".to_owned(),
        })
        .collect();
    assert_eq!(outcomes, ["5 lost", "4 access denied", "3 won", "2 lost", "1 won", "0 won"]);
    assert_eq!(claims, before);
}

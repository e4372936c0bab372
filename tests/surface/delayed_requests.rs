//! Requests that the service applies after the client has given up on them.

use std::time::Duration;

use eventhub_checkpointstore::RetryOptions;

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::Loopback;
use super::{assert_all_closed, checkpoint, group, maybe_async, ownership, test};

/// The time limit of an attempt, and how long the late request is held up.
const LIMIT: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_millis(1500);

const ROOT: &str = "ns.servicebus.windows.net/hub/$default";

fn serve() -> (BlobService, Loopback, BlobCheckpointStore) {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .retry(quick)
        .attempt_timeout(LIMIT)
        .build()
        .unwrap();
    (service, loopback, store)
}

#[maybe_async]
#[test]
async fn a_claim_that_arrives_late_takes_nothing() {
    let (service, loopback, store) = serve();
    service.queue_faults([Fault::Delay(LATE)]);
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    let taken = claims.into_claimed().remove(0).claimed_by("b").unwrap();
    let taken = store.claim_ownership(&[taken]).await;
    assert!(taken.all_claimed(), "{taken:?}");

    drop(store);
    // The one of the late request ends when it has arrived.
    assert_all_closed(&loopback).await;
    let record = service.blob(&format!("{ROOT}/ownership/0")).unwrap();
    assert_eq!(record.metadata[0].1, "b");
    assert_eq!(service.history().len(), 2);
}

#[maybe_async]
#[test]
async fn a_checkpoint_that_arrives_late_does_not_pass_a_fence() {
    let (service, loopback, store) = serve();
    let fenced = store.fenced();
    fenced.get_checkpoint(&group(), "0").await.unwrap();
    for number in 1..4 {
        if number == 2 {
            service.queue_faults([Fault::Delay(LATE)]);
        }
        let update = fenced.update_checkpoint(&checkpoint("0", "x", number)).await.unwrap();
        assert!(update.is_written(), "{update:?}");
    }

    drop((store, fenced));
    // The one of the late request ends when it has arrived.
    assert_all_closed(&loopback).await;
    let stored = service.blob(&format!("{ROOT}/checkpoint/0")).unwrap();
    assert_eq!(stored.metadata[1].1, "3");
    assert_eq!(service.history().len(), 3);
}

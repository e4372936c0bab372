//! The suite of `tests/surface/conformance.rs` on a `ContainerClient`, and what is particular to that.

#[path = "../../surface/conformance.rs"]
mod conformance;
#[path = "../../support/mod.rs"]
mod support;

use std::error::Error as _;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use azure_core::RetryOptions;
use azure_storage::StorageCredentials;
use azure_storage_blobs_container::container;
use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, BlobContainer};
use eventhub_checkpointstore::container::{CallContext, GetBlob};
use eventhub_checkpointstore::{
    CallOptions, Checkpoint, ConsumerGroup, Error, ErrorKind, PartitionOwnership,
};
use maybe_async::must_be_async as maybe_async;
use support::azurite::Azurite;
use support::blob_service::{BlobService, Fault, ForeignBlob};
use support::loopback::{Loopback, Reply};
use tokio::test;

fn group() -> ConsumerGroup {
    ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "$Default").unwrap()
}

fn ownership(partition_id: &str, owner_id: &str) -> PartitionOwnership {
    PartitionOwnership::new(&group(), partition_id, owner_id).unwrap()
}

fn checkpoint(partition_id: &str, offset: &str, sequence_number: i64) -> Checkpoint {
    Checkpoint::new(&group(), partition_id, offset, sequence_number).unwrap()
}

fn stores() -> Vec<BlobCheckpointStore> {
    let azurite = Azurite::shared();
    let client = container(
        azurite.account_name(),
        &azurite.blob_endpoint(),
        &azurite.new_container_name(),
        StorageCredentials::access_key(azurite.account_name(), azurite.account_key().to_owned()),
        RetryOptions::default(),
    );
    vec![BlobCheckpointStore::from_container(client)]
}

/// A double of the service behind the SDK.
fn on_double_with(
    credentials: StorageCredentials,
    retry: RetryOptions,
) -> (BlobService, Loopback, BlobCheckpointStore) {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let client = container("acct", &loopback.url(), "checkpoints", credentials, retry);
    (service, loopback, BlobCheckpointStore::from_container(client))
}

fn account_key() -> StorageCredentials {
    StorageCredentials::access_key("acct", "c2VjcmV0".to_owned())
}

/// With an SDK that sends each request once.
fn on_double() -> (BlobService, Loopback, BlobCheckpointStore) {
    on_double_with(account_key(), RetryOptions::none())
}

/// With an SDK that retries requests, as it does by default.
fn on_double_with_retries() -> (BlobService, Loopback, BlobCheckpointStore) {
    on_double_with(account_key(), RetryOptions::default())
}

#[test]
async fn renewals_have_a_time_although_the_sdk_drops_it() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let first = store.claim_ownership(&[ownership("0", "a")]).await.into_claimed();
        let renewed = store.claim_ownership(&first).await.into_claimed();
        let listing = store.list_ownership(&group()).await.unwrap();
        let (responded, stored) =
            (renewed[0].last_modified().unwrap(), listing.items()[0].last_modified().unwrap());
        let difference = responded.duration_since(stored).unwrap();
        assert!(difference <= Duration::from_secs(2), "{difference:?}");
        assert_eq!(renewed[0].etag(), listing.items()[0].etag());
    }
}

#[test]
async fn every_write_is_one_request_and_carries_the_callers_headers() {
    let (service, loopback, store) = on_double();
    let options = CallOptions::new().with_header("x-correlation", "abc").unwrap();
    let store = store.with_options(options.with_client_request_id("id-1").unwrap());
    let claimed = store.claim_ownership(&[ownership("0", "a")]).await.into_claimed();
    assert!(store.claim_ownership(&claimed).await.all_claimed());
    let requests = loopback.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.header("x-correlation"), Some("abc"));
        assert_eq!(request.header("x-ms-client-request-id"), Some("id-1"));
        assert_eq!(request.header("content-length"), Some("0"));
    }
    assert_eq!(requests[0].header("if-none-match"), Some("*"));
    assert_eq!(requests[0].header("x-ms-blob-type"), Some("BlockBlob"));
    assert_eq!(requests[1].header("if-match"), Some(claimed[0].etag().unwrap().as_str()));
    let name = "ns.servicebus.windows.net/hub/$default/ownership/0";
    assert_eq!(service.blob(name).unwrap().metadata, [("ownerid".to_owned(), "a".to_owned())]);
}

#[test]
async fn long_lists_come_page_by_page() {
    let (service, _loopback, store) = on_double();
    service.set_page_size(3);
    for id in 0..10 {
        store.update_checkpoint(&checkpoint(&id.to_string(), "1", id)).await.unwrap();
    }
    let listing = store.list_checkpoints(&group()).await.unwrap();
    let numbers: Vec<_> = listing.iter().filter_map(|item| item.sequence_number()).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert!(listing.skipped().is_empty());
}

#[test]
async fn failures_have_their_kinds_and_lost_responses_are_unknown_outcomes() {
    for (fault, kind, unknown) in [
        (Fault::DropAfterProcessing, ErrorKind::Network, true),
        (respond(500, "InternalError"), ErrorKind::Service, true),
        (respond(503, "ServerBusy"), ErrorKind::Throttled, false),
        (respond(403, "AuthorizationFailure"), ErrorKind::AccessDenied, false),
        (respond(404, "ContainerNotFound"), ErrorKind::ContainerNotFound, false),
    ] {
        let (service, _loopback, store) = on_double();
        service.queue_faults([fault]);
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_outcome_unknown()), (kind, unknown), "{error:?}");
        assert!(error.blob().is_some_and(|blob| blob.ends_with("checkpoint/0")));
    }
}

fn respond(status: u16, code: &str) -> Fault {
    Fault::Respond(Reply::new(status).header("x-ms-error-code", code))
}

#[test]
async fn a_call_ends_at_its_limit() {
    let (service, _loopback, store) = on_double();
    service.queue_faults([Fault::HangBefore]);
    let store = store.with_options(CallOptions::new().with_timeout(Duration::from_millis(100)));
    let started = Instant::now();
    let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Timeout, true));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
async fn content_is_read_as_far_as_it_is_wanted() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let client =
        container("acct", &loopback.url(), "checkpoints", account_key(), RetryOptions::none());
    service.put_with(ForeignBlob::new("0").content("0123456789"));
    service.put("empty", &[]);
    let options = CallOptions::new();
    for (name, max_length, expected) in
        [("0", 4, "0123"), ("0", 10, "0123456789"), ("0", 99, "0123456789"), ("empty", 4, "")]
    {
        let mut request = GetBlob::new(name, CallContext::new(&options));
        request.max_length = NonZeroU64::new(max_length);
        let found = client.get_blob(request).await.unwrap();
        assert_eq!(found.content, expected, "{name}, {max_length}");
    }
}

/// The SDK's parser is all or nothing; ours leaves such a blob out.
#[test]
async fn a_blob_that_the_sdk_cannot_parse_fails_the_list() {
    let (service, _loopback, store) = on_double();
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    assert_eq!(store.list_checkpoints(&group()).await.unwrap().len(), 1);
    let name = "ns.servicebus.windows.net/hub/$default/checkpoint/notes";
    let foreign =
        ForeignBlob::new(name).list_property("<AccessTierInferred>maybe</AccessTierInferred>");
    service.put_with(foreign);
    let error = store.list_checkpoints(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error:?}");
}

/// The SDK retries the write without saying so, and reports the conflict with its own first attempt.
#[test]
async fn a_write_that_the_sdk_retried_is_not_lost_to_itself() {
    let (service, loopback, store) = on_double_with_retries();
    let write_once_without_a_response = || service.queue_faults([Fault::DropAfterProcessing]);
    let settled = ["PUT", "PUT", "HEAD", "PUT"];

    write_once_without_a_response();
    let first = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(first.all_claimed(), "{first:?}");
    assert_eq!(methods(&loopback), settled);

    write_once_without_a_response();
    let renewed = store.claim_ownership(&first.into_claimed()).await;
    assert!(renewed.all_claimed(), "{renewed:?}");
    assert_eq!(methods(&loopback)[4..], settled);
    let renewed = renewed.into_claimed();
    let listing = store.list_ownership(&group()).await.unwrap();
    assert_eq!(renewed[0].etag(), listing.items()[0].etag());
    assert_eq!(listing.items()[0].owner_id(), Some("a"));

    write_once_without_a_response();
    let released = store.relinquish_ownership(&renewed).await;
    assert!(released.all_released(), "{released:?}");
    let listing = store.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.items()[0].owner_id(), None);
}

#[test]
async fn a_claim_that_another_won_is_lost_after_one_more_request() {
    let (_service, loopback, store) = on_double_with_retries();
    assert!(store.claim_ownership(&[ownership("0", "a")]).await.all_claimed());
    let claims = store.claim_ownership(&[ownership("0", "b")]).await;
    assert_eq!(claims.lost().count(), 1, "{claims:?}");
    assert_eq!(methods(&loopback), ["PUT", "PUT", "HEAD"]);
}

fn methods(loopback: &Loopback) -> Vec<String> {
    loopback.requests().into_iter().map(|request| request.method).collect()
}

#[test]
async fn no_error_shows_a_sas() {
    for fault in [
        Fault::DropBeforeProcessing,
        Fault::TruncateResponse(20),
        Fault::HangBefore,
        Fault::Respond(Reply::new(200)),
        respond(403, "AuthorizationFailure"),
        respond(500, "InternalError"),
    ] {
        let name = fault.name();
        let credentials = StorageCredentials::sas_token("sv=2021-12-02&sig=U0VDUkVU").unwrap();
        let (service, loopback, store) = on_double_with(credentials, RetryOptions::none());
        let store = store.with_options(CallOptions::new().with_timeout(Duration::from_millis(500)));
        service.queue_faults([fault]);
        let error = store.list_checkpoints(&group()).await.unwrap_err();
        let shown = shown(&error);
        assert!(loopback.requests()[0].target.contains("sig=U0VDUkVU"));
        assert!(!shown.contains("sig=") && !shown.contains("U0VDUkVU"), "{name}: {shown}");
    }
}

/// An error in every form, with all its causes.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text
}

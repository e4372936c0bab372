//! Lists over many pages: all of them, in order, in as few requests as can be, and never cut short.

use eventhub_checkpointstore::ErrorKind;

use super::script::{Script, Step};
use super::support::blob_service::{BlobService, Fault};
use super::{group, maybe_async, test};

fn filled(blobs: usize) -> BlobService {
    let service = BlobService::new("checkpoints");
    for index in 0..blobs {
        let name = format!("ns.servicebus.windows.net/hub/$default/ownership/{index:05}");
        service.put(&name, &[("ownerid", "a")]);
    }
    service
}

#[maybe_async]
#[test]
async fn one_request_per_page() {
    for (blobs, pages) in [(0, 1), (1, 1), (5000, 1), (5001, 2)] {
        let script = Script::over(&filled(blobs));
        let listing = script.store().list_ownership(&group()).await.unwrap();
        assert_eq!((listing.len(), script.sent().len()), (blobs, pages));
    }
}

#[maybe_async]
#[test]
async fn pages_are_joined_in_order_empty_ones_included() {
    let service = filled(25);
    service.set_page_size(4);
    service.set_empty_pages(3);
    let loopback = service.serve();
    let store = super::subject::BlobCheckpointStore::new(
        &loopback.url(),
        "checkpoints",
        super::subject::Credential::account_key("acct", "c2VjcmV0").unwrap(),
    )
    .unwrap();
    let listing = store.list_ownership(&group()).await.unwrap();
    let ids: Vec<_> = listing.iter().map(|ownership| ownership.partition_id().to_owned()).collect();
    let expected: Vec<_> = (0..25).map(|index| format!("{index:05}")).collect();
    assert_eq!(ids, expected);
    let requests = loopback.requests();
    assert!(requests.len() > 7, "{}", requests.len());
    assert_eq!(requests[0].query("marker"), None);
    assert!(requests[1..].iter().all(|request| request.query("marker").is_some()));
    assert_eq!(loopback.connections(), 1);
}

#[maybe_async]
#[test]
async fn a_page_that_fails_is_retried_and_the_others_are_not() {
    let service = filled(9);
    service.set_page_size(3);
    service.queue_faults([Fault::None, Fault::DropAfterProcessing, Fault::TruncateResponse(500)]);
    let script = Script::over(&service);
    let listing = script.store().list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), script.sent().len()), (9, 5));
}

#[maybe_async]
#[test]
async fn a_list_of_which_a_page_fails_is_an_error() {
    let service = filled(9);
    service.set_page_size(3);
    let script = Script::new(move |sent| match sent.request.query("marker") {
        Some(_) => Step::broken(),
        None => Step::reply(sent, service.handle(&sent.request)),
    });
    let error = script.store().list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(!error.is_outcome_unknown(), "a read has no outcome");
}

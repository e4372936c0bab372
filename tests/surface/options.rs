//! Every option of a store and of a call, by what it changes on the wire.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use eventhub_checkpointstore::{ApiVersion, CallOptions, ErrorKind, MemoryContainer, NameCase};

use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::Loopback;
use super::{checkpoint, group, maybe_async, own_client, ownership, pause, test};

pub fn builder(loopback: &Loopback) -> BlobCheckpointStoreBuilder {
    BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
}

#[maybe_async]
#[test]
async fn the_version_of_the_protocol_is_sent() {
    let loopback = BlobService::new("checkpoints").serve();
    for version in ["2017-11-09", "2019-07-07", "2025-11-05", "2031-12-31"] {
        let store = builder(&loopback).api_version(version.parse().unwrap()).build().unwrap();
        store.list_ownership(&group()).await.unwrap();
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        let sent = loopback.requests();
        assert!(sent.iter().all(|request| request.header("x-ms-version") == Some(version)));
        loopback.clear();
    }
    for version in ["2017-11-08", "2016-05-31", "2019-7-7", "2019-13-01", "latest", ""] {
        assert!(version.parse::<ApiVersion>().is_err(), "{version:?}");
    }
}

#[maybe_async]
#[test]
async fn the_user_agent_has_the_prefix_first() {
    let loopback = BlobService::new("checkpoints").serve();
    let store = builder(&loopback).user_agent_prefix("my-app/1.0").build().unwrap();
    store.list_ownership(&group()).await.unwrap();
    let sent = loopback.requests();
    let agent = sent[0].header("user-agent").unwrap();
    assert!(agent.starts_with("my-app/1.0 eventhub-checkpointstore/"), "{agent}");
    for prefix in ["a\r\nb", "é"] {
        let error = builder(&loopback).user_agent_prefix(prefix).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[maybe_async]
#[test]
async fn names_are_written_in_lower_case_or_as_given() {
    let cases = [
        (NameCase::Lower, "ns.servicebus.windows.net/hub/$default"),
        (NameCase::AsGiven, "NS.servicebus.windows.net/Hub/$Default"),
    ];
    for (case, prefix) in cases {
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        let store = builder(&loopback).name_case(case).build().unwrap();
        let _ = store.claim_ownership(&[ownership("P", "Me")]).await;
        store.update_checkpoint(&checkpoint("P", "1", 1)).await.unwrap();
        let names: Vec<_> = service.blobs().into_keys().collect();
        assert_eq!(names, [format!("{prefix}/checkpoint/P"), format!("{prefix}/ownership/P")]);
        let listing = store.list_ownership(&group()).await.unwrap();
        assert_eq!(listing.items()[0].group(), &group(), "the names are the caller's");
    }
}

/// Lets requests wait until so many are there at once, and counts how many there were at most.
struct Meeting {
    expected: usize,
    present: Mutex<usize>,
    most: AtomicUsize,
    complete: Condvar,
}

impl Meeting {
    fn new(expected: usize) -> Arc<Self> {
        let (present, most, complete) = Default::default();
        Arc::new(Self { expected, present, most, complete })
    }

    fn attend(&self) {
        let mut present = self.present.lock().unwrap();
        *present += 1;
        self.most.fetch_max(*present, Ordering::SeqCst);
        self.complete.notify_all();
        let patience = Duration::from_millis(500);
        let met = |present: &mut usize| *present < self.expected && !self.has_met();
        let (mut present, _) = self.complete.wait_timeout_while(present, patience, met).unwrap();
        // One more than the limit would be here by now.
        if *present > self.expected {
            self.most.fetch_max(*present, Ordering::SeqCst);
        }
        *present -= 1;
    }

    fn has_met(&self) -> bool {
        self.most.load(Ordering::SeqCst) >= self.expected
    }
}

#[maybe_async]
#[test]
async fn as_many_claims_are_under_way_as_the_option_says() {
    for limit in [1, 4, 16] {
        let service = BlobService::new("checkpoints");
        let meeting = Meeting::new(limit);
        let (handler, guest) = (service.handler(), Arc::clone(&meeting));
        let loopback = Loopback::start(move |request| {
            guest.attend();
            handler(request)
        });
        let store = builder(&loopback).claim_concurrency(limit).build().unwrap();
        let claims: Vec<_> = (0..24).map(|id| ownership(&id.to_string(), "a")).collect();
        let claims = store.claim_ownership(&claims).await;
        assert!(claims.all_claimed(), "{claims:?}");
        assert_eq!(meeting.most.load(Ordering::SeqCst), limit);
        let again = store.claim_ownership(&claims.into_claimed()).await;
        assert!(again.all_claimed());
        assert!(loopback.connections() <= limit, "{} connections", loopback.connections());
    }
    let loopback = BlobService::new("checkpoints").serve();
    for limit in [0, 257] {
        let error = builder(&loopback).claim_concurrency(limit).build().unwrap_err();
        assert!(error.to_string().contains(&limit.to_string()), "{error}");
    }
}

#[maybe_async]
#[test]
async fn time_limits_out_of_range_are_refused() {
    let loopback = BlobService::new("checkpoints").serve();
    for limit in [Duration::ZERO, Duration::MAX, Duration::from_secs(24 * 60 * 60 + 1)] {
        for build in [
            builder(&loopback).call_timeout(limit).build(),
            builder(&loopback).attempt_timeout(limit).build(),
            builder(&loopback).connect_timeout(limit).build(),
            builder(&loopback).idle_timeout(limit).build(),
            builder(&loopback).call_timeout(limit).build_with_container(MemoryContainer::new()),
        ] {
            assert_eq!(build.unwrap_err().kind(), ErrorKind::InvalidInput, "{limit:?}");
        }
    }
}

#[maybe_async]
#[test]
async fn a_connection_that_was_idle_for_too_long_is_not_used_again() {
    let loopback = BlobService::new("checkpoints").serve();
    let default = builder(&loopback).build().unwrap();
    let impatient = builder(&loopback).idle_timeout(Duration::from_millis(50)).build().unwrap();
    for (store, connections) in [(default, 1), (impatient, 3)] {
        store.list_ownership(&group()).await.unwrap();
        pause(Duration::from_millis(100)).await;
        store.list_ownership(&group()).await.unwrap();
        assert_eq!(loopback.connections(), connections);
    }
}

#[maybe_async]
#[test]
async fn the_account_may_stand_in_the_path() {
    let service = BlobService::new("checkpoints").with_account_path("acct");
    let loopback = service.serve();
    for url in [format!("{}/acct", loopback.url()), format!("{}/acct/", loopback.url())] {
        let credential = Credential::account_key("acct", "c2VjcmV0").unwrap();
        let store = BlobCheckpointStore::new(&url, "checkpoints", credential).unwrap();
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        let found = store.get_checkpoint(&group(), "0").await.unwrap();
        assert!(found.is_some());
        let listing = store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(listing.len(), 1);
    }
}

#[maybe_async]
#[test]
async fn a_custom_client_is_used() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store = builder(&loopback).transport(own_client()).build().unwrap();
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed());
    for request in loopback.requests() {
        let agent = request.header("user-agent").unwrap();
        assert!(agent.starts_with("eventhub-checkpointstore/"), "{agent}");
        assert_eq!(request.header("content-length"), Some("0"));
        assert!(!request.is_chunked());
    }
}

#[maybe_async]
#[test]
async fn a_custom_container_is_used() {
    let container = MemoryContainer::new();
    let store = BlobCheckpointStore::builder("https://not.asked", "checkpoints")
        .name_case(NameCase::AsGiven)
        .build_with_container(container.clone())
        .unwrap();
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let lower = BlobCheckpointStore::from_container(container.clone());
    let other_case = lower.get_checkpoint(&group(), "0").await.unwrap();
    assert!(other_case.is_none());
    let found = store.get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_some());
}

#[maybe_async]
#[test]
async fn options_of_a_call_count_for_that_call() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store = builder(&loopback).build().unwrap();
    let options = CallOptions::new()
        .with_header("X-Correlation", "abc def")
        .and_then(|options| options.with_client_request_id("my id"))
        .unwrap();
    let with_options = store.with_options(options);
    with_options.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let claims = with_options.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed());
    with_options.list_ownership(&group()).await.unwrap();
    for request in loopback.requests() {
        assert_eq!(request.header("x-correlation"), Some("abc def"));
        assert_eq!(request.header("x-ms-client-request-id"), Some("my id"));
    }
    loopback.clear();
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(loopback.requests()[0].header("x-correlation"), None);
    assert_eq!(loopback.connections(), 1, "the pool is shared");
}

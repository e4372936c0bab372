//! Over TLS connections fail in the same ways, and the store bears it alike.

use std::time::Duration;

use eventhub_checkpointstore::{ErrorKind, RequestOptions, RetryOptions};

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::{Loopback, Reply};
use super::{checkpoint, group, maybe_async, ownership, pause, test};

const PATIENCE: Duration = Duration::from_secs(5);
const ROOT: &str = "ns.servicebus.windows.net/hub/$default";

fn store(loopback: &Loopback) -> BlobCheckpointStore {
    let quick = RetryOptions::default().with_max_retries(2);
    BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .root_certificates(loopback.ca_pem())
        .retry(quick.with_base_delay(Duration::from_millis(1)).unwrap())
        .attempt_timeout(Duration::from_secs(1))
        .build()
        .unwrap()
}

type Named = (&'static str, fn() -> Fault);

const FAULTS: &[Named] = &[
    ("close before processing", || Fault::DropBeforeProcessing),
    ("close after processing", || Fault::DropAfterProcessing),
    ("silence after processing", || Fault::HangAfter),
    ("half a head", || Fault::TruncateAnswer(30)),
    ("half a body", || Fault::edit(|reply| reply.with_length().truncate_body_at(300))),
    ("half a chunked body", || Fault::edit(|reply| reply.chunked().truncate_body_at(300))),
    ("a byte a minute", || Fault::edit(|reply| reply.drip(Duration::from_secs(60)))),
];

#[maybe_async]
#[test]
async fn a_fault_of_one_request_is_borne() {
    for (name, fault) in FAULTS {
        let service = BlobService::new("checkpoints");
        let loopback = Loopback::start_tls(service.handler());
        let store = store(&loopback);

        service.queue_faults([fault()]);
        let claims = store.claim_ownership(&[ownership("0", "a")]).await;
        assert!(claims.all_claimed(), "{name}: {claims:?}");
        let record = service.blob(&format!("{ROOT}/ownership/0")).unwrap();
        let etag = claims.claimed().next().unwrap().etag().unwrap().as_str().to_owned();
        assert_eq!(etag.trim_matches('"'), record.etag, "{name}");

        service.queue_faults([fault()]);
        let listing = store.list_ownership(&group()).await.unwrap();
        assert_eq!((listing.len(), listing.skipped().len()), (1, 0), "{name}");

        service.queue_faults([fault()]);
        store.update_checkpoint(&checkpoint("0", "70", 7)).await.unwrap();
        let stored = service.blob(&format!("{ROOT}/checkpoint/0")).unwrap();
        assert_eq!(stored.metadata[0].1, "70", "{name}");
        assert_eq!(loopback.protocol_errors(), [""; 0], "{name}");
    }
}

#[maybe_async]
#[test]
async fn a_fault_of_every_request_is_an_error() {
    for (name, fault) in FAULTS {
        let service = BlobService::new("checkpoints");
        service.put(&format!("{ROOT}/ownership/0"), &[("ownerid", "a")]);
        service.inject(|_| fault());
        let loopback = Loopback::start_tls(service.handler());
        let store = store(&loopback);
        let error = store.list_ownership(&group()).await.unwrap_err();
        let kinds = [ErrorKind::Network, ErrorKind::Timeout, ErrorKind::InvalidResponse];
        assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
    }
}

#[maybe_async]
#[test]
async fn connections_that_the_server_closed_while_idle_are_never_seen_over_tls() {
    let service = BlobService::new("checkpoints");
    let loopback = Loopback::start_tls(service.handler());
    // Without repetitions, so that none can hide it.
    let store = store(&loopback).with_options(RequestOptions::new().max_retries(0));
    let claims: Vec<_> = (0..4).map(|id| ownership(&id.to_string(), "a")).collect();
    let mut claims = store.claim_ownership(&claims).await;
    for _ in 0..3 {
        assert!(claims.all_claimed(), "{claims:?}");
        loopback.close_connections();
        assert!(loopback.wait_for_open_connections(0, PATIENCE));
        // The client's own runtime must see the end, too.
        pause(Duration::from_millis(20)).await;
        claims = store.claim_ownership(&claims.into_claimed()).await;
    }
    assert!(claims.all_claimed(), "{claims:?}");
}

#[maybe_async]
#[test]
async fn a_close_at_the_moment_of_reuse_is_never_seen_over_tls() {
    let service = BlobService::new("checkpoints");
    let idle = Duration::from_millis(10);
    let loopback = Loopback::start_tls(service.handler()).with_idle_close(idle);
    let store = store(&loopback);
    for step in 0..40 {
        // Around the moment of the close, before and after.
        pause(idle - Duration::from_millis(3) + Duration::from_micros(step * 150)).await;
        store.list_ownership(&group()).await.unwrap();
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    }
}

#[maybe_async]
#[test]
async fn an_announced_close_is_respected_over_tls() {
    let service = BlobService::new("checkpoints");
    service.inject(|_| Fault::edit(Reply::announce_close));
    let loopback = Loopback::start_tls(service.handler());
    let store = store(&loopback).with_options(RequestOptions::new().max_retries(0));
    for _ in 0..4 {
        store.list_ownership(&group()).await.unwrap();
    }
    assert_eq!((loopback.connections(), loopback.handshakes()), (4, 4));
}

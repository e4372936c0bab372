//! Connections: reused while they live, replaced when they are dead, gone with the store.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::{CallOptions, ErrorKind};

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::{Loopback, Reply};
use super::{assert_all_closed, checkpoint, group, maybe_async, ownership, pause, test};

const PATIENCE: Duration = Duration::from_secs(5);

fn store(loopback: &Loopback) -> BlobCheckpointStore {
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let builder = BlobCheckpointStore::builder(&loopback.url(), "checkpoints").credential(key);
    let is_tls = loopback.url().starts_with("https:");
    let builder = if is_tls { builder.root_certificates(loopback.ca_pem()) } else { builder };
    builder.build().unwrap()
}

/// A plain server and one with TLS.
fn servers(service: &BlobService) -> [Loopback; 2] {
    [service.serve(), Loopback::start_tls(service.handler())]
}

#[maybe_async]
async fn close_connections(loopback: &Loopback) {
    loopback.close_connections();
    assert!(loopback.wait_for_open_connections(0, PATIENCE));
    // The client's own runtime must see the end, too.
    pause(Duration::from_millis(20)).await;
}

#[maybe_async]
#[test]
async fn connections_that_the_server_closed_while_idle_are_never_seen() {
    let service = BlobService::new("checkpoints");
    for (round, loopback) in servers(&service).iter().enumerate() {
        // Without retries, which could hide it.
        let store = store(loopback).with_options(CallOptions::new().with_max_retries(0));
        let claims: Vec<_> = (0..16).map(|id| ownership(&format!("{round}-{id}"), "a")).collect();
        let mut claims = store.claim_ownership(&claims).await;
        for _ in 0..3 {
            assert!(claims.all_claimed(), "{claims:?}");
            close_connections(loopback).await;
            claims = store.claim_ownership(&claims.into_claimed()).await;
        }
        assert!(claims.all_claimed(), "{claims:?}");
    }
}

#[maybe_async]
#[test]
async fn a_close_at_the_moment_of_reuse_is_never_seen() {
    let service = BlobService::new("checkpoints");
    let idle = Duration::from_millis(10);
    for loopback in servers(&service).map(|loopback| loopback.with_idle_close(idle)) {
        let store = store(&loopback);
        for step in 0..60 {
            // Around the moment of the close, before and after.
            pause(idle - Duration::from_millis(3) + Duration::from_micros(step * 100)).await;
            store.list_ownership(&group()).await.unwrap();
            store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        }
    }
}

#[maybe_async]
#[test]
async fn a_connection_that_breaks_while_it_is_used_is_replaced() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store = store(&loopback);
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    for number in 2..6 {
        service.queue_faults([Fault::DropBeforeProcessing]);
        let began = Instant::now();
        store.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    }
}

#[maybe_async]
#[test]
async fn an_announced_close_is_respected() {
    let service = BlobService::new("checkpoints");
    service.inject(|_| Fault::edit(Reply::announce_close));
    for loopback in servers(&service) {
        let store = store(&loopback).with_options(CallOptions::new().with_max_retries(0));
        for _ in 0..4 {
            store.list_ownership(&group()).await.unwrap();
        }
        assert_eq!(loopback.connections(), 4);
    }
}

#[maybe_async]
#[test]
async fn redirects_are_not_followed_and_no_other_host_sees_a_credential() {
    let elsewhere = BlobService::new("checkpoints").serve();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/checkpoints", elsewhere.url());
        let loopback =
            Loopback::start(move |_| Reply::new(status).header("Location", location.as_str()));
        let store = store(&loopback);
        let error = store.list_ownership(&group()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidResponse, Some(status)));
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidResponse, Some(status)));
        assert_eq!(loopback.requests().len(), 2);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[maybe_async]
#[test]
async fn a_body_beyond_the_limit_is_an_error() {
    const LIMIT: usize = 64 << 20;
    for chunked in [false, true] {
        let loopback = Loopback::start(move |_| {
            let reply = Reply::new(200).body(vec![b' '; LIMIT + 1]);
            if chunked { reply.chunked() } else { reply }
        });
        let store = store(&loopback).with_options(CallOptions::new().with_max_retries(0));
        let error = store.list_ownership(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{chunked}: {error:?}");
        assert!(std::error::Error::source(&error).is_some(), "{error:?}");
    }
    // A length that is only claimed costs no memory.
    let loopback = Loopback::start(|_| {
        Reply::new(200).body("<EnumerationResults>").declared_length(1 << 50).close_after()
    });
    let store = store(&loopback).with_options(CallOptions::new().with_max_retries(0));
    store.list_ownership(&group()).await.unwrap_err();
}

#[maybe_async]
#[test]
async fn the_last_clone_takes_all_connections_with_it() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    for round in 0..3 {
        let store = store(&loopback);
        let clone = store.with_options(CallOptions::new());
        let claims: Vec<_> = (0..16).map(|id| ownership(&format!("{round}-{id}"), "a")).collect();
        let claims = clone.claim_ownership(&claims).await;
        assert!(claims.all_claimed());
        assert!(loopback.open_connections() > 0);
        let began = Instant::now();
        clone.close();
        store.list_ownership(&group()).await.unwrap();
        drop(store);
        assert!(began.elapsed() < Duration::from_secs(1), "neither waits");
        assert_all_closed(&loopback).await;
    }
}

#[maybe_async]
#[test]
async fn a_refused_connection_is_a_network_error_and_nothing_was_sent() {
    let url = format!("http://127.0.0.1:{}", Loopback::refusing_port());
    let store = BlobCheckpointStore::new(&url, "checkpoints", Credential::anonymous()).unwrap();
    let store = store.with_options(CallOptions::new().with_max_retries(1));
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    assert_eq!(
        (error.kind(), error.is_outcome_unknown()),
        (ErrorKind::Network, false),
        "{error:?}"
    );
}

#[maybe_async]
#[test]
async fn without_a_connection_nothing_was_sent() {
    // Known to be none without asking a server: a label has at most 63 characters.
    let no_name = format!("http://{}.example", "a".repeat(64));
    let no_tls = Loopback::start(|_| Reply::new(200)).url().replace("http:", "https:");
    for url in [no_name, no_tls] {
        let store = BlobCheckpointStore::new(&url, "checkpoints", Credential::anonymous()).unwrap();
        let store = store.with_options(CallOptions::new().with_max_retries(0));
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        let found = (error.kind(), error.is_outcome_unknown());
        assert_eq!(found, (ErrorKind::Network, false), "{url}: {error:?}");
    }
}

// OpenSSL's sessions are not kept by the crate native-tls.
#[cfg(feature = "_rustls")]
#[maybe_async]
#[test]
async fn new_connections_resume_the_tls_session() {
    let service = BlobService::new("checkpoints");
    // A limit of the call below that of an attempt makes each request one with a limit of its own.
    for limit in [Duration::from_secs(20), Duration::from_secs(7)] {
        let loopback = Loopback::start_tls(service.handler());
        let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
            .credential(Credential::anonymous())
            .root_certificates(loopback.ca_pem())
            .call_timeout(limit)
            .build()
            .unwrap();
        for before in 0..3 {
            store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
            let made = (loopback.connections(), loopback.handshakes());
            assert_eq!((made, loopback.resumed_handshakes()), ((before + 1, before + 1), before));
            close_connections(&loopback).await;
        }
        let claims: Vec<_> = (0..16).map(|id| ownership(&format!("{limit:?}{id}"), "a")).collect();
        let mut claims = store.claim_ownership(&claims).await;
        close_connections(&loopback).await;
        let resumed = loopback.resumed_handshakes();
        claims = store.claim_ownership(&claims.into_claimed()).await;
        assert!(claims.all_claimed(), "{claims:?}");
        // A session resumes a few connections only.
        assert!(loopback.resumed_handshakes() > resumed, "{resumed}");
    }
}

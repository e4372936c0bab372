//! Credentials of `azure_core` in both surfaces.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "azure_core", feature = "ureq", feature = "reqwest"))]

mod support;

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use eventhub_checkpointstore::adapters::azure_core::RuntimeThreadCredential;
use eventhub_checkpointstore::{
    ConsumerGroup, ErrorKind, RequestOptions, checkpointstoreblob as blocking,
    checkpointstoreblob_aio as aio,
};

use support::blob_service::BlobService;
use support::loopback::Loopback;

/// What a credential does when it is asked.
#[derive(Debug)]
enum Behaviour {
    Deliver,
    Refuse,
    Panic,
    Hang,
    Block,
}

#[derive(Debug)]
struct Fake {
    behaviour: Behaviour,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl TokenCredential for Fake {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://storage.azure.com/.default"]);
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        match self.behaviour {
            Behaviour::Deliver => {
                // Needs the timers of a runtime, as an HTTP client does.
                tokio::time::sleep(Duration::from_millis(1)).await;
                let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(3600);
                Ok(AccessToken::new(format!("token-{asked}"), expires_on))
            }
            Behaviour::Refuse => Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Credential,
                "signed out",
            )),
            Behaviour::Panic => panic!("a credential that panics"),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Block => {
                std::thread::sleep(Duration::from_secs(2));
                std::future::pending().await
            }
        }
    }
}

fn fake(behaviour: Behaviour) -> Arc<Fake> {
    Arc::new(Fake { behaviour, asked: AtomicUsize::new(0) })
}

fn group() -> ConsumerGroup {
    ConsumerGroup::new("ns.servicebus.windows.net", "hub", "$Default").unwrap()
}

fn serve() -> Loopback {
    Loopback::start_tls(BlobService::new("checkpoints").handler())
}

fn bearers(server: &Loopback) -> Vec<String> {
    let requests = server.requests();
    requests.iter().map(|request| request.header("authorization").unwrap().to_owned()).collect()
}

fn blocking_store(
    server: &Loopback,
    credential: RuntimeThreadCredential,
) -> blocking::BlobCheckpointStore {
    blocking::BlobCheckpointStore::builder(&server.url(), "checkpoints")
        .credential(blocking::Credential::token(credential))
        .root_certificates(server.ca_pem())
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_arc_is_a_credential_of_the_async_surface() {
    let server = serve();
    let shared: Arc<dyn TokenCredential> = fake(Behaviour::Deliver);
    let concrete = fake(Behaviour::Deliver);
    for credential in [aio::Credential::from(shared), Arc::clone(&concrete).into()] {
        let store = aio::BlobCheckpointStore::builder(&server.url(), "checkpoints")
            .credential(credential)
            .root_certificates(server.ca_pem())
            .build()
            .unwrap();
        store.list_checkpoints(&group()).await.unwrap();
        store.list_ownership(&group()).await.unwrap();
    }
    assert_eq!(bearers(&server), ["Bearer token-1"; 4]);
    assert_eq!(concrete.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_refusal_is_the_source_of_the_error() {
    let server = serve();
    let store = aio::BlobCheckpointStore::builder(&server.url(), "checkpoints")
        .credential(fake(Behaviour::Refuse))
        .root_certificates(server.ca_pem())
        .build()
        .unwrap();
    let error = store.list_checkpoints(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert_eq!(error.source().unwrap().to_string(), "signed out");

    let error = tokio::task::spawn_blocking(move || {
        let credential = RuntimeThreadCredential::start(fake(Behaviour::Refuse)).unwrap();
        blocking_store(&server, credential).list_checkpoints(&group()).unwrap_err()
    });
    let error = error.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert_eq!(error.source().unwrap().to_string(), "signed out");
}

#[test]
fn the_blocking_surface_gets_tokens_from_a_thread_that_ends() {
    let server = serve();
    let fake = fake(Behaviour::Deliver);
    let held_by_the_thread: Weak<Fake> = Arc::downgrade(&fake);
    let store = blocking_store(&server, RuntimeThreadCredential::start(fake).unwrap());
    store.list_checkpoints(&group()).unwrap();
    store.list_ownership(&group()).unwrap();
    assert_eq!(bearers(&server), ["Bearer token-1"; 2]);

    assert_eq!(held_by_the_thread.strong_count(), 1);
    drop(store);
    let deadline = Instant::now() + Duration::from_secs(10);
    while held_by_the_thread.strong_count() > 0 {
        assert!(Instant::now() < deadline, "the thread goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A runtime may not be blocked on from within another one, which is why it has a thread.
#[tokio::test]
async fn the_blocking_surface_may_be_used_on_a_runtime() {
    let server = serve();
    let credential = RuntimeThreadCredential::start(fake(Behaviour::Deliver)).unwrap();
    blocking_store(&server, credential).list_checkpoints(&group()).unwrap();
    assert_eq!(bearers(&server), ["Bearer token-1"]);
}

#[test]
fn a_broken_credential_fails_in_time_and_again() {
    let (long, short) = (Duration::from_secs(20), Duration::from_millis(50));
    for (behaviour, limit) in
        [(Behaviour::Panic, long), (Behaviour::Hang, short), (Behaviour::Block, short)]
    {
        let server = serve();
        let case = format!("{behaviour:?}");
        let credential = RuntimeThreadCredential::start(fake(behaviour)).unwrap().timeout(limit);
        let store = blocking_store(&server, credential);
        let started = Instant::now();
        for _ in 0..2 {
            let error = store.list_checkpoints(&group()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credential, "{case}");
        }
        assert!(started.elapsed() < Duration::from_secs(2), "{case}");
        assert!(server.requests().is_empty(), "{case}");
    }
}

#[test]
fn a_token_may_not_take_longer_than_the_call_that_needs_it() {
    let server = serve();
    let credential = RuntimeThreadCredential::start(fake(Behaviour::Hang)).unwrap();
    let options = RequestOptions::new().timeout(Duration::from_millis(50));
    let store = blocking_store(&server, credential).with_options(options);
    let started = Instant::now();
    let error = store.list_checkpoints(&group()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(started.elapsed() < Duration::from_secs(10), "the default limit of a token is longer");
}

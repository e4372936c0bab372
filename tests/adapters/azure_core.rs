//! Credentials of `azure_core` in both surfaces.

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventhub_checkpointstore::adapters::azure_core::RuntimeThreadCredential;
use eventhub_checkpointstore::{
    CallOptions, Checkpoint, ConsumerGroup, ErrorKind, PartitionOwnership,
    checkpointstoreblob as blocking, checkpointstoreblob_aio as aio,
};

use crate::support::azurite::Azurite;
use crate::support::blob_service::BlobService;
use crate::support::loopback::{Loopback, TlsIdentity};

/// What a credential does when it is asked.
#[derive(Debug)]
enum Behaviour {
    Deliver,
    /// A token that no authority has signed, which is enough for Azurite.
    DeliverUnsigned,
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
            Behaviour::DeliverUnsigned => {
                let now = OffsetDateTime::now_utc();
                let expires_on = now + Duration::from_secs(3600);
                Ok(AccessToken::new(unsigned_token(now, expires_on), expires_on))
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

fn unsigned_token(now: OffsetDateTime, expires_on: OffsetDateTime) -> String {
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/tenant/",
        "iat": now.unix_timestamp(),
        "nbf": now.unix_timestamp(),
        "exp": expires_on.unix_timestamp(),
    });
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = r#"{"alg":"RS256","typ":"JWT"}"#;
    format!("{}.{}.{}", encode(header), encode(&claims.to_string()), encode("unsigned"))
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

#[test]
fn both_surfaces_work_with_tokens_on_azurite() {
    let identity = TlsIdentity::new(&["127.0.0.1"]);
    let azurite = Azurite::start_with_tokens(&identity);
    let (url, container) = (azurite.blob_endpoint(), azurite.new_container_name());
    let claim = PartitionOwnership::new(&group(), "0", "a").unwrap();

    let credential = RuntimeThreadCredential::start(fake(Behaviour::DeliverUnsigned)).unwrap();
    let store = blocking::BlobCheckpointStore::builder(&url, &container)
        .credential(blocking::Credential::token(credential))
        .root_certificates(identity.ca_pem())
        .build()
        .unwrap();
    assert!(store.create_container_if_not_exists().unwrap());
    assert!(store.claim_ownership(std::slice::from_ref(&claim)).all_claimed());
    store.update_checkpoint(&Checkpoint::new(&group(), "0", "8590", 41).unwrap()).unwrap();

    let store = aio::BlobCheckpointStore::builder(&url, &container)
        .credential(fake(Behaviour::DeliverUnsigned))
        .root_certificates(identity.ca_pem())
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listed = store.list_ownership(&group()).await.unwrap();
        let renewal = listed.items()[0].claimed_by(claim.owner_id().unwrap()).unwrap();
        assert!(store.claim_ownership(&[renewal]).await.all_claimed());
        assert_eq!(store.claim_ownership(&[claim]).await.lost().count(), 1);
        let checkpoint = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(checkpoint.sequence_number(), Some(41));
    });
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
        let credential =
            RuntimeThreadCredential::start(fake(behaviour)).unwrap().with_timeout(limit);
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
    let options = CallOptions::new().with_timeout(Duration::from_millis(50));
    let store = blocking_store(&server, credential).with_options(options);
    let started = Instant::now();
    let error = store.list_checkpoints(&group()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    assert!(started.elapsed() < Duration::from_secs(10), "the default limit of a token is longer");
}

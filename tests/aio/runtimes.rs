//! Runtimes that a store is called in, or is not.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, Credential, ReqwestTransport,
};
use eventhub_checkpointstore::{AccessToken, ErrorKind};
use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};

use crate::support::blob_service::BlobService;
use crate::surface::{checkpoint, group, ownership};

/// Panics of others are none of the store's business.
#[test]
#[should_panic(expected = "a panic of the resolver")]
fn another_panic_goes_on() {
    struct Broken;
    impl reqwest::dns::Resolve for Broken {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            panic!("a panic of the resolver")
        }
    }
    let client = reqwest::Client::builder().no_proxy().dns_resolver(Arc::new(Broken));
    #[cfg(feature = "_rustls")]
    let client = client.tls_backend_preconfigured(crate::without_roots());
    let client = client.build().unwrap();
    let store = BlobCheckpointStore::builder("http://acct.blob.example", "checkpoints")
        .credential(Credential::anonymous())
        .transport(ReqwestTransport::new(client))
        .build()
        .unwrap();
    let _ = runtime().block_on(store.list_ownership(&group()));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_store_outside_a_runtime_says_what_it_needs() {
    let loopback = BlobService::new("checkpoints").serve();
    let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::anonymous())
        .build()
        .unwrap();
    let listed = store.list_ownership(&group()).now_or_never().expect("nothing to wait for");
    let error = listed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    let claims = store.claim_ownership(&[ownership("0", "a")]).now_or_never().unwrap();
    let (_, error) = claims.failed().next().unwrap();
    assert!(!error.is_outcome_unknown(), "{error}");
    assert!(loopback.requests().is_empty());
    runtime().block_on(store.list_ownership(&group())).unwrap();
}

/// As a credential of a real service: its own client panics outside a runtime.
#[test]
fn a_credential_that_waits_is_not_asked_outside_a_runtime() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let credential = Credential::token(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let expiry = SystemTime::now() + Duration::from_secs(3600);
            Ok::<_, Infallible>(AccessToken::new("token", expiry))
        }
    });
    let store =
        BlobCheckpointStore::builder("https://contoso.blob.core.windows.net", "checkpoints")
            .credential(credential)
            .build()
            .unwrap();
    let listed = store.list_ownership(&group()).now_or_never().expect("nothing to wait for");
    let error = listed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    let claims = store.claim_ownership(&[ownership("0", "a")]).now_or_never().unwrap();
    let (_, error) = claims.failed().next().unwrap();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// Built without `enable_all`: tokio panics where the missing half is used.
#[test]
fn a_runtime_without_timers_or_io_is_an_error() {
    let loopback = BlobService::new("checkpoints").serve();
    let asked = Arc::new(AtomicUsize::new(0));
    for (time, io) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut builder = Builder::new_current_thread();
        if time {
            builder.enable_time();
        }
        if io {
            builder.enable_io();
        }
        let runtime = builder.build().unwrap();
        let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
            .credential(Credential::anonymous())
            .build()
            .unwrap();
        let listed = runtime.block_on(store.list_ownership(&group()));
        let claims = runtime.block_on(store.claim_ownership(&[ownership("0", "a")]));
        if time && io {
            listed.unwrap();
            assert!(claims.all_claimed(), "{claims:?}");
            continue;
        }
        let (_, failed) = claims.failed().next().unwrap();
        for error in [&listed.unwrap_err(), failed] {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{time} {io}: {error}");
            assert!(error.to_string().contains("enable_all()"), "{time} {io}: {error}");
            assert!(!error.is_outcome_unknown(), "{error}");
        }
        assert!(loopback.requests().is_empty());
        if time {
            continue;
        }
        let counted = Arc::clone(&asked);
        let credential = Credential::token(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).map(|()| Err::<AccessToken, _>("asked"))
        });
        let store =
            BlobCheckpointStore::builder("https://contoso.blob.core.windows.net", "checkpoints")
                .credential(credential)
                .build()
                .unwrap();
        let error = runtime.block_on(store.list_ownership(&group())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{io}: {error}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// Its connections are driven by a runtime that stands still.
#[test]
fn a_store_that_moves_to_another_runtime_waits_for_one_attempt_at_most() {
    let attempt = Duration::from_secs(1);
    let loopback = BlobService::new("checkpoints").serve();
    let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::anonymous())
        .attempt_timeout(attempt)
        .build()
        .unwrap();
    let (first, second) = (runtime(), runtime());
    let claims: Vec<_> = (0..16).map(|id| ownership(&id.to_string(), "a")).collect();
    let claims = first.block_on(store.claim_ownership(&claims));
    assert!(claims.all_claimed(), "{claims:?}");
    let began = Instant::now();
    for number in 0..20 {
        second.block_on(store.update_checkpoint(&checkpoint("0", "1", number))).unwrap();
    }
    assert!(began.elapsed() < attempt * 3, "{:?}", began.elapsed());
    let claims = second.block_on(store.claim_ownership(&claims.into_claimed()));
    assert!(claims.all_claimed(), "{claims:?}");
}

//! Errors about a network that fails say where, whether anything was sent, and whether a retry may help.

use std::error::Error as _;
#[cfg(feature = "_rustls")]
use std::io::{Read, Write};
#[cfg(feature = "_rustls")]
use std::net::TcpListener;
#[cfg(feature = "_rustls")]
use std::sync::Arc;
#[cfg(feature = "_rustls")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::{
    CallOptions, Error, ErrorKind, ProxyOptions, RetryOptions, TransportError,
};

use super::options::builder;
use super::script::{Script, Step};
use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential};
use super::support::blob_service::{BlobService, error_reply};
use super::support::loopback::{Loopback, Reply};
use super::{checkpoint, group, maybe_async, test};

fn quick(builder: BlobCheckpointStoreBuilder) -> BlobCheckpointStore {
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    builder.credential(Credential::anonymous()).retry(quick).build().unwrap()
}

fn store_at(url: &str) -> BlobCheckpointStore {
    quick(BlobCheckpointStore::builder(url, "checkpoints"))
}

/// The error and all its causes.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(" <- ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[maybe_async]
#[test]
async fn host_and_port_are_named() {
    let refusing = format!("127.0.0.1:{}", Loopback::refusing_port());
    let silent = Loopback::start(|_| Reply::hang());
    let closing = Loopback::start(|_| Reply::close());
    let garbage = Loopback::start(|_| Reply::raw("garbage\r\n\r\n").close_after());
    let label = "a".repeat(64);
    for (host, kind) in [
        (refusing, ErrorKind::Network),
        (silent.address().to_string(), ErrorKind::Timeout),
        (closing.address().to_string(), ErrorKind::Network),
        (garbage.address().to_string(), ErrorKind::InvalidResponse),
        (format!("{label}.example:80"), ErrorKind::Network),
    ] {
        let builder = BlobCheckpointStore::builder(&format!("http://{host}"), "checkpoints");
        let store = quick(builder.attempt_timeout(Duration::from_millis(300)));
        let store = store.with_options(CallOptions::new().with_max_retries(1));
        for error in [
            store.list_ownership(&group()).await.unwrap_err(),
            store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), kind, "{}", told(&error));
            assert!(error.to_string().contains(&host), "{}", told(&error));
            assert!(error.is_transient() || kind == ErrorKind::InvalidResponse);
        }
    }
    // Without a port in the URL it is that of the scheme.
    let store = store_at(&format!("https://{label}.example"));
    let store = store.with_options(CallOptions::new().with_max_retries(0));
    if let Err(error) = store.list_ownership(&group()).await {
        assert!(error.to_string().contains(".example:443"), "{error}");
    }
}

/// Or the user would look for the fault at the account.
#[maybe_async]
#[test]
async fn the_proxy_on_the_way_is_named_without_its_user() {
    let nowhere = format!("127.0.0.1:{}", Loopback::refusing_port());
    let refusing = Loopback::start(|_| Reply::new(502).announce_close());
    let silent = Loopback::start(|_| Reply::hang());
    let once = CallOptions::new().with_max_retries(0);
    for (proxy, kinds) in [
        (nowhere, [ErrorKind::Network; 2]),
        (silent.address().to_string(), [ErrorKind::Timeout; 2]),
        // One that sends responses in the place of the service.
        (refusing.address().to_string(), [ErrorKind::Network, ErrorKind::Service]),
    ] {
        for (scheme, kind) in ["https", "http"].into_iter().zip(kinds) {
            let url = format!("{scheme}://acct.blob.example");
            let store = BlobCheckpointStore::builder(&url, "checkpoints")
                .proxy(ProxyOptions::Url(format!("http://someone:pa55word@{proxy}")))
                .attempt_timeout(Duration::from_millis(300));
            let store = quick(store).with_options(once.clone());
            for error in [
                store.list_ownership(&group()).await.unwrap_err(),
                store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err(),
            ] {
                let text = told(&error);
                assert_eq!(error.kind(), kind, "{text}");
                if kind != ErrorKind::Service {
                    let way =
                        format!("acct.blob.example:{} through the proxy {proxy}", port(scheme));
                    assert!(error.to_string().contains(&way), "{text}");
                }
                let shown = format!("{text} {error:?} {error:#?}");
                assert!(!shown.contains("someone") && !shown.contains("pa55word"), "{shown}");
            }
        }
    }
}

fn port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// A limit that ends while a connection is made: nothing was written, so the outcome is known.
#[maybe_async]
#[test]
async fn the_outcome_of_a_write_that_was_never_sent_is_known() {
    // The port accepts, but nobody shakes hands or makes a tunnel.
    let mute = Loopback::never_reading();
    let limit = Duration::from_millis(300);
    let no_handshake = mute.url().replace("http:", "https:");
    let direct = BlobCheckpointStore::builder(&no_handshake, "checkpoints");
    let tunnel = BlobCheckpointStore::builder("https://acct.blob.example", "checkpoints")
        .proxy(ProxyOptions::Url(mute.url()));
    for builder in [direct, tunnel] {
        // The limit of connecting is longer, 5 s.
        let store = quick(builder.attempt_timeout(limit));
        let store = store.with_options(CallOptions::new().with_max_retries(1));
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", told(&error));
        assert!(!error.is_outcome_unknown(), "{}", told(&error));
    }
    // One that was sent is.
    let silent = Loopback::start(|_| Reply::hang());
    let store = quick(builder(&silent).attempt_timeout(limit));
    let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{}", told(&error));
}

#[maybe_async]
#[test]
async fn a_head_that_is_too_long_is_one_kind_of_error() {
    let endless = "a".repeat(1 << 20);
    let loopback = Loopback::start(move |_| Reply::new(200).header("x-ms-a", endless.as_str()));
    let store = quick(builder(&loopback)).with_options(CallOptions::new().with_max_retries(0));
    for error in [
        store.list_ownership(&group()).await.unwrap_err(),
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{}", told(&error));
    }
}

#[maybe_async]
#[test]
async fn permanent_transport_errors_are_not_retried() {
    let script = Script::new(|_| {
        Step::failed(TransportError::network("untrusted certificate").not_sent().permanent())
    });
    let error = script.store().list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Network, 1), "{error}");
    assert!(!error.is_transient(), "{error}");
}

#[cfg(any(feature = "_rustls", feature = "native-tls"))]
#[maybe_async]
#[test]
async fn a_certificate_that_is_not_trusted_is_not_tried_again() {
    let service = BlobService::new("checkpoints");
    let loopback = Loopback::start_tls(service.handler());
    let error = quick(builder(&loopback)).list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{}", told(&error));
    assert!(!error.is_transient(), "{}", told(&error));
    assert_eq!(loopback.connections(), 1, "{}", told(&error));
}

#[cfg(feature = "_rustls")]
#[maybe_async]
#[test]
async fn a_port_without_tls_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            // A client that closes first is no fault.
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = store_at(&url).list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{}", told(&error));
    let accepted = accepted.load(Ordering::SeqCst);
    assert_eq!((error.is_transient(), accepted), (false, 1), "{}", told(&error));
}

#[maybe_async]
#[test]
async fn a_proxy_that_asks_for_a_password_is_asked_once() {
    let proxy = Loopback::start(|_| Reply::new(407).announce_close());
    let store = BlobCheckpointStore::builder("https://acct.blob.example", "checkpoints")
        .proxy(ProxyOptions::Url(proxy.url()));
    let error = quick(store).list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), proxy.requests().len()), (ErrorKind::Network, 1), "{}", told(&error));
    assert!(!error.is_transient() && !error.is_outcome_unknown(), "{}", told(&error));
}

#[maybe_async]
#[test]
async fn a_wrong_key_is_tried_once() {
    let script = Script::new(|_| {
        Step::reply_now(error_reply(403, "AuthenticationFailed", "The MAC signature is wrong"))
    });
    let store = script.builder().secondary_hostname("acct-secondary.blob.example").build().unwrap();
    store.list_ownership(&group()).await.unwrap_err();
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert_eq!((script.sent().len(), script.slept().len()), (2, 0));
}

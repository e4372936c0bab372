//! TLS of both clients, in each build: `rustls`, `rustls-ring` and `native-tls`.

use eventhub_checkpointstore::{CallOptions, ErrorKind, ProxyOptions, TlsBackend};

use super::options::builder;
use super::support::blob_service::BlobService;
use super::support::loopback::{Loopback, Reply, TlsIdentity};
use super::{checkpoint, group, maybe_async, test};

#[maybe_async]
#[test]
async fn each_backend_of_the_build_speaks_tls_and_the_others_say_what_they_need() {
    let rustls = cfg!(any(feature = "rustls", feature = "rustls-ring"));
    let backends = [
        (TlsBackend::Automatic, true, ""),
        (TlsBackend::Rustls, rustls, "`rustls` or `rustls-ring`"),
        (TlsBackend::NativeTls, cfg!(feature = "native-tls"), "`native-tls`"),
    ];
    for (backend, is_there, needed) in backends {
        let loopback = Loopback::start_tls(BlobService::new("checkpoints").handler());
        let built =
            builder(&loopback).root_certificates(loopback.ca_pem()).tls_backend(backend).build();
        if is_there {
            built.unwrap().list_ownership(&group()).await.unwrap();
            assert_eq!((loopback.handshakes(), loopback.requests().len()), (1, 1), "{backend:?}");
        } else {
            let error = built.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{backend:?}");
            assert!(error.to_string().contains(needed), "{error}");
        }
    }
}

#[maybe_async]
#[test]
async fn a_custom_root_certificate_is_the_only_one_trusted() {
    let service = BlobService::new("checkpoints");
    let loopback = Loopback::start_tls(service.handler());
    let other = TlsIdentity::new(&["127.0.0.1"]);
    let wrong_name =
        Loopback::start_tls_as(&TlsIdentity::new(&["other.example"]), service.handler());

    let trusting = builder(&loopback)
        .root_certificates(other.ca_pem())
        .root_certificates(loopback.ca_pem())
        .build()
        .unwrap();
    trusting.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    trusting.list_ownership(&group()).await.unwrap();
    assert_eq!((loopback.handshakes(), loopback.requests().len()), (1, 3));

    let once = CallOptions::new().with_max_retries(0);
    let distrusting = [
        ("the platform's roots", builder(&loopback).build()),
        ("another authority", builder(&loopback).root_certificates(other.ca_pem()).build()),
        ("a wrong name", builder(&wrong_name).root_certificates(wrong_name.ca_pem()).build()),
    ];
    for (why, store) in distrusting {
        let store = store.unwrap().with_options(once.clone());
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network, "{why}: {error:?}");
        assert!(!error.is_outcome_unknown(), "{why}: nothing was sent: {error:?}");
    }
    assert_eq!((loopback.requests().len(), wrong_name.requests().len()), (3, 0));

    let target = service.serve();
    let key_only = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for pem in ["", "no pem", key_only] {
        let error = builder(&loopback).root_certificates(pem).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{pem}");
        let error = builder(&target).root_certificates(pem).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "without TLS, too: {pem}");
    }
}

#[maybe_async]
#[test]
async fn a_proxy_with_tls_is_trusted_as_the_endpoint_is() {
    let proxy = Loopback::start_tls(|_| Reply::new(403).announce_close());
    let target = BlobService::new("checkpoints").serve();
    let through = builder(&target).proxy(ProxyOptions::Url(proxy.url()));
    let once = CallOptions::new().with_max_retries(0);

    let store = through.root_certificates(proxy.ca_pem()).build().unwrap();
    store.with_options(once.clone()).list_ownership(&group()).await.unwrap_err();
    assert_eq!((proxy.requests().len(), target.requests().len()), (1, 0));

    let distrusting = builder(&target).proxy(ProxyOptions::Url(proxy.url())).build().unwrap();
    let error = distrusting.with_options(once).list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
    assert_eq!(proxy.requests().len(), 1);
}

/// With both providers such a config panics, with us or without.
#[cfg(not(feature = "rustls-ring"))]
#[maybe_async]
#[test]
async fn a_rustls_config_without_a_provider_does_not_panic_beside_us() {
    let service = BlobService::new("checkpoints");
    let loopback = Loopback::start_tls(service.handler());
    let store = builder(&loopback).root_certificates(loopback.ca_pem()).build().unwrap();
    store.list_ownership(&group()).await.unwrap();
    // As azure_core_amqp makes one.
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    assert!(!config.crypto_provider().cipher_suites.is_empty());
}

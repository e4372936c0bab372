//! TLS with a root of the test.

use super::test;
use super::*;
use eventhub_checkpointstore::{AccessToken, ErrorKind};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A double with a certificate for its address, and the certificate in PEM.
fn start_with_tls() -> (Arc<EventHubsDouble>, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    (start(config(2).tls(Arc::new(server))), cert.pem())
}

fn secure(double: &EventHubsDouble, life: Duration, asked: Arc<AtomicU64>) -> EventHubBuilder {
    let credential = credential_of(move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        AccessToken::new(format!("token {number}"), SystemTime::now() + life)
    });
    EventHub::builder(NAMESPACE, HUB, "$Default")
        .credential(credential)
        .custom_endpoint(format!("amqps://127.0.0.1:{}", double.port()))
}

#[maybe_async]
#[test]
async fn events_come_over_tls_with_an_entra_token() {
    let (double, pem) = start_with_tls();
    double.fill("0", (0..500).map(|number| format!("event {number}")));
    let asked = Arc::new(AtomicU64::new(0));
    let builder = secure(&double, Duration::from_secs(3600), Arc::clone(&asked));
    let hub = builder.root_certificate(pem).build().unwrap();
    let mut reader = hub.open(earliest("0")).await.unwrap();
    let events = receive(&mut *reader, 500).await;
    assert_eq!(numbers(&events), (0..500).collect::<Vec<_>>());
    assert_eq!(double.tokens(), [(format!("sb://{NAMESPACE}/{HUB}"), "token 0".to_string())]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// A credential as `azure_identity` has them.
#[derive(Debug)]
struct Identity;

#[async_trait::async_trait]
impl azure_core::credentials::TokenCredential for Identity {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<azure_core::credentials::TokenRequestOptions<'_>>,
    ) -> azure_core::Result<azure_core::credentials::AccessToken> {
        let expires_on = azure_core::time::OffsetDateTime::now_utc() + Duration::from_secs(3600);
        let text = format!("a token for {}", scopes.join(" "));
        Ok(azure_core::credentials::AccessToken::new(text, expires_on))
    }
}

#[maybe_async]
#[test]
async fn a_credential_of_azure_core_is_asked_for_the_scope_of_event_hubs() {
    let (double, pem) = start_with_tls();
    double.append("1", "event");
    let hub = EventHub::builder(NAMESPACE, HUB, "$Default")
        .credential(azure_credential(Arc::new(Identity)))
        .custom_endpoint(format!("amqps://127.0.0.1:{}", double.port()))
        .root_certificate(pem)
        .build()
        .unwrap();
    let mut reader = hub.open(earliest("1")).await.unwrap();
    receive(&mut *reader, 1).await;
    let text = "a token for https://eventhubs.azure.net/.default".to_string();
    assert_eq!(double.tokens(), [(format!("sb://{NAMESPACE}/{HUB}"), text)]);
}

#[maybe_async]
#[test]
async fn a_token_is_renewed_before_it_expires() {
    let (double, pem) = start_with_tls();
    let asked = Arc::new(AtomicU64::new(0));
    let builder = secure(&double, Duration::from_secs(3), Arc::clone(&asked));
    let hub = builder.root_certificate(pem).build().unwrap();
    let mut reader = hub.open(earliest("0")).await.unwrap();
    eventually("two renewals", || double.tokens().len() >= 3).await;
    let texts: Vec<_> = double.tokens().into_iter().map(|(_, text)| text).take(3).collect();
    assert_eq!(texts, ["token 0", "token 1", "token 2"]);
    double.append("0", "still here");
    receive(&mut *reader, 1).await;
    let counters = double.counters();
    assert_eq!((counters.connections, counters.opened_links), (1, 1));
}

#[maybe_async]
#[test]
async fn a_credential_that_panics_is_an_error_and_harms_nothing() {
    let (double, pem) = start_with_tls();
    let asked = Arc::new(AtomicU64::new(0));
    let credential = credential_of({
        let asked = Arc::clone(&asked);
        move || {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            assert_ne!(number, 0, "the credential panics as the test wants it");
            AccessToken::new("token", SystemTime::now() + Duration::from_secs(3600))
        }
    });
    let hub = EventHub::builder(NAMESPACE, HUB, "$Default")
        .credential(credential)
        .custom_endpoint(format!("amqps://127.0.0.1:{}", double.port()))
        .root_certificate(pem)
        .build()
        .unwrap();
    let properties = hub.properties().await.unwrap();
    assert_eq!(properties.name, HUB);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[maybe_async]
#[test]
async fn a_certificate_that_nobody_trusts_is_not_accepted() {
    let (double, _) = start_with_tls();
    let builder = secure(&double, Duration::from_secs(3600), Arc::default());
    let hub = builder.build().unwrap();
    let begun = Instant::now();
    let error = hub.open(earliest("0")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    assert!(double.tokens().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(30), "what cannot change is not retried");
}

//! Properties of hub and partitions, and the tokens that all requests need.

use super::test;
use super::*;
use eventhub_checkpointstore::{AccessToken, ErrorKind};
use eventhubs_double::ReplyFault;
use std::time::SystemTime;

#[maybe_async]
#[test]
async fn hub_and_partitions_say_what_they_hold() {
    let double = start(config(3));
    double.fill("1", ["a", "b", "c"]);
    let hub = hub(&double);
    let properties = hub.properties().await.unwrap();
    assert_eq!(properties.name, HUB);
    assert_eq!(properties.partition_ids, ["0", "1", "2"]);
    assert!(properties.created_at.elapsed().unwrap() < PATIENCE);
    let partition = hub.partition_properties("1").await.unwrap();
    assert_eq!((partition.partition_id.as_str(), partition.is_empty), ("1", false));
    assert_eq!(partition.beginning_sequence_number, 0);
    assert_eq!(partition.last_enqueued.sequence_number, 2);
    assert_eq!(partition.last_enqueued.offset, double.offset("1", 2));
    let empty = hub.partition_properties("2").await.unwrap();
    assert!(empty.is_empty);
    assert_eq!(empty.last_enqueued.sequence_number, -1);
    assert_eq!(double.counters().opened_links, 0, "no receiver is opened for it");
    assert_eq!(double.counters().connections, 1);
}

#[maybe_async]
#[test]
async fn a_failing_management_is_asked_again() {
    let double = start(config(1));
    let hub = builder(&double).request_timeout(Duration::from_secs(2)).build().unwrap();
    double.fail_management(ReplyFault::Status(503));
    double.fail_management(ReplyFault::Silence);
    let received = hub.properties().await;
    assert_eq!(received.unwrap().name, HUB);
    double.detach_management("amqp:link:detach-forced");
    let received = hub.properties().await;
    assert_eq!(received.unwrap().name, HUB);
    assert_eq!(double.counters().connections, 1);
}

#[maybe_async]
#[test]
async fn a_management_that_stays_away_is_an_error_in_time() {
    let double = start(config(1));
    let hub = builder(&double).request_timeout(Duration::from_millis(300)).build().unwrap();
    for _ in 0..8 {
        double.fail_management(ReplyFault::Status(503));
    }
    let error = hub.properties().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Throttled, Some(503)), "{error}");
}

#[maybe_async]
#[test]
async fn the_signature_is_made_for_the_event_hub() {
    let double = start(config(1));
    let hub = hub(&double);
    hub.properties().await.unwrap();
    let (audience, token) = double.tokens().remove(0);
    assert_eq!(audience, format!("sb://{NAMESPACE}/{HUB}"));
    let resource = format!("sr=sb%3A%2F%2F{NAMESPACE}%2F{HUB}&sig=");
    assert!(token.starts_with(&format!("SharedAccessSignature {resource}")), "{token}");
    assert!(token.ends_with("&skn=listen"), "{token}");
}

#[maybe_async]
#[test]
async fn a_refused_token_is_told_at_once_and_without_its_text() {
    let double = start(config(1));
    let hub = hub(&double);
    double.fail_token(ReplyFault::Status(401));
    let error = hub.open(earliest("0")).await.err().unwrap();
    assert_eq!((error.kind(), error.status()), (ErrorKind::AccessDenied, Some(401)), "{error}");
    let (_, token) = double.tokens().pop().unwrap_or_default();
    assert!(token.is_empty() || !format!("{error} {error:?}").contains(&token));
    // The next token is a new one.
    hub.open(earliest("0")).await.unwrap();
}

#[maybe_async]
#[test]
async fn storage_credentials_and_tokens_without_tls_are_refused() {
    let key = subject::Credential::account_key("contoso", "c2VjcmV0").unwrap();
    let error = EventHub::new(NAMESPACE, HUB, "$Default", key).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    let token = credential_of(|| AccessToken::new("token", SystemTime::now() + PATIENCE));
    let error = EventHub::builder(NAMESPACE, HUB, "$Default")
        .credential(token)
        .custom_endpoint("amqp://127.0.0.1:5672")
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}

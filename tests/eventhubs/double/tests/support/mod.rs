//! Helpers that the tests of the official client share.

#![allow(dead_code, unreachable_pub, reason = "every test root mounts it and uses a part of it")]

use clean_environment as _;

pub mod store;

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use azure_messaging_eventhubs::models::ReceivedEventData;
use azure_messaging_eventhubs::{
    ConsumerClient, EventReceiver, OpenReceiverOptions, StartLocation, StartPosition,
};
use eventhubs_double::{Config, EventHubsDouble};
use futures::StreamExt;

pub const HUB: &str = "telemetry";
pub const NAMESPACE: &str = "double.servicebus.windows.net";

/// Long enough for two shared cores, short enough for a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A credential whose token is worth nothing.
#[derive(Debug)]
pub struct AnyToken;

#[async_trait::async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new("worthless", expires_on))
    }
}

pub async fn start(partitions: usize) -> EventHubsDouble {
    EventHubsDouble::start(Config::new(HUB, partitions)).await.expect("a free port")
}

pub async fn client(double: &EventHubsDouble) -> ConsumerClient {
    client_of(double, HUB, "$Default").await
}

pub async fn client_of(double: &EventHubsDouble, hub: &str, group: &str) -> ConsumerClient {
    ConsumerClient::builder()
        .with_custom_endpoint(double.endpoint())
        .with_consumer_group(group.to_string())
        .open(NAMESPACE, hub.to_string(), Arc::new(AnyToken))
        .await
        .expect("the double accepts the connection")
}

pub fn from(location: StartLocation, inclusive: bool) -> Option<OpenReceiverOptions> {
    let start_position = Some(StartPosition { location, inclusive });
    Some(OpenReceiverOptions { start_position, ..Default::default() })
}

/// Opens a receiver on partition 0 that owns it.
pub async fn owner(client: &ConsumerClient, owner_level: i64) -> EventReceiver {
    let options = OpenReceiverOptions {
        owner_level: Some(owner_level),
        ..from(StartLocation::Earliest, false).unwrap_or_default()
    };
    client.open_receiver_on_partition("0".to_string(), Some(options)).await.expect("a receiver")
}

/// Receives that many events of partition 0.
pub async fn receive(
    client: &ConsumerClient,
    options: Option<OpenReceiverOptions>,
    count: usize,
) -> Vec<ReceivedEventData> {
    let receiver =
        client.open_receiver_on_partition("0".to_string(), options).await.expect("a receiver");
    let events = receiver.stream_events().take(count).map(|event| event.expect("an event"));
    let events = tokio::time::timeout(PATIENCE, events.collect()).await.expect("events in time");
    receiver.close().await.expect("the link closes");
    events
}

pub fn sequence_numbers(events: &[ReceivedEventData]) -> Vec<i64> {
    events.iter().filter_map(|event| event.sequence_number()).collect()
}

/// Waits until the condition holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

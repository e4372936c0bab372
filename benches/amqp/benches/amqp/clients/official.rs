//! The official client: a stream of each partition, all on one thread, because they are not `Send`.

use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::{Duration, OffsetDateTime};
use azure_messaging_eventhubs::{
    ConsumerClient, OpenReceiverOptions, StartLocation, StartPosition,
};
use firehose::Content;
use futures::StreamExt;
use futures::future::join_all;

use super::Endpoint;
use crate::meter::Meter;

/// A credential whose token is worth nothing.
#[derive(Debug)]
struct AnyToken;

#[async_trait::async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("worthless", OffsetDateTime::now_utc() + Duration::hours(1)))
    }
}

pub async fn receive(endpoint: &Endpoint, content: Content, meter: Arc<Meter>) {
    let client = ConsumerClient::builder()
        .with_custom_endpoint(format!("amqp://127.0.0.1:{}", endpoint.port))
        .open("bench.servicebus.windows.net", content.hub_name(), Arc::new(AnyToken))
        .await
        .unwrap();
    let receive = |id: u32| {
        let (client, meter) = (&client, &meter);
        async move {
            let start = StartPosition { location: StartLocation::Earliest, inclusive: false };
            let options = OpenReceiverOptions { start_position: Some(start), ..Default::default() };
            let receiver =
                client.open_receiver_on_partition(id.to_string(), Some(options)).await.unwrap();
            let mut events = receiver.stream_events();
            for _ in 0..content.events {
                let event = events.next().await.unwrap().unwrap();
                let length = event.event_data().body().map_or(0, <[u8]>::len);
                let number = event.sequence_number().unwrap();
                meter.saw(id as usize, std::iter::once((number, length)));
            }
        }
    };
    join_all((0..content.partitions).map(receive)).await;
}

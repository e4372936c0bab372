//! Send links: the events of producers, one by one or in batches.

use std::sync::Arc;

use fe2o3_amqp::Receiver;
use fe2o3_amqp::acceptor::{LinkAcceptor, LinkEndpoint, ListenerSessionHandle};
use fe2o3_amqp::types::definitions::{AmqpError, Error};
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::messaging::{Body, Message, MessageAnnotations};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::Value;
use serde_amqp::read::SliceReader;
use tokio::time::{sleep, timeout};

use crate::address::EntityAddress;
use crate::hub::Hub;
use crate::link::{CLOSE_TIMEOUT, Serving, SessionContext, target_address};
use crate::log::Content;

type Event = Message<Body<Value>>;

/// The format of a message whose body is a batch: each of its sections is a whole message.
const BATCH: u32 = 0x8001_3700;

/// The limit that the service tells producers, which size their batches by it.
const MAX_MESSAGE_SIZE: u64 = 1024 * 1024;

const PARTITION_KEY: &str = "x-opt-partition-key";

/// Accepts a send link, to take its events or to refuse it.
pub(crate) async fn accept(
    attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    let hub = Arc::clone(&context.hub);
    let address = target_address(&attach).and_then(EntityAddress::parse);
    let address = address.filter(|address| {
        let is_there = |id: &String| hub.partition(id).is_some();
        hub.is_named(&address.eventhub_name) && address.partition_id.as_ref().is_none_or(is_there)
    });
    let acceptor = LinkAcceptor::builder().max_message_size(MAX_MESSAGE_SIZE).build();
    let endpoint = acceptor.accept_incoming_attach(attach, session).await.ok()?;
    let LinkEndpoint::Receiver(events) = endpoint else { return None };
    Some(match address {
        Some(address) => Box::pin(serve(events, address.partition_id, hub)),
        None => {
            hub.counts.refused_links.add(1);
            Box::pin(async move {
                let _ = timeout(CLOSE_TIMEOUT, events.close_with_error(not_found())).await;
            })
        }
    })
}

/// Stores what comes, then accepts it.
async fn serve(mut events: Receiver, partition_id: Option<String>, hub: Arc<Hub>) {
    while let Ok(delivery) = events.recv::<Body<Value>>().await {
        let is_batch = *delivery.message_format() == Some(BATCH);
        let (delivery, message) = delivery.into_parts();
        let settled = match opened(message, is_batch) {
            Some((key, messages)) => {
                let partition = hub.partition_for(partition_id.as_deref(), key.as_deref());
                let contents = messages.into_iter().map(|event| Content::Message(Box::new(event)));
                partition.log.append(contents);
                sleep(hub.settle_delay).await;
                events.accept(delivery).await
            }
            None => events.reject(delivery, undecodable()).await,
        };
        if settled.is_err() {
            return;
        }
    }
}

/// The partition key of a message and its events; `None` if it is no message of events.
fn opened(message: Event, is_batch: bool) -> Option<(Option<String>, Vec<Event>)> {
    let key = partition_key(&message);
    if !is_batch {
        return Some((key, vec![message]));
    }
    let Body::Data(sections) = message.body else { return None };
    let mut events = Vec::new();
    for section in sections {
        let mut event =
            Body::<Value>::decode_message_from_reader(SliceReader::new(&section.0)).ok()?;
        if let (Some(key), None) = (&key, partition_key(&event)) {
            event
                .message_annotations
                .get_or_insert_with(MessageAnnotations::default)
                .insert(PARTITION_KEY.into(), Value::String(key.clone()));
        }
        events.push(event);
    }
    Some((key, events))
}

fn partition_key(message: &Event) -> Option<String> {
    let annotations = message.message_annotations.as_ref()?;
    match annotations.get(&OwnedKey::from(PARTITION_KEY))? {
        Value::String(key) => Some(key.clone()),
        Value::Symbol(key) => Some(key.as_str().to_owned()),
        _ => None,
    }
}

fn not_found() -> Error {
    Error::new(AmqpError::NotFound, "The messaging entity could not be found.".to_string(), None)
}

fn undecodable() -> Error {
    Error::new(AmqpError::DecodeError, "The batch holds no messages.".to_string(), None)
}

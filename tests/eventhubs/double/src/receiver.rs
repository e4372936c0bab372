//! Receive links: the events of one partition for one consumer group.

use std::collections::VecDeque;
use std::sync::Arc;

use fe2o3_amqp::Sender;
use fe2o3_amqp::acceptor::ListenerSessionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition, LinkError};
use fe2o3_amqp::types::messaging::{Data, Message, MessageAnnotations, Outcome};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::{Binary, Symbol, Timestamp, Value};

use crate::address::PartitionAddress;
use crate::hub::{Hub, Partition};
use crate::link::{self, Serving, SessionContext};
use crate::log::Event;
use crate::seats::{AttachedReceiver, Displaced, Seat};
use crate::selector::Selector;

/// The link property that carries the owner level.
const EPOCH: &str = "com.microsoft:epoch";

/// How many events are taken out of the log at once.
const BATCH: usize = 128;

/// Accepts a receive link, to serve it or to refuse it.
pub(crate) async fn accept(
    attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    let hub = Arc::clone(&context.hub);
    let admission = admit(&attach, &hub);
    // A refused link is attached first too, then closed with the reason, as AMQP 1.0 (2.6.3) asks.
    let sender = link::accept_sender(attach, session).await?;
    Some(match admission {
        Ok(admitted) => {
            hub.counts.opened_links.add(1);
            Box::pin(serve(sender, admitted, hub))
        }
        Err(error) => {
            hub.counts.refused_links.add(1);
            Box::pin(link::close_with(sender, error, hub.settle_delay))
        }
    })
}

/// A receiver that has its seat and knows where to start.
struct Admitted {
    seat: Seat,
    partition_id: String,
    next: usize,
}

fn admit(attach: &Attach, hub: &Hub) -> Result<Admitted, Error> {
    let address = link::source_address(attach).and_then(PartitionAddress::parse);
    let address =
        address.filter(|address| hub.is_named(&address.eventhub_name)).ok_or_else(not_found)?;
    let partition = hub.partition(&address.partition_id).ok_or_else(no_such_partition)?;
    let selector = selector(attach)?;
    let newcomer = AttachedReceiver {
        consumer_group: address.consumer_group,
        partition_id: address.partition_id.clone(),
        owner_level: owner_level(attach),
        link_name: attach.name.clone(),
    };
    let seat = hub.seats.take(newcomer).map_err(|holder| outranked(&holder))?;
    Ok(Admitted {
        seat,
        partition_id: address.partition_id,
        next: partition.log.first_wanted(&selector),
    })
}

fn owner_level(attach: &Attach) -> Option<i64> {
    match attach.properties.as_ref()?.get(&Symbol::from(EPOCH))? {
        Value::Long(level) => Some(*level),
        Value::Int(level) => Some(i64::from(*level)),
        _ => None,
    }
}

/// The selector among the filters of the source, whatever its key: SDKs use different ones.
fn selector(attach: &Attach) -> Result<Selector, Error> {
    let filters = attach.source.as_ref().and_then(|source| source.filter.as_ref());
    let Some(expression) = filters.and_then(|filters| filters.values().find_map(expression)) else {
        return Ok(Selector::everything());
    };
    Selector::parse(expression).ok_or_else(|| bad_filter(expression))
}

fn expression(filter: &Value) -> Option<&str> {
    match filter {
        Value::String(expression) => Some(expression),
        Value::Described(described) => expression(&described.value),
        _ => None,
    }
}

/// Sends events until the peer is gone or another receiver takes the seat.
async fn serve(mut sender: Sender, mut admitted: Admitted, hub: Arc<Hub>) {
    let Some(partition) = hub.partition(&admitted.partition_id) else {
        return;
    };
    let displaced = tokio::select! {
        biased;
        displaced = admitted.seat.displaced() => displaced,
        () = deliver(&mut sender, partition, admitted.next, hub.in_flight) => return,
    };
    hub.counts.stolen_links.add(1);
    link::close_with(sender, stolen(displaced), hub.settle_delay).await;
}

/// Sends the events from an index on, those to come too, until the peer detaches.
async fn deliver(sender: &mut Sender, partition: &Partition, mut next: usize, in_flight: usize) {
    let mut length = partition.log.length();
    let mut unsettled = VecDeque::new();
    loop {
        for event in partition.log.read(next, BATCH) {
            if unsettled.len() >= in_flight.max(1)
                && let Some(oldest) = unsettled.pop_front()
                && settled(oldest).await.is_err()
            {
                return;
            }
            // Waits for link credit.
            let Ok(delivery) = sender.send_batchable(message(&event)).await else {
                return;
            };
            unsettled.push_back(delivery);
            next += 1;
            partition.delivered.add(1);
        }
        tokio::select! {
            grown = length.wait_for(|length| *length > next) => if grown.is_err() { return },
            _ = sender.on_detach() => return,
        }
    }
}

/// Waits for the outcome, whatever it is: a log forgets nothing when an event is settled.
async fn settled(delivery: DeliveryFut<Result<Outcome, SendError>>) -> Result<(), SendError> {
    delivery.await.map(|_| ())
}

fn message(event: &Event) -> Message<Data> {
    let enqueued = Timestamp::from_milliseconds(event.enqueued_millis);
    let annotations = MessageAnnotations::builder()
        .insert("x-opt-sequence-number", Value::Long(event.sequence_number))
        .insert("x-opt-offset", Value::String(event.offset.clone()))
        .insert("x-opt-enqueued-time", Value::Timestamp(enqueued))
        .build();
    Message::builder()
        .message_annotations(annotations)
        .data(Binary::from(event.body.clone()))
        .build()
}

fn not_found() -> Error {
    Error::new(AmqpError::NotFound, "The messaging entity could not be found.".to_string(), None)
}

fn no_such_partition() -> Error {
    argument_error(
        "com.microsoft:argument-out-of-range",
        "The specified partition is invalid.".to_string(),
    )
}

fn bad_filter(expression: &str) -> Error {
    argument_error(
        "com.microsoft:argument-error",
        format!("The supplied filter is invalid: {expression}"),
    )
}

fn argument_error(condition: &str, description: String) -> Error {
    Error::new(ErrorCondition::Custom(Symbol::from(condition)), description, None)
}

fn outranked(holder: &AttachedReceiver) -> Error {
    let level = holder.owner_level.unwrap_or_default();
    let description =
        format!("At least one receiver for the endpoint is created with epoch of '{level}'.");
    Error::new(LinkError::Stolen, description, None)
}

fn stolen(Displaced(description): Displaced) -> Error {
    Error::new(LinkError::Stolen, description, None)
}

//! Receive links: the events of one partition for one consumer group.

use std::collections::VecDeque;
use std::sync::Arc;

use fe2o3_amqp::Sender;
use fe2o3_amqp::acceptor::ListenerSessionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition, LinkError};
use fe2o3_amqp::types::messaging::{
    AmqpValue, Batch, Body, Data, DeliveryAnnotations, Message, MessageAnnotations, Outcome,
};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::{Binary, LazyValue, Symbol, Timestamp, Value};

use crate::address::PartitionAddress;
use crate::faults::{self, AttachFault, Target};
use crate::hub::{Hub, Partition};
use crate::link::{self, Serving, SessionContext};
use crate::log::{Content, Event};
use crate::raw;
use crate::seats::{AttachedReceiver, Displaced, Seat};
use crate::selector::Selector;

/// The link property that carries the owner level.
const EPOCH: &str = "com.microsoft:epoch";

/// The capability by which a receiver asks for the end of the partition with each event.
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";

/// How many events are taken out of the log at once.
const BATCH: usize = 128;

/// Accepts a receive link, to serve it or to refuse it.
pub(crate) async fn accept(
    attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    let hub = Arc::clone(&context.hub);
    let admission = match hub.faults.next_attach() {
        Some(AttachFault::Silence) => return None,
        Some(AttachFault::Refuse(condition, description)) => {
            Err(faults::error(&condition, description))
        }
        None => admit(&attach, &hub),
    };
    // A refused link is attached first too, then closed with the reason, as AMQP 1.0 (2.6.3) asks.
    let sender = link::accept_sender(attach, session).await?;
    Some(match admission {
        Ok(admitted) => {
            hub.counts.opened_links.add(1);
            if let Some(partition) = hub.partition(&admitted.partition_id) {
                partition.opened.add(1);
            }
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
    with_metrics: bool,
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
        with_metrics: wants_metrics(attach),
    })
}

fn wants_metrics(attach: &Attach) -> bool {
    let desired = attach.desired_capabilities.iter().flat_map(|capabilities| &capabilities.0);
    desired.into_iter().any(|capability| capability.as_str() == RUNTIME_METRICS)
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
    let mut detaches = hub.faults.detaches();
    let is_meant = |target: &Target| match target {
        Target::Partition(id) => *id == admitted.partition_id,
        Target::AllPartitions => true,
        Target::Management => false,
    };
    let error = tokio::select! {
        biased;
        displaced = admitted.seat.displaced() => {
            hub.counts.stolen_links.add(1);
            stolen(displaced)
        }
        error = faults::detached(&mut detaches, is_meant) => error,
        () = deliver(&mut sender, partition, &hub, admitted.next, admitted.with_metrics) => return,
    };
    // The seat is free from here on.
    drop(admitted.seat);
    link::close_with(sender, error, hub.settle_delay).await;
}

/// Sends the events from an index on, those to come too, until the peer detaches.
async fn deliver(
    sender: &mut Sender,
    partition: &Partition,
    hub: &Hub,
    mut next: usize,
    with_metrics: bool,
) {
    let mut length = partition.log.length();
    let mut unsettled = VecDeque::new();
    loop {
        let last = if with_metrics { partition.log.last() } else { None };
        for event in partition.log.read(next, BATCH) {
            if unsettled.len() >= hub.in_flight.max(1)
                && let Some(oldest) = unsettled.pop_front()
            {
                // A peer that detaches need not settle what it has, and waits for the response.
                tokio::select! {
                    outcome = settled(oldest) => if outcome.is_err() { return },
                    _ = sender.on_detach() => return,
                }
            }
            // Waits for link credit.
            let sent = match &event.content {
                Content::Bytes(bytes) => {
                    let data = Batch::new(vec![Data(Binary::from(bytes.to_vec()))]);
                    let message = Message::<Body<Value>>::from(Body::Data(data));
                    sender.send_batchable(annotated(message, &event, last.as_deref())).await
                }
                Content::Message(message) => {
                    let message = (**message).clone();
                    sender.send_batchable(annotated(message, &event, last.as_deref())).await
                }
                Content::Sections(sections) => {
                    sender.send_batchable(Message::from(before_sections(sections))).await
                }
            };
            let Ok(delivery) = sent else { return };
            // Without a limit, nobody waits for them.
            if hub.in_flight < usize::MAX {
                unsettled.push_back(delivery);
            }
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

/// The message with the service's annotations; with the end of the partition if that is wanted.
fn annotated<B>(mut message: Message<B>, event: &Event, last: Option<&Event>) -> Message<B> {
    let annotations = message.message_annotations.get_or_insert_with(MessageAnnotations::default);
    for (name, value) in [
        ("x-opt-sequence-number", Value::Long(event.sequence_number)),
        ("x-opt-offset", Value::String(event.offset.clone())),
        ("x-opt-enqueued-time", timestamp(event)),
    ] {
        annotations.insert(name.into(), value);
    }
    message.delivery_annotations = last.map(|last| {
        DeliveryAnnotations::builder()
            .insert("last_enqueued_sequence_number", Value::Long(last.sequence_number))
            .insert("last_enqueued_offset", Value::String(last.offset.clone()))
            .insert("last_enqueued_time_utc", timestamp(last))
            .insert("runtime_info_retrieval_time_utc", timestamp(last))
            .build()
    });
    message
}

/// A body whose value is null, and the bytes that follow it.
fn before_sections(sections: &[u8]) -> Body<LazyValue> {
    Body::Value(AmqpValue(raw::value([&[0x40], sections].concat())))
}

fn timestamp(event: &Event) -> Value {
    Value::Timestamp(Timestamp::from_milliseconds(event.enqueued_millis))
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

//! A receive link in its own session. It is attached, read and ended without harm to the connection's other links.

use std::time::Duration;

use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{Fields, ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Body, FilterSet, Source};
use fe2o3_amqp::types::primitives::{Symbol, Value};
use fe2o3_amqp::{Delivery, Receiver};
use futures_util::FutureExt;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;

use super::decode::{self, Decoded, NotAnEvent, Received};
use super::fault::Fault;
use super::hub::{end_session, in_background};
use super::screen;
use super::window::Window;
use crate::error::ErrorKind;
use crate::ownership::StartingPosition;

const SELECTOR: &str = "apache.org:selector-filter:string";
const OWNER_LEVEL: &str = "com.microsoft:epoch";
const RUNTIME_METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";

/// A receiver and its session. [`end`](Self::end) must end them: if both are dropped in mid-stream, the connection
/// ends.
#[derive(Debug)]
pub(super) struct Link {
    receiver: Receiver,
    session: SessionHandle<()>,
    /// The deliveries that are not accepted yet.
    received: Vec<DeliveryInfo>,
}

/// The parameters of an attach.
#[derive(Debug, Clone)]
pub(super) struct LinkRequest {
    /// `{hub}/ConsumerGroups/{group}/Partitions/{id}`.
    pub(super) address: String,
    pub(super) partition_id: String,
    pub(super) selector: String,
    pub(super) owner_level: Option<i64>,
    pub(super) track_last_enqueued: bool,
}

impl Link {
    /// Attaches a link in a session.
    pub(super) async fn attach(
        session: SessionHandle<()>,
        request: LinkRequest,
        limit: Duration,
    ) -> Result<Self, Fault> {
        in_background("attaching a receive link", limit, attach(session, request), Self::end).await
    }

    /// Waits for the next event. Cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<Decoded, Fault> {
        let delivery: Delivery<Body<Received>> = self.receiver.recv().await?;
        let (info, message) = delivery.into_parts();
        self.received.push(info);
        decode::unwrapped(message.body).map_err(|reason| {
            let text = match reason {
                NotAnEvent::Malformed => "an event is not valid AMQP",
                NotAnEvent::WithoutNumber => "an event has no sequence number",
            };
            Fault::transient(ErrorKind::InvalidData, text)
        })
    }

    /// Returns the next event if it has already arrived.
    pub(super) fn receive_now(&mut self) -> Option<Result<Decoded, Fault>> {
        self.receive().now_or_never()
    }

    /// Accepts the events that a peer sent unsettled, although the attach asked for settled ones. Sends nothing for
    /// settled events.
    pub(super) async fn accept(&mut self) -> Result<(), Fault> {
        // The buffer stays: a large one that is made for each batch makes the allocator tidy up each time.
        Ok(self.receiver.accept_all(self.received.drain(..)).await?)
    }

    /// Raises the sender's credit to the room that the reader has, if it is due.
    pub(super) async fn top_up(&mut self, window: &Window) -> Result<(), Fault> {
        if let Some(credit) = window.raise(self.receiver.credit()) {
            self.receiver.set_credit(credit).await?;
        }
        Ok(())
    }

    pub(super) async fn end(self) {
        end_session(self.session, self.receiver).await;
    }
}

async fn attach(mut session: SessionHandle<()>, request: LinkRequest) -> Result<Link, Fault> {
    let name = format!("{}{}-{:016x}", screen::EVENTS, request.partition_id, fastrand::u64(..));
    let filter = Described {
        descriptor: Descriptor::Name(Symbol::from(SELECTOR)),
        value: Value::String(request.selector),
    };
    let filter = (Symbol::from(SELECTOR), Value::Described(Box::new(filter)));
    let source =
        Source::builder().address(request.address).filter(FilterSet::from_iter([filter])).build();
    let mut builder = Receiver::builder()
        .name(name)
        .source(source)
        .sender_settle_mode(SenderSettleMode::Settled)
        .receiver_settle_mode(ReceiverSettleMode::First)
        .credit_mode(CreditMode::Manual)
        // Some services omit the filter from their attach, but apply it all the same.
        .verify_incoming_source(false);
    if let Some(level) = request.owner_level {
        let level = (Symbol::from(OWNER_LEVEL), Value::Long(level));
        builder = builder.properties(Fields::from_iter([level]));
    }
    if request.track_last_enqueued {
        builder = builder.add_desired_capabilities(RUNTIME_METRICS);
    }
    match builder.attach(&mut session).await {
        Ok(receiver) => Ok(Link { receiver, session, received: Vec::new() }),
        Err(error) => {
            end_session(session, ()).await;
            Err(error.into())
        }
    }
}

/// Returns the filter for a position, in the form of the
/// [service](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide) and the other
/// SDKs. `Latest` is replaced before: with it, a link that is attached again would skip events.
pub(super) fn selector(position: &StartingPosition) -> String {
    let expression = |name: &str, inclusive: bool, value: &str| {
        let comparison = if inclusive { ">=" } else { ">" };
        // An offset is opaque. A quote in it must not end the string.
        format!("amqp.annotation.{name} {comparison} '{}'", value.replace('\'', "''"))
    };
    match position {
        StartingPosition::Earliest => expression("x-opt-offset", false, "-1"),
        StartingPosition::Latest => expression("x-opt-offset", false, "@latest"),
        StartingPosition::Offset { offset, inclusive } => {
            expression("x-opt-offset", *inclusive, offset)
        }
        StartingPosition::SequenceNumber { sequence_number, inclusive } => {
            expression("x-opt-sequence-number", *inclusive, &sequence_number.to_string())
        }
        StartingPosition::EnqueuedTime { enqueued_time, inclusive } => {
            let since = enqueued_time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            expression("x-opt-enqueued-time", *inclusive, &since.as_millis().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn every_position_has_a_selector() {
        let offset = |inclusive| StartingPosition::Offset { offset: "1:70:1".into(), inclusive };
        let number =
            |inclusive| StartingPosition::SequenceNumber { sequence_number: -1, inclusive };
        let time = StartingPosition::EnqueuedTime {
            enqueued_time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            inclusive: false,
        };
        for (position, expected) in [
            (StartingPosition::Earliest, "amqp.annotation.x-opt-offset > '-1'"),
            (StartingPosition::Latest, "amqp.annotation.x-opt-offset > '@latest'"),
            (offset(false), "amqp.annotation.x-opt-offset > '1:70:1'"),
            (offset(true), "amqp.annotation.x-opt-offset >= '1:70:1'"),
            (number(false), "amqp.annotation.x-opt-sequence-number > '-1'"),
            (time, "amqp.annotation.x-opt-enqueued-time > '1700000000123'"),
        ] {
            assert_eq!(selector(&position), expected);
        }
    }
}

//! A consumer of events on the blocking surface.

use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

use super::FlowOrders;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;
#[allow(clippy::duplicate_mod, reason = "one source for both surfaces")]
#[path = "doubles.rs"]
mod doubles;

fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

pub fn consume(orders: &FlowOrders) {
    consumer::run(orders);
}

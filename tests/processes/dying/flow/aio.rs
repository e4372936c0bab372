//! A consumer of events on the async surface.

use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;

use super::FlowOrders;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;
#[allow(clippy::duplicate_mod, reason = "one source for both surfaces")]
#[path = "doubles.rs"]
mod doubles;

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

pub fn consume(orders: &FlowOrders) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(consumer::run(orders));
}

//! A consumer on the async surface.

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;

use super::orders::Orders;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;

async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

pub fn consume(orders: Orders) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(consumer::Consumer::new(orders).run());
}

//! A consumer on the blocking surface.

use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

use super::orders::Orders;

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;

fn pause(duration: std::time::Duration) {
    std::thread::sleep(duration);
}

pub fn consume(orders: Orders) {
    consumer::Consumer::new(orders).run();
}

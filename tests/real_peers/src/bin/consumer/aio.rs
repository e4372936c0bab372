//! The consumer on the async surface.

use std::sync::Arc;

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use tokio::runtime::Runtime;

use super::options::Options;
use super::teller::Teller;

#[allow(clippy::duplicate_mod, reason = "one set-up for both surfaces")]
#[path = "client.rs"]
mod client;

pub fn run(options: &Options, teller: &Arc<Teller>) {
    Runtime::new().expect("a runtime").block_on(receive(options, teller));
}

async fn receive(options: &Options, teller: &Arc<Teller>) {
    let client = client::client(options, teller);
    let teller = Arc::clone(teller);
    if options.expect.is_some() {
        let received = client.receive_batch(move |_, events| {
            teller.count(events.len());
            async { Ok(()) }
        });
        received.await.expect("a consumer that was stopped");
        return;
    }
    let received = client.receive(move |partition, event| {
        let is_due = teller.received(partition.partition_id(), &event);
        async move {
            if is_due {
                partition.update_checkpoint(&event);
            }
            Ok(())
        }
    });
    received.await.expect("a consumer that was stopped");
}

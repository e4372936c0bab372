//! The consumer on the blocking surface.

use std::sync::Arc;

use eventhub_checkpointstore::checkpointstoreblob as subject;

use super::options::Options;
use super::teller::Teller;

#[allow(clippy::duplicate_mod, reason = "one set-up for both surfaces")]
#[path = "client.rs"]
mod client;

pub fn run(options: &Options, teller: &Arc<Teller>) {
    let client = client::client(options, teller);
    let teller = Arc::clone(teller);
    if options.expect.is_some() {
        let received = client.receive_batch(move |_, events| {
            teller.count(events.len());
            Ok(())
        });
        received.expect("a consumer that was stopped");
        return;
    }
    let received = client.receive(move |partition, event| {
        if teller.received(partition.partition_id(), event) {
            partition.update_checkpoint(event);
        }
        Ok(())
    });
    received.expect("a consumer that was stopped");
}

//! An event hub in memory: what visitors of a web shop did on one morning.

use eventhub_checkpointstore::memory::EventHub;

/// `time,session,action,item,cents`, one event per line.
const CLICKSTREAM: &str = include_str!("../data/clickstream.csv");

/// All events of a session are in one partition, because the session is their key.
pub(crate) fn event_hub() -> EventHub {
    let hub = EventHub::named("webshop.servicebus.windows.net", "clickstream", 8);
    for line in CLICKSTREAM.lines().skip(1) {
        let session = line.split(',').nth(1).unwrap_or_default();
        hub.publish_by_key(session, line.to_owned());
    }
    hub
}

//! One suite for both surfaces: each root mounts it with its own `maybe_async`, `test` and `subject`.

mod faults;
mod malformed;
mod properties;
mod receiving;
mod tls;
mod websockets;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ProxyOptions;
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{OpenPartition, ReadEnd, ReceivedEvent};
use eventhubs_double::{Config, EventHubsDouble};
use tokio::runtime::{Builder, Runtime};

use super::subject::eventhubs::{EventHub, EventHubBuilder};
use super::subject::{self, EventSource, PartitionReader};
use super::{SURFACE, azure_credential, credential_of, in_parallel, maybe_async, pause, test};

const HUB: &str = "telemetry";
const NAMESPACE: &str = "double.servicebus.windows.net";

/// Long enough for two shared cores, short enough for a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The doubles live here, whatever the surface is.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// Waits for a future of the double, on a thread of its own: the caller may be in a runtime.
fn on_double<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(future)).join().unwrap())
}

pub fn config(partitions: usize) -> Config {
    Config::new(HUB, partitions).settle_delay(Duration::from_millis(1)).in_flight(100)
}

pub fn start(config: Config) -> Arc<EventHubsDouble> {
    Arc::new(on_double(EventHubsDouble::start(config)).unwrap())
}

/// With limits that a test can wait for, on a loaded machine.
fn builder(double: &EventHubsDouble) -> EventHubBuilder {
    let text = format!(
        "Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=listen;SharedAccessKey=secret;EntityPath={HUB}"
    );
    EventHub::builder_from_connection_string(&text, "$Default", None)
        .custom_endpoint(double.endpoint())
        // Not the caller's.
        .proxy(ProxyOptions::Disabled)
        .idle_timeout(Duration::from_secs(20))
}

pub fn hub(double: &EventHubsDouble) -> EventHub {
    builder(double).build().unwrap()
}

pub fn earliest(partition_id: &str) -> OpenPartition {
    OpenPartition::new(partition_id, StartingPosition::Earliest)
}

fn numbers(events: &[ReceivedEvent]) -> Vec<i64> {
    events.iter().map(ReceivedEvent::sequence_number).collect()
}

/// Receives until there are that many events.
#[maybe_async]
pub async fn receive(reader: &mut dyn PartitionReader, count: usize) -> Vec<ReceivedEvent> {
    let begun = Instant::now();
    let mut events = Vec::new();
    while events.len() < count {
        let room = count - events.len();
        let received = reader.receive(&mut events, room, Duration::from_millis(500)).await;
        received.unwrap_or_else(|end| panic!("the reader ended: {end}"));
        assert!(begun.elapsed() < PATIENCE, "{} of {count} events in time", events.len());
    }
    events
}

/// Receives until the reader ends.
#[maybe_async]
async fn end_of(reader: &mut dyn PartitionReader) -> ReadEnd {
    let begun = Instant::now();
    let mut events = Vec::new();
    while begun.elapsed() < PATIENCE {
        let received = reader.receive(&mut events, 100, Duration::from_millis(500)).await;
        if let Err(end) = received {
            return end;
        }
    }
    panic!("the reader did not end in time; it received {:?}", numbers(&events));
}

/// Why a partition cannot be read. Some peers refuse a link in the attach, others detach it then.
#[maybe_async]
async fn refusal(hub: &EventHub, request: OpenPartition) -> ReadEnd {
    match hub.open(request).await {
        Ok(mut reader) => end_of(&mut *reader).await,
        Err(error) => ReadEnd::Failed(error),
    }
}

/// Waits until the condition holds.
#[maybe_async]
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        pause(Duration::from_millis(10)).await;
    }
}

/// How many links were opened for each partition, and are open now.
fn attached(double: &EventHubsDouble) -> BTreeMap<String, usize> {
    let mut attached = BTreeMap::new();
    for receiver in double.receivers() {
        *attached.entry(receiver.partition_id).or_default() += 1;
    }
    attached
}

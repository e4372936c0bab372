//! A consumer that fails, retries, gives an event up and stops, on either surface.

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::adapters::metrics::ConsumerMetrics;
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::{
    HandlerError, ReadEnd, ReceivedEvent, RetryPolicy, StopHandle,
};
use eventhub_checkpointstore::{Error, ErrorKind};

use super::maybe_async;
use super::subject::{
    BlobCheckpointStore, DeadLetterSink, EventHubConsumerClient, PartitionContext, PartitionHandler,
};

struct Handler(StopHandle);

#[maybe_async]
impl PartitionHandler for Handler {
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        crate::telemetry::link_to_sender(&events[0]);
        tracing::info_span!("inner").in_scope(|| ());
        match (events[0].sequence_number(), partition.attempt()) {
            (1, 1) => Err("not now".into()),
            (2, _) => Err(HandlerError::dead_letter("never")),
            (4, _) => {
                self.0.stop();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

struct Sink;

#[maybe_async]
impl DeadLetterSink for Sink {
    async fn take(
        &self,
        _partition: &PartitionContext,
        _events: &[Arc<ReceivedEvent>],
        _error: &HandlerError,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Five events of partition 0, the first with its sender's trace.
#[maybe_async]
pub async fn consume(eventhub_name: &str) {
    let hub = EventHub::named("contoso.servicebus.windows.net", eventhub_name, 1);
    let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let first =
        ReceivedEvent::new(0, "a").with_property("traceparent", sent).with_message_id("m-0");
    hub.publish("0", first).unwrap();
    for body in ["b", "c", "d", "e"] {
        hub.publish("0", body).unwrap();
    }
    hub.fail_next_open("0", Error::new(ErrorKind::Network, "cut")).unwrap();
    let cut = ReadEnd::Failed(Error::new(ErrorKind::Network, "cut"));
    hub.fail_next_receive("0", cut).unwrap();
    let source = hub.consumer_group("$Default").unwrap();
    let metrics = ConsumerMetrics::new(source.group());
    let processor = EventHubConsumerClient::builder(source, BlobCheckpointStore::in_memory())
        .max_batch_size(1)
        .retry(RetryPolicy::default().with_initial(Duration::from_millis(1)))
        .dead_letter(Sink)
        .track_last_enqueued_event_properties(true)
        .observer(metrics)
        .build_processor()
        .unwrap();
    let stop = processor.stop_handle();
    let summary = processor.run(move |_| Handler(stop.clone())).await.unwrap();
    assert_eq!((summary.events, summary.dead_lettered, summary.checkpoints), (5, 1, 1));
}

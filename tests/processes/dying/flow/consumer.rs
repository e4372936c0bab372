//! A consumer as an application has one, until it is killed or told to stop.

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::Checkpoint;
use eventhub_checkpointstore::processing::{
    CheckpointOutcome, CheckpointPolicy, CloseReason, HandlerError, Observer, ReceivedEvent,
};

use super::super::ledger::{Ledger, What};
use super::super::orders::{FlowOrders, POLICY_EVENTS, stop_when_told};
use super::doubles::{Flow, Watched};
use super::maybe_async;
use super::subject::{
    BlobCheckpointStore, EventHubConsumerClient, PartitionContext, PartitionHandler,
};
use crate::dying::orders::ownership_options;

#[derive(Clone)]
struct Handler(Arc<Ledger>);

#[maybe_async]
impl PartitionHandler for Handler {
    async fn process(
        &self,
        partition: &PartitionContext,
        events: &[Arc<ReceivedEvent>],
    ) -> Result<(), HandlerError> {
        for event in events {
            self.0.note(What::Handled, partition.partition_id(), event.sequence_number());
        }
        Ok(())
    }

    async fn closing(&self, partition: &PartitionContext, reason: &CloseReason) {
        let is_lost = !matches!(reason, CloseReason::Stopped);
        self.0.note(What::Closed, partition.partition_id(), i64::from(is_lost));
    }
}

impl Observer for Handler {
    fn checkpoint(
        &self,
        checkpoint: &Checkpoint,
        _took: Duration,
        outcome: &CheckpointOutcome<'_>,
    ) {
        if matches!(outcome, CheckpointOutcome::Written) {
            let number = checkpoint.sequence_number().unwrap();
            self.0.note(What::Written, checkpoint.partition_id(), number);
        }
    }
}

#[maybe_async]
pub async fn run(orders: &FlowOrders) {
    let ledger = Arc::new(Ledger::open(&orders.folder, &orders.instance));
    let (text, container) = (&orders.connection_string, &orders.container);
    let store = BlobCheckpointStore::from_connection_string(text, container).unwrap().fenced();
    let store = Watched { store, ledger: Arc::clone(&ledger) };
    let source = Flow::new(orders, Arc::clone(&ledger));
    let handler = Handler(Arc::clone(&ledger));
    let processor = EventHubConsumerClient::builder(source, store)
        .owner_id(orders.instance.clone())
        .ownership_options(ownership_options())
        .checkpoint_policy(CheckpointPolicy::every(POLICY_EVENTS, Duration::from_millis(500)))
        .max_batch_size(10)
        .observer(handler.clone())
        .build_processor()
        .unwrap();
    stop_when_told(processor.stop_handle());
    let summary = processor.run(move |_| handler.clone()).await.unwrap();
    for partition_id in summary.unsaved.iter().chain(&summary.unfinished) {
        ledger.note(What::Unsaved, partition_id, 0);
    }
}

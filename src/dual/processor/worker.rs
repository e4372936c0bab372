//! Processes one partition from its opening to its end.

use std::sync::Arc;

use log::warn;

use super::flow::Flow;
use super::lanes::Lanes;
use super::run::Grain;
use super::{Job, LOG, OwnedPartition, PartitionHandler, maybe_async, workers};
use crate::processing::{Concurrency, guarded};

pub(super) struct Worker {
    pub(super) owned: OwnedPartition,
    pub(super) handler: Arc<dyn PartitionHandler>,
    pub(super) grain: Grain,
}

#[maybe_async]
impl Job for Worker {
    async fn run(self: Box<Self>) {
        let Self { mut owned, handler, grain } = *self;
        let partition = Arc::clone(owned.shared());
        let flow = Arc::new(Flow::new(&partition, handler));
        let settings = &partition.fleet().settings;
        if let Some(on_initialize) = &settings.on_initialize {
            guarded(LOG, "on_partition_initialize", || on_initialize(&flow.context));
        }
        if flow.open(&partition.bell).await {
            match settings.concurrency {
                Concurrency::InOrder => in_order(&mut owned, &flow, grain).await,
                concurrency => at_once(&mut owned, &flow, concurrency).await,
            }
        }
        let reason = partition.reason();
        if let Err(panic) = workers::closing(&*flow.handler, &flow.context, &reason).await {
            warn!(target: LOG, "partition {}: the handler panicked in `closing`: {panic}", partition.id());
        }
        if let Some(on_close) = &settings.on_close {
            guarded(LOG, "on_partition_close", || on_close(&flow.context, &reason));
        }
        owned.close().await;
    }
}

#[maybe_async]
async fn in_order(owned: &mut OwnedPartition, flow: &Flow, grain: Grain) {
    let partition = Arc::clone(owned.shared());
    let max = partition.fleet().settings.max_batch_size;
    while let Some(events) = owned.next_batch(max).await {
        let size = match grain {
            Grain::Event => 1,
            Grain::Batch => events.len().max(1),
        };
        // An empty batch means that no event arrived in time.
        if events.is_empty()
            && grain == Grain::Batch
            && !flow.deliver_until_done(&events, &partition.bell).await
        {
            return;
        }
        for some in events.chunks(size) {
            if !flow.deliver_until_done(some, &partition.bell).await {
                return;
            }
        }
        if let Some(slot) = partition.slot() {
            slot.batch_ended();
        }
    }
}

#[maybe_async]
async fn at_once(owned: &mut OwnedPartition, flow: &Arc<Flow>, concurrency: Concurrency) {
    let max = owned.shared().fleet().settings.max_batch_size;
    let lanes = Lanes::new(Arc::clone(flow), concurrency);
    while let Some(events) = owned.next_batch(max).await {
        for event in events {
            lanes.send(event);
        }
        if let Some(slot) = owned.shared().slot() {
            slot.batch_ended();
        }
    }
    lanes.close().await;
}

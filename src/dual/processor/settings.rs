//! The checked options of a consumer.

use std::sync::Arc;
use std::time::Duration;

use super::super::runtime::workers::Clock;
use super::{CheckpointStore, DeadLetterSink, EventSource, PartitionContext};
use crate::error::Error;
use crate::ownership::{OwnershipOptions, StartingPositions};
use crate::processing::{CheckpointPolicy, CloseReason, Concurrency, Observer, RetryPolicy};

type OnInitialize = Arc<dyn Fn(&PartitionContext) + Send + Sync>;
type OnClose = Arc<dyn Fn(&PartitionContext, &CloseReason) + Send + Sync>;
type OnError = Arc<dyn Fn(Option<&PartitionContext>, &Error) + Send + Sync>;

/// The source of events, and the store for checkpoints.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) store: Option<Arc<dyn CheckpointStore>>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) owner_id: String,
    pub(crate) ownership: OwnershipOptions,
    pub(crate) positions: StartingPositions,
    /// Reads only this partition, without load balancing.
    pub(crate) partition_id: Option<String>,
    pub(crate) fails_on_shared_owner_id: bool,
    pub(crate) owner_level: Option<i64>,
    pub(crate) prefetch: u32,
    pub(crate) max_batch_size: usize,
    pub(crate) max_wait_time: Option<Duration>,
    pub(crate) tracks_last_enqueued: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) policy: CheckpointPolicy,
    pub(crate) concurrency: Concurrency,
    pub(crate) max_in_flight: usize,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) stops_at_lost_position: bool,
    pub(crate) dead_letters: Option<Arc<dyn DeadLetterSink>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) on_initialize: Option<OnInitialize>,
    pub(crate) on_close: Option<OnClose>,
    pub(crate) on_error: Option<OnError>,
    pub(crate) clock: Clock,
}

impl Settings {
    pub(crate) fn new() -> Self {
        Self {
            owner_id: format!("consumer-{:032x}", fastrand::u128(..)),
            ownership: OwnershipOptions::default(),
            positions: StartingPositions::default(),
            partition_id: None,
            fails_on_shared_owner_id: false,
            owner_level: None,
            prefetch: 300,
            max_batch_size: 300,
            max_wait_time: None,
            tracks_last_enqueued: false,
            retry: RetryPolicy::default(),
            policy: CheckpointPolicy::default(),
            concurrency: Concurrency::default(),
            max_in_flight: 1_000,
            shutdown_timeout: Duration::from_secs(30),
            stops_at_lost_position: false,
            dead_letters: None,
            observers: Vec::new(),
            on_initialize: None,
            on_close: None,
            on_error: None,
            clock: Clock::default(),
        }
    }
}

//! The view of a partition that a handler gets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::partition::Partition;
use crate::model::ConsumerGroup;
use crate::processing::{LastEnqueued, ReceivedEvent};

/// A partition as its handler sees it. Cloning is cheap.
#[derive(Clone)]
pub struct PartitionContext {
    partition: Arc<Partition>,
    attempt: u32,
}

impl PartitionContext {
    pub(super) fn new(partition: &Arc<Partition>) -> Self {
        Self { partition: Arc::clone(partition), attempt: 1 }
    }

    pub(super) fn with_attempt(&self, attempt: u32) -> Self {
        Self { partition: Arc::clone(&self.partition), attempt }
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        self.partition.id()
    }

    /// Returns the namespace, event hub and consumer group.
    pub fn group(&self) -> &ConsumerGroup {
        self.partition.group()
    }

    /// Returns whether this consumer still owns the partition. Sends no request.
    pub fn is_owned(&self) -> bool {
        self.partition.is_owned()
    }

    /// Returns how long the partition has been open.
    pub fn owned_for(&self) -> Duration {
        self.partition.owned_for()
    }

    /// Returns the end of the partition as reported with the last event. `None` without
    /// `track_last_enqueued_event_properties`.
    pub fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.partition.last_enqueued()
    }

    /// Returns how many events of the partition are not done yet, whether received or not. `None` without
    /// `track_last_enqueued_event_properties`.
    pub fn lag(&self) -> Option<i64> {
        self.partition.lag()
    }

    /// Returns how often the handler has received these events, including this time.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Requests a checkpoint at an event, and returns at once.
    ///
    /// It is written as soon as this event and all events before it are done, so a handler may request it before it
    /// returns. Only consumers with the [`CheckpointPolicy`](crate::processing::CheckpointPolicy) `manual` need it. Without
    /// a checkpoint store, nothing happens.
    ///
    #[doc = example!("processor/update_checkpoint")]
    pub fn update_checkpoint(&self, event: &ReceivedEvent) {
        self.partition.request_checkpoint(event.sequence_number());
    }
}

impl fmt::Debug for PartitionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionContext")
            .field("partition_id", &self.partition_id())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

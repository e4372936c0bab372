//! Partitions to pull events from, with acknowledgements at any later time.

use std::fmt;
use std::sync::Arc;

use super::fleet::Fleet;
use super::{Origin, OwnedPartition, Settings, maybe_async};
use crate::error::Result;
use crate::processing::{StopHandle, Summary};

/// The partitions of a consumer as streams to pull events from, for programs with their own processing engine.
///
/// Balancing, links, resume positions and checkpoints work as in an [`EventProcessor`](super::EventProcessor); processing
/// is up to the program. Acknowledge events when they are done, in any order, from any thread.
///
#[cfg_attr(not(doctest), doc = example!("processor/partition_streams"))]
pub struct PartitionStreams {
    fleet: Arc<Fleet>,
    stop: StopHandle,
}

impl PartitionStreams {
    pub(crate) fn start(origin: Origin, settings: Settings, stop: StopHandle) -> Result<Self> {
        let fleet = Fleet::start(origin, settings, &stop)?;
        Ok(Self { fleet, stop })
    }

    /// Returns a handle that stops the consumer from anywhere: all batches and partitions end.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    pub(super) fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }
}

#[maybe_async]
impl PartitionStreams {
    /// Waits for the next partition to read. `None` after a stop.
    ///
    /// On the async surface, the future may be dropped at any point.
    ///
    #[cfg_attr(not(doctest), doc = example!("processor/partition_streams"))]
    ///
    /// # Errors
    ///
    /// The consumer cannot continue: a configuration error at the start, or a lost position, if that is configured to stop
    /// it. All other failures are retried.
    pub async fn next_partition(&mut self) -> Result<Option<OwnedPartition>> {
        match self.fleet.next().await {
            Some((partition, start)) => Ok(Some(OwnedPartition::new(partition, start))),
            None => self.fleet.take_fatal().map_or(Ok(None), Err),
        }
    }

    /// Stops, waits until all partitions are closed, and relinquishes them. Close the partitions that you hold first.
    ///
    /// # Errors
    ///
    /// As [`next_partition`](Self::next_partition).
    pub async fn close(self) -> Result<Summary> {
        self.stop.stop();
        let summary = self.fleet.finish().await;
        self.fleet.take_fatal().map_or(Ok(summary), Err)
    }
}

impl Drop for PartitionStreams {
    /// Without [`close`](Self::close), the ownerships are left to expire.
    fn drop(&mut self) {
        self.fleet.end();
    }
}

impl fmt::Debug for PartitionStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionStreams").field("stop", &self.stop).finish_non_exhaustive()
    }
}

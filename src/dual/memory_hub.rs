//! The event hub in memory as a source of this surface.

use std::sync::Arc;
use std::time::Duration;

use super::runtime::workers::{Bell, Clock};
use super::{EventSource, PartitionReader, maybe_async};
use crate::error::Result;
use crate::memory::{EventHubSource, Seat};
use crate::model::ConsumerGroup;
use crate::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};

struct Reader {
    seat: Seat,
    bell: Arc<Bell>,
    clock: Clock,
}

#[maybe_async]
impl EventSource for EventHubSource {
    fn group(&self) -> &ConsumerGroup {
        Self::group(self)
    }

    async fn properties(&self) -> Result<EventHubProperties> {
        self.read_properties()
    }

    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        self.read_partition(partition_id)
    }

    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>> {
        let clock = Clock::of_test(self.clock());
        let bell = Arc::new(Bell::new(&clock));
        let waker = Arc::clone(&bell);
        let seat = self.sit_down(&request, Arc::new(move || waker.ring()))?;
        Ok(Box::new(Reader { seat, bell, clock }))
    }
}

#[maybe_async]
impl PartitionReader for Reader {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd> {
        self.seat.take(events, max)?;
        if events.is_empty() && !wait.is_zero() {
            self.bell.wait(self.clock.now().checked_add(wait)).await;
            self.seat.take(events, max)?;
        }
        Ok(())
    }

    fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.seat.last_enqueued()
    }

    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        let bell = Arc::clone(&self.bell);
        Some(Arc::new(move || bell.ring()))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

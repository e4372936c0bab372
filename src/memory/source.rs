//! The readers of an event hub in memory. Each has a seat, which a reader with a higher owner level may take.

use std::sync::Arc;

use super::event_hub::{SeatState, State};
use super::{EventHub, TestClock};
use crate::error::Result;
use crate::model::ConsumerGroup;
use crate::processing::{
    EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};

/// An event hub in memory as a consumer group reads it. Implements `EventSource` of both surfaces.
#[derive(Debug, Clone)]
pub struct EventHubSource {
    hub: EventHub,
    group: ConsumerGroup,
}

impl EventHubSource {
    pub(super) fn new(hub: EventHub, group: ConsumerGroup) -> Self {
        Self { hub, group }
    }

    /// Returns the event hub.
    pub fn hub(&self) -> &EventHub {
        &self.hub
    }

    /// Returns the namespace, event hub and consumer group, as in checkpoints.
    pub fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    pub(crate) fn clock(&self) -> Option<&TestClock> {
        self.hub.0.clock.as_ref()
    }

    pub(crate) fn read_properties(&self) -> Result<EventHubProperties> {
        let ids = self.hub.partition_ids();
        if let Some(fault) = self.hub.lock().properties_fault.take() {
            return Err(fault);
        }
        Ok(EventHubProperties::new(&*self.hub.0.name, self.hub.0.created_at, ids))
    }

    pub(crate) fn read_partition(&self, partition_id: &str) -> Result<PartitionProperties> {
        let now = self.hub.now();
        let mut state = self.hub.lock();
        let index = state.index(partition_id)?;
        state.expire(index, now);
        let partition = &state.partitions[index];
        let last = partition.last_enqueued();
        let last = last.unwrap_or_else(|| LastEnqueued::new(-1, None, self.hub.0.created_at));
        let (first, is_empty) = (partition.first(), partition.events.is_empty());
        Ok(PartitionProperties::new(partition_id, first, last, is_empty))
    }

    /// A separate link, which a reader with a higher owner level may end.
    pub(crate) fn sit_down(
        &self,
        request: &OpenPartition,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Seat> {
        let now = self.hub.now();
        let mut state = self.hub.lock();
        let index = state.index(&request.partition_id)?;
        if let Some(fault) = state.partitions[index].open_faults.pop_front() {
            return Err(fault);
        }
        state.expire(index, now);
        let next = state.partitions[index].resolve(&request.position)?;
        let group = self.group.consumer_group().to_owned();
        let end = state.make_way(index, &group, request.owner_level);
        let end = end.or_else(|| state.partitions[index].check(next));
        let id = state.next_seat;
        state.next_seat += 1;
        let owner_level = request.owner_level;
        state.seats.insert(id, SeatState { group, partition: index, owner_level, next, end, wake });
        drop(state);
        let tracks = request.track_last_enqueued;
        Ok(Seat { hub: self.hub.clone(), id, partition: index, tracks, last: None })
    }
}

/// The link of one reader, which ends when this is dropped.
pub(crate) struct Seat {
    hub: EventHub,
    id: u64,
    partition: usize,
    tracks: bool,
    last: Option<LastEnqueued>,
}

impl Seat {
    /// Returns the available events. If there are none, the reader waits until it is woken.
    pub(crate) fn take(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
    ) -> Result<(), ReadEnd> {
        let now = self.hub.now();
        let mut state = self.hub.lock();
        state.expire(self.partition, now);
        let State { partitions, seats, .. } = &mut *state;
        let Some(seat) = seats.get_mut(&self.id) else { return Err(ReadEnd::Closed) };
        if let Some(end) = seat.end.take() {
            seats.remove(&self.id);
            return Err(end);
        }
        let partition = &mut partitions[self.partition];
        if let Some(fault) = partition.receive_faults.pop_front() {
            seats.remove(&self.id);
            return Err(fault);
        }
        let first = partition.first();
        let skip = usize::try_from(seat.next.saturating_sub(first)).unwrap_or_default();
        let found = partition.events.iter().skip(skip).take(max);
        events.extend(found.map(|event| ReceivedEvent::clone(event)));
        if let Some(last) = events.last() {
            seat.next = last.sequence_number() + 1;
            if self.tracks {
                self.last = partition.last_enqueued();
            }
        }
        Ok(())
    }

    pub(crate) fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.last.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.lock().seats.remove(&self.id);
    }
}

//! An event hub in memory, with retention, owner levels, and faults on request.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{EventHubSource, IntoEvent, TestClock};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ConsumerGroup;
use crate::ownership::StartingPosition;
use crate::processing::{LastEnqueued, ReadEnd, ReceivedEvent, lane_of};

/// The distance between offsets, so that an offset is not mistaken for a sequence number.
const OFFSET_STEP: i64 = 48;

/// An event hub in memory, for tests and demonstrations without Azure.
///
/// Clones share the events, even across the blocking and the async surface. Consumers read it through
/// [`consumer_group`](Self::consumer_group). Retention, owner levels and resume positions work as in Event Hubs, and tests
/// can inject faults.
///
/// ```
/// use eventhub_checkpointstore::memory::EventHub;
///
/// let hub = EventHub::new(4);
/// let number = hub.publish("0", "21.5")?;
/// assert_eq!(number, 0);
/// hub.publish_by_key("sensor-7", "22.0");
/// assert_eq!(hub.len(), 2);
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Clone)]
pub struct EventHub(pub(super) Arc<Inner>);

pub(super) struct Inner {
    namespace: String,
    pub(super) name: String,
    pub(super) clock: Option<TestClock>,
    pub(super) created_at: SystemTime,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// The time that tests have added.
    advance: Duration,
    retention: Option<Duration>,
    pub(super) partitions: Vec<Partition>,
    pub(super) next_seat: u64,
    pub(super) seats: HashMap<u64, SeatState>,
    pub(super) properties_fault: Option<Error>,
}

#[derive(Default)]
pub(super) struct Partition {
    next: i64,
    pub(super) events: VecDeque<Arc<ReceivedEvent>>,
    pub(super) receive_faults: VecDeque<ReadEnd>,
    pub(super) open_faults: VecDeque<Error>,
}

/// The link of a reader.
pub(super) struct SeatState {
    pub(super) group: String,
    pub(super) partition: usize,
    pub(super) owner_level: Option<i64>,
    pub(super) next: i64,
    pub(super) end: Option<ReadEnd>,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

impl EventHub {
    /// Creates an event hub with this many partitions (at least one), named `"0"`, `"1"` and so on, in the namespace
    /// `memory.servicebus.windows.net`.
    ///
    #[doc = shared_example!("memory/event_hub")]
    pub fn new(partitions: usize) -> Self {
        Self::named("memory.servicebus.windows.net", "events", partitions)
    }

    /// Creates an event hub with a namespace and a name, which appear in checkpoints.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/event_hub"))]
    pub fn named(
        fully_qualified_namespace: impl Into<String>,
        eventhub_name: impl Into<String>,
        partitions: usize,
    ) -> Self {
        Self::build(fully_qualified_namespace.into(), eventhub_name.into(), partitions, None)
    }

    /// Creates an event hub that uses a test's clock for its time, and for its readers on the blocking surface.
    ///
    #[doc = shared_example!("memory/with_clock")]
    pub fn with_clock(partitions: usize, clock: &TestClock) -> Self {
        let (namespace, name) = ("memory.servicebus.windows.net".into(), "events".into());
        Self::build(namespace, name, partitions, Some(clock.clone()))
    }

    fn build(namespace: String, name: String, partitions: usize, clock: Option<TestClock>) -> Self {
        let created_at = clock.as_ref().map_or_else(SystemTime::now, TestClock::system_time);
        let mut state = State::default();
        state.partitions.resize_with(partitions.max(1), Partition::default);
        Self(Arc::new(Inner { namespace, name, clock, created_at, state: Mutex::new(state) }))
    }

    /// Returns the event hub as a consumer group reads it: an `EventSource` of both surfaces.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/event_hub"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if a name cannot be stored, as in [`ConsumerGroup::new`].
    pub fn consumer_group(&self, name: &str) -> Result<EventHubSource> {
        let group = ConsumerGroup::new(&*self.0.namespace, &*self.0.name, name)?;
        Ok(EventHubSource::new(self.clone(), group))
    }

    /// Returns the ids of the partitions.
    pub fn partition_ids(&self) -> Vec<String> {
        (0..self.lock().partitions.len()).map(|id| id.to_string()).collect()
    }

    /// Adds an event to a partition and returns its sequence number. The event hub sets its number, offset and time.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/event_hub"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn publish(&self, partition_id: &str, event: impl IntoEvent) -> Result<i64> {
        let now = self.now();
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        Ok(state.publish(index, event.into_event(), now))
    }

    /// Adds an event with a partition key, which determines the partition.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/event_hub"))]
    pub fn publish_by_key(&self, key: &str, event: impl IntoEvent) -> i64 {
        let now = self.now();
        let mut state = self.lock();
        let index = lane_of(Some(key), state.partitions.len());
        state.publish(index, event.into_event().with_partition_key(key), now)
    }

    /// Returns the number of retained events in all partitions.
    pub fn len(&self) -> usize {
        self.lock().partitions.iter().map(|partition| partition.events.len()).sum()
    }

    /// Returns whether no event is retained.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets the retention. Default: forever.
    ///
    #[doc = shared_example!("memory/retention")]
    pub fn expire_after(&self, retention: Duration) {
        self.lock().retention = Some(retention);
    }

    /// Advances the time of the event hub, for retention and enqueued times.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/retention"))]
    pub fn advance(&self, duration: Duration) {
        self.lock().advance += duration;
    }

    /// Returns the time of the event hub.
    pub fn now(&self) -> SystemTime {
        let now = self.0.clock.as_ref().map_or_else(SystemTime::now, TestClock::system_time);
        now + self.lock().advance
    }

    /// Removes the events of a partition below a sequence number, as retention does.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/retention"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn expire_until(&self, partition_id: &str, sequence_number: i64) -> Result<()> {
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        let events = &mut state.partitions[index].events;
        while events.front().is_some_and(|event| event.sequence_number() < sequence_number) {
            events.pop_front();
        }
        Ok(())
    }

    /// Replaces a partition with an empty one whose sequence numbers start again at 0, as when an event hub is deleted and
    /// created again. Its readers lose their position.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/retention"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn recreate(&self, partition_id: &str) -> Result<()> {
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        let partition = &mut state.partitions[index];
        (partition.next, partition.events) = (0, VecDeque::new());
        let end = || ReadEnd::PositionLost("the partition was created again".to_owned());
        state.end_seats(|seat| seat.partition == index, end);
        Ok(())
    }

    /// Disconnects all readers of a partition, as a reader with a higher owner level does.
    ///
    #[doc = shared_example!("memory/faults")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn steal(&self, partition_id: &str) -> Result<()> {
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        state.displace(|seat| seat.partition == index, "stolen by a test");
        Ok(())
    }

    /// Makes the next `receive` of a partition fail.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/faults"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn fail_next_receive(&self, partition_id: &str, end: ReadEnd) -> Result<()> {
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        state.partitions[index].receive_faults.push_back(end);
        state.wake(index);
        Ok(())
    }

    /// Makes the next `open` of a partition fail.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/faults"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if there is no such partition.
    pub fn fail_next_open(&self, partition_id: &str, error: Error) -> Result<()> {
        let mut state = self.lock();
        let index = state.index(partition_id)?;
        state.partitions[index].open_faults.push_back(error);
        Ok(())
    }

    /// Makes the next request for the properties of the event hub fail.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/faults"))]
    pub fn fail_next_properties(&self, error: Error) {
        self.lock().properties_fault = Some(error);
    }

    /// Returns the number of readers of a partition in all consumer groups.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("memory/faults"))]
    pub fn readers(&self, partition_id: &str) -> usize {
        let state = self.lock();
        let index = state.index(partition_id).ok();
        let reads = |seat: &&SeatState| seat.end.is_none() && Some(seat.partition) == index;
        state.seats.values().filter(reads).count()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.lock().partitions.len();
        f.debug_struct("EventHub")
            .field("name", &self.0.name)
            .field("partitions", &partitions)
            .finish_non_exhaustive()
    }
}

impl Partition {
    pub(super) fn first(&self) -> i64 {
        self.events.front().map_or(self.next, |event| event.sequence_number())
    }

    /// Returns why a reader cannot begin at this number, if it cannot.
    pub(super) fn check(&self, first: i64) -> Option<ReadEnd> {
        (first > self.next).then(|| {
            let last = self.next - 1;
            let text = format!("the position is invalid: the last sequence number is {last}");
            ReadEnd::PositionLost(text)
        })
    }

    pub(super) fn last_enqueued(&self) -> Option<LastEnqueued> {
        let last = self.events.back()?;
        let offset = last.offset().map(str::to_owned);
        Some(LastEnqueued::new(last.sequence_number(), offset, last.enqueued_time()))
    }

    /// Returns the first sequence number for a reader. As in the service, an expired position means the first retained
    /// event, and a position beyond the end does not exist.
    pub(super) fn resolve(&self, position: &StartingPosition) -> Result<i64> {
        let after = |number: i64, inclusive: bool| if inclusive { number } else { number + 1 };
        Ok(match position {
            StartingPosition::Latest => self.next,
            StartingPosition::SequenceNumber { sequence_number, inclusive } => {
                after(*sequence_number, *inclusive)
            }
            StartingPosition::Offset { offset, inclusive } => {
                let bad = |_| {
                    let text =
                        format!("offset {offset:?}: the offsets of this event hub are numbers");
                    Error::new(ErrorKind::InvalidInput, text)
                };
                after(offset.parse::<i64>().map_err(bad)? / OFFSET_STEP, *inclusive)
            }
            StartingPosition::EnqueuedTime { enqueued_time, inclusive } => {
                let is_before = |event: &&Arc<ReceivedEvent>| {
                    event.enqueued_time() < *enqueued_time
                        || (!inclusive && event.enqueued_time() == *enqueued_time)
                };
                let before = self.events.iter().take_while(is_before).count();
                self.events.get(before).map_or(self.next, |event| event.sequence_number())
            }
            _ => self.first(),
        })
    }
}

impl State {
    pub(super) fn index(&self, partition_id: &str) -> Result<usize> {
        let index = partition_id.parse::<usize>().ok();
        index.filter(|index| *index < self.partitions.len()).ok_or_else(|| {
            let last = self.partitions.len() - 1;
            let text = format!(
                "partition {partition_id:?}: this event hub has the partitions 0 to {last}"
            );
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    fn publish(&mut self, index: usize, event: ReceivedEvent, now: SystemTime) -> i64 {
        let partition = &mut self.partitions[index];
        let number = partition.next;
        partition.next += 1;
        let event = event.at(number, (number * OFFSET_STEP).to_string(), now);
        partition.events.push_back(Arc::new(event));
        self.wake(index);
        number
    }

    pub(super) fn expire(&mut self, index: usize, now: SystemTime) {
        let Some(oldest) = self.retention.and_then(|retention| now.checked_sub(retention)) else {
            return;
        };
        let events = &mut self.partitions[index].events;
        while events.front().is_some_and(|event| event.enqueued_time() < oldest) {
            events.pop_front();
        }
    }

    fn wake(&self, index: usize) {
        self.seats.values().filter(|seat| seat.partition == index).for_each(|seat| (seat.wake)());
    }

    fn displace(&mut self, which: impl Fn(&SeatState) -> bool, reason: &str) {
        self.end_seats(which, || ReadEnd::Displaced(reason.to_owned()));
    }

    fn end_seats(&mut self, which: impl Fn(&SeatState) -> bool, end: impl Fn() -> ReadEnd) {
        for seat in self.seats.values_mut().filter(|seat| which(seat)) {
            seat.end.get_or_insert_with(&end);
            (seat.wake)();
        }
    }

    /// A reader with an owner level disconnects readers without one, and readers whose level is not higher. Returns why the
    /// new reader must leave at once, if it must.
    pub(super) fn make_way(
        &mut self,
        index: usize,
        group: &str,
        level: Option<i64>,
    ) -> Option<ReadEnd> {
        let beside =
            |seat: &SeatState| seat.partition == index && seat.group == group && seat.end.is_none();
        let others = self.seats.values().filter(|seat| beside(seat));
        let highest = others.filter_map(|seat| seat.owner_level).max();
        if highest > level {
            let text = format!("a reader has the owner level {}", highest.unwrap_or_default());
            return Some(ReadEnd::Displaced(text));
        }
        if let Some(level) = level {
            self.displace(beside, &format!("a reader with the owner level {level} connected"));
        }
        None
    }
}

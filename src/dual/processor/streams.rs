//! Partitions to pull events from, with acknowledgements at any later time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::fleet::{Fleet, Start};
use super::partition::Partition;
use super::workers::{RECEIVES_CAN_BE_DROPPED, receive, take_turns};
use super::{EventSource, LOG, Origin, PartitionContext, PartitionReader, Settings, maybe_async};
use crate::error::{Error, Result};
use crate::ownership::StartingPosition;
use crate::processing::{
    CloseReason, LeaveCause, OpenPartition, Phase, ReadEnd, ReceivedEvent, Span, StopHandle,
    Summary,
};

/// The wait of a receive that can be interrupted.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// The wait of a receive that cannot be interrupted.
const SHORT_WAIT: Duration = Duration::from_millis(250);

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

/// A partition that this consumer reads.
///
/// Call [`close`](Self::close) when it ends, to store the last checkpoint. If it is dropped instead, the events that were
/// acknowledged since the last checkpoint are delivered again.
pub struct OwnedPartition {
    partition: Arc<Partition>,
    reader: Option<Box<dyn PartitionReader>>,
    resume: StartingPosition,
    sequence_number: Option<i64>,
    buffer: Vec<ReceivedEvent>,
    failures: u32,
    /// After a failed open or link.
    wait_until: Option<Instant>,
    is_announced: bool,
    is_closed: bool,
}

impl OwnedPartition {
    fn new(partition: Arc<Partition>, start: Start) -> Self {
        Self {
            partition,
            reader: None,
            resume: start.position,
            sequence_number: start.sequence_number,
            buffer: Vec::new(),
            failures: 0,
            wait_until: None,
            is_announced: false,
            is_closed: false,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        self.partition.id()
    }

    /// Returns the view of the partition that a handler would get.
    pub fn context(&self) -> PartitionContext {
        PartitionContext::new(&self.partition)
    }

    /// Returns whether this consumer still owns the partition. Sends no request.
    pub fn is_owned(&self) -> bool {
        self.partition.is_owned()
    }

    /// Returns a handle for acknowledgements from any thread or task.
    pub fn acknowledger(&self) -> Acknowledger {
        Acknowledger(Arc::clone(&self.partition))
    }

    fn fleet(&self) -> &Arc<Fleet> {
        self.partition.fleet()
    }

    /// Returns the new events in the buffer.
    fn take_buffer(&mut self) -> Vec<Arc<ReceivedEvent>> {
        let Some(last) = self.buffer.last() else { return Vec::new() };
        let number = last.sequence_number();
        self.resume = match last.offset() {
            Some(offset) => {
                StartingPosition::Offset { offset: offset.to_owned(), inclusive: false }
            }
            None => StartingPosition::SequenceNumber { sequence_number: number, inclusive: false },
        };
        (self.sequence_number, self.failures) = (Some(number), 0);
        let events = self.partition.note_received(self.buffer.drain(..));
        if let Some(last) = self.reader.as_ref().and_then(PartitionReader::last_enqueued) {
            self.partition.set_last_enqueued(last);
        }
        let observers = &self.fleet().observers;
        if !observers.is_empty() {
            observers.tell(LOG, |observer| observer.received(self.partition.id(), events.len()));
        }
        events
    }

    /// Opens the link again after a pause, after the last received event.
    fn retry_later(&mut self) {
        self.reader = None;
        self.partition.set_interrupter(None);
        self.partition.link_ended();
        self.failures = self.failures.saturating_add(1);
        let fleet = self.fleet();
        let pause = fleet.settings.retry.pause(self.failures, fastrand::u64(..));
        self.wait_until = fleet.clock.now().checked_add(pause);
    }

    fn ended(&mut self, end: ReadEnd) {
        match end {
            ReadEnd::Displaced(reason) => {
                warn!(target: LOG, "partition {}: {reason}", self.partition.id());
                self.partition.leave(LeaveCause::Displaced);
            }
            ReadEnd::PositionLost(reason) if !self.fleet().settings.stops_at_lost_position => {
                let id = self.partition.id();
                warn!(target: LOG, "partition {id}: {reason}; reading continues at the earliest event");
                (self.resume, self.sequence_number) = (StartingPosition::Earliest, None);
                self.retry_later();
            }
            ReadEnd::PositionLost(reason) => {
                let text = format!(
                    "partition {}: the position no longer exists: {reason}",
                    self.partition.id()
                );
                self.partition.source_ended(ReadEnd::PositionLost(reason));
                self.fleet().fail(Error::new(crate::ErrorKind::InvalidData, text));
            }
            ReadEnd::Failed(error) => {
                self.fleet().report(Some(&self.partition), &error);
                self.retry_later();
            }
            end => self.partition.source_ended(end),
        }
    }

    fn request(&self) -> OpenPartition {
        let settings = &self.fleet().settings;
        OpenPartition::new(self.partition.id(), self.resume.clone())
            .with_sequence_number(self.sequence_number)
            .with_owner_level(settings.owner_level)
            .with_prefetch(settings.prefetch)
            .with_track_last_enqueued(settings.tracks_last_enqueued)
    }

    fn finish(&mut self, is_saved: bool) -> CloseReason {
        let reason = self.partition.reason();
        self.partition.close();
        if !std::mem::replace(&mut self.is_closed, true) {
            let id = self.partition.id();
            if self.is_announced {
                self.fleet().observers.tell(LOG, |observer| observer.closed(id, &reason));
            }
            debug!(target: LOG, "partition {id}: closed, {reason}");
            self.fleet().closed(id, &reason, is_saved);
        }
        reason
    }
}

#[maybe_async]
impl OwnedPartition {
    /// Waits for events, and returns at most `max`. `None` if you have to [close](Self::close) the partition: after a loss,
    /// a stop, or the end of the source.
    ///
    /// Broken links are opened again after the last event. It waits while `max_in_flight` events are not acknowledged. With
    /// a `max_wait_time`, the batch is empty if no event arrived in time. On the async surface, the future may be dropped
    /// at any point; no event is lost.
    ///
    #[cfg_attr(not(doctest), doc = example!("processor/partition_streams"))]
    pub async fn next_batch(&mut self, max: usize) -> Option<Vec<Arc<ReceivedEvent>>> {
        let clock = self.fleet().clock.clone();
        let max_wait = self.fleet().settings.max_wait_time;
        let until = max_wait.and_then(|wait| clock.now().checked_add(wait));
        take_turns().await;
        loop {
            // Events left over from a call that was dropped.
            let events = self.take_buffer();
            if !events.is_empty() {
                return Some(events);
            }
            if !self.partition.may_handle() {
                return None;
            }
            let now = clock.now();
            if until.is_some_and(|until| until <= now) {
                return Some(Vec::new());
            }
            if self.reader.is_none() && !self.open().await {
                continue;
            }
            let room = self.partition.room().min(max.max(1));
            let limit = until
                .map_or(LONG_WAIT, |until| until.saturating_duration_since(now).min(LONG_WAIT));
            if room == 0 {
                self.partition.bell.wait(clock.now().checked_add(limit)).await;
                continue;
            }
            let Some(reader) = &mut self.reader else { continue };
            let can_end = RECEIVES_CAN_BE_DROPPED || reader.interrupter().is_some();
            let wait = if can_end { limit } else { limit.min(SHORT_WAIT) };
            let bell = &self.partition.bell;
            let span = Span::receive(self.partition.group(), self.partition.id());
            let received = receive(&mut **reader, &mut self.buffer, room, wait, bell, &span).await;
            span.received(self.buffer.len());
            if let Some(Err(end)) = received {
                self.ended(end);
            }
        }
    }

    /// Opens the link. Returns `false` if there is none yet.
    async fn open(&mut self) -> bool {
        let clock = self.fleet().clock.clone();
        if let Some(until) = self.wait_until.filter(|until| *until > clock.now()) {
            self.partition.bell.wait(Some(until)).await;
            return false;
        }
        let source: Arc<dyn EventSource> = Arc::clone(&self.fleet().source);
        match source.open(self.request()).await {
            Ok(reader) => {
                self.partition.set_interrupter(reader.interrupter());
                self.reader = Some(reader);
                self.partition.opened();
                if !std::mem::replace(&mut self.is_announced, true) {
                    let id = self.partition.id();
                    debug!(target: LOG, "partition {id}: opened");
                    self.fleet().observers.tell(LOG, |observer| observer.opened(id));
                }
                true
            }
            Err(error) => {
                self.fleet().report(Some(&self.partition), &error);
                self.retry_later();
                false
            }
        }
    }

    /// Stores the last checkpoint if the partition is still owned, and closes the link.
    ///
    #[cfg_attr(not(doctest), doc = example!("processor/partition_streams"))]
    pub async fn close(mut self) -> CloseReason {
        self.partition.leave(LeaveCause::Stop);
        let is_saved = match self.partition.slot() {
            Some(slot) if self.partition.may_save() => {
                slot.settle(self.fleet().close_deadline()).await
            }
            _ => true,
        };
        if let Some(reader) = self.reader.take()
            && let Err(error) = reader.close().await
        {
            debug!(target: LOG, "partition {}: {error}", self.partition.id());
        }
        self.finish(is_saved)
    }
}

impl Drop for OwnedPartition {
    fn drop(&mut self) {
        self.partition.leave(LeaveCause::Stop);
        self.reader = None;
        self.finish(true);
    }
}

impl fmt::Debug for OwnedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase: Phase = self.partition.phase();
        f.debug_struct("OwnedPartition")
            .field("partition_id", &self.partition_id())
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

/// Acknowledges the events of a partition. Cloning is cheap.
#[derive(Clone)]
pub struct Acknowledger(Arc<Partition>);

impl Acknowledger {
    /// Marks these events as done, in any order. Has no effect after a loss.
    ///
    #[cfg_attr(not(doctest), doc = example!("processor/partition_streams"))]
    pub fn acknowledge<'a, E>(&self, events: impl IntoIterator<Item = &'a E>)
    where
        E: AsRef<ReceivedEvent> + 'a,
    {
        let mut count = 0;
        self.0.acknowledge(events.into_iter().map(|event| {
            count += 1;
            event.as_ref().sequence_number()
        }));
        let events = &self.0.fleet().events;
        events.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// Returns whether this consumer still owns the partition.
    pub fn is_owned(&self) -> bool {
        self.0.is_owned()
    }
}

impl fmt::Debug for Acknowledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledger").field("partition_id", &self.0.id()).finish()
    }
}

//! A partition that a consumer reads: its link, the batches, and its end.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::fleet::{Fleet, Start};
use super::partition::Partition;
use super::workers::{self, RECEIVES_CAN_BE_DROPPED, receive, take_turns};
use super::{EventSource, LOG, PartitionContext, PartitionReader, maybe_async};
use crate::error::{Error, ErrorKind};
use crate::ownership::StartingPosition;
use crate::processing::{
    CloseReason, LeaveCause, OpenPartition, Phase, ReadEnd, ReceivedEvent, Span,
};

/// The wait of a receive that can be interrupted.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// The wait of a receive that cannot be interrupted.
const SHORT_WAIT: Duration = Duration::from_millis(250);
/// The number of attempts to find out whether sequence numbers have restarted.
const MAX_ATTEMPTS: u32 = 5;

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
    /// How the link ended, after the events in the buffer.
    end: Option<ReadEnd>,
    failures: u32,
    /// After a failed open or link.
    wait_until: Option<Instant>,
    is_announced: bool,
    is_closed: bool,
    /// Where a new reader begins, if this one ends because the sequence numbers restarted.
    restart: Option<Start>,
}

impl OwnedPartition {
    pub(super) fn new(partition: Arc<Partition>, start: Start) -> Self {
        Self {
            partition,
            reader: None,
            resume: start.position,
            sequence_number: start.sequence_number,
            buffer: Vec::new(),
            end: None,
            failures: 0,
            wait_until: None,
            is_announced: false,
            is_closed: false,
            restart: None,
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

    /// Returns new events from the buffer, at most `max`. The others stay there until there is room for them.
    fn take_buffer(&mut self, max: usize) -> Vec<Arc<ReceivedEvent>> {
        loop {
            let count = self.partition.room().min(max).min(self.buffer.len());
            if count == 0 {
                return Vec::new();
            }
            let events = self.take(count);
            if !events.is_empty() {
                return events;
            }
        }
    }

    /// Takes this many events out of the buffer, and returns those that are new.
    fn take(&mut self, count: usize) -> Vec<Arc<ReceivedEvent>> {
        let Some(last) = self.buffer.get(count - 1) else { return Vec::new() };
        let number = last.sequence_number();
        self.resume = match last.offset() {
            Some(offset) => {
                StartingPosition::Offset { offset: offset.to_owned(), inclusive: false }
            }
            None => StartingPosition::SequenceNumber { sequence_number: number, inclusive: false },
        };
        (self.sequence_number, self.failures) = (Some(number), 0);
        let events = self.partition.note_received(self.buffer.drain(..count));
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
        self.pause_before_retry();
    }

    fn pause_before_retry(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let fleet = self.fleet();
        let pause = fleet.settings.retry.pause(self.failures, fastrand::u64(..));
        self.wait_until = fleet.clock.now().checked_add(pause);
    }

    /// Returns whether reading continues although the position no longer exists.
    fn is_position_lost(&self) -> bool {
        matches!(self.end, Some(ReadEnd::PositionLost(_)))
            && !self.fleet().settings.stops_at_lost_position
    }

    fn ended(&mut self, end: ReadEnd, restarts: bool) {
        match end {
            ReadEnd::Displaced(reason) => {
                let id = self.partition.id();
                if self.fleet().manager.is_some() {
                    warn!(target: LOG, "partition {id}: another reader took it: {reason}");
                } else {
                    // Nothing else tells that this consumer does not read it any more.
                    let text = format!("partition {id} is no longer read: {reason}");
                    let error = Error::new(ErrorKind::Rejected, text);
                    self.fleet().report(Some(&self.partition), &error);
                }
                self.partition.leave(LeaveCause::Displaced);
            }
            ReadEnd::PositionLost(reason) if restarts => self.restart(reason),
            ReadEnd::PositionLost(reason) if !self.fleet().settings.stops_at_lost_position => {
                let id = self.partition.id();
                warn!(target: LOG, "partition {id}: the position no longer exists: {reason}; reading continues at the earliest event");
                (self.resume, self.sequence_number) = (StartingPosition::Earliest, None);
                self.retry_later();
            }
            ReadEnd::PositionLost(reason) => {
                let text = format!(
                    "partition {}: the position no longer exists: {reason}",
                    self.partition.id()
                );
                self.partition.source_ended(ReadEnd::PositionLost(reason));
                self.fleet().fail(Error::new(ErrorKind::InvalidData, text));
            }
            ReadEnd::Failed(error) => self.failed(error),
            end => self.partition.source_ended(end),
        }
    }

    /// The link could not be opened, or broke.
    fn failed(&mut self, error: Error) {
        if self.fleet().is_fatal_at_start(&error) {
            self.partition.leave(LeaveCause::Stop);
            self.fleet().fail(error);
        } else {
            self.fleet().report(Some(&self.partition), &error);
            self.retry_later();
        }
    }

    /// Begins again with a new reader, tracker and handler: to the present ones, the events would not be new.
    fn restart(&mut self, reason: String) {
        let id = self.partition.id();
        warn!(target: LOG, "partition {id}: {reason}; its sequence numbers have restarted, so all of its events are read");
        self.restart = Some(Start {
            partition_id: id.to_owned(),
            position: StartingPosition::Earliest,
            sequence_number: None,
        });
        self.partition.source_ended(ReadEnd::PositionLost(reason));
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
        if !std::mem::replace(&mut self.is_closed, true) {
            self.partition.close();
            let id = self.partition.id();
            if self.is_announced {
                self.fleet().observers.tell(LOG, |observer| observer.closed(id, &reason));
            }
            debug!(target: LOG, "partition {id}: closed, {reason}");
            let restart = self.restart.take();
            self.fleet().closed(id, &reason, is_saved, restart);
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
        take_turns().await;
        let until = max_wait.and_then(|wait| clock.now().checked_add(wait));
        let mut has_tried = false;
        loop {
            // Events left over from a call that was dropped, or for which there was no room.
            let events = self.take_buffer(max.max(1));
            if !events.is_empty() {
                return Some(events);
            }
            if !self.partition.may_handle() {
                return None;
            }
            // However short the wait is, what has arrived is delivered.
            if has_tried && until.is_some_and(|until| until <= clock.now()) {
                return Some(Vec::new());
            }
            has_tried = true;
            if self.buffer.is_empty() && self.end.is_some() {
                // Until it is known, the end stays, because the future may be dropped.
                if let Some(restarts) = self.restarts(until).await
                    && let Some(end) = self.end.take()
                {
                    self.ended(end, restarts);
                }
                continue;
            }
            if self.reader.is_none() && !self.open(until).await {
                continue;
            }
            let room = self.partition.room().min(max.max(1));
            let now = clock.now();
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
            match received {
                // Events that came with it are still delivered, except to a reader that was displaced.
                Some(Err(end)) if !matches!(end, ReadEnd::Displaced(_)) => self.end = Some(end),
                Some(Err(end)) => self.ended(end, false),
                Some(Ok(())) => self.fleet().note_received(),
                None => {}
            }
        }
    }

    /// After a lost position, returns whether the partition has events that are new although their numbers are not, because
    /// the event hub was recreated. `None` if that is not known yet.
    async fn restarts(&mut self, limit: Option<Instant>) -> Option<bool> {
        let is_lost = self.is_position_lost();
        let Some(last) = self.partition.last_received().filter(|_| is_lost) else {
            return Some(false);
        };
        if self.pauses(limit).await {
            return None;
        }
        let source: Arc<dyn EventSource> = Arc::clone(&self.fleet().source);
        match source.partition_properties(self.partition.id()).await {
            Ok(properties) => Some(properties.last_enqueued.sequence_number < last),
            Err(error) => {
                self.fleet().report(Some(&self.partition), &error);
                self.pause_before_retry();
                // Events may then be repeated, but none is skipped.
                (self.failures >= MAX_ATTEMPTS).then_some(true)
            }
        }
    }

    /// Waits for the end of a pause, but no longer than this. Returns `false` if there is none.
    async fn pauses(&mut self, limit: Option<Instant>) -> bool {
        let clock = self.fleet().clock.clone();
        let Some(until) = self.wait_until.filter(|until| *until > clock.now()) else {
            return false;
        };
        let until = limit.map_or(until, |limit| limit.min(until));
        self.partition.bell.wait(Some(until)).await;
        true
    }

    /// Opens the link, but waits no longer than this to retry. Returns `false` if there is none yet.
    async fn open(&mut self, limit: Option<Instant>) -> bool {
        if self.pauses(limit).await {
            return false;
        }
        let source: Arc<dyn EventSource> = Arc::clone(&self.fleet().source);
        match workers::open(&*source, self.request()).await {
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
                self.failed(error);
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
                slot.wait_until_written(self.fleet().close_deadline()).await
            }
            // Lost during the stop.
            Some(slot) if self.fleet().is_stopping() => !slot.has_given_up(),
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

//! The task that reads a partition. It keeps a link attached, hands over events, and resumes after the last one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::decode::{Decoded, size_of_event};
use super::fault::Fault;
use super::hub::{Hub, end_session, in_background};
use super::link::{Link, LinkRequest, selector};
use super::window::Window;
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::StartingPosition;
use crate::processing::{LastEnqueued, OpenPartition, ReadEnd, ReceivedEvent};

/// The initial and the maximum pause before a link is attached again.
const LINK_BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));
/// A link that lives this long counts as attached. Some peers attach a link that they refuse, then detach it.
const PROVEN: Duration = Duration::from_secs(5);
/// The maximum number of events that are handed over at once.
const MAX_BATCH: usize = 128;
/// How many times the task takes what has arrived before it hands over a batch.
const PASSES: usize = 3;
/// Practically no limit: the future has its own limits.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An item that the task hands to its reader.
#[derive(Debug)]
pub(crate) enum Handed {
    Events(Vec<ReceivedEvent>, Option<LastEnqueued>),
    /// No more events will come.
    End(ReadEnd),
    /// Somebody called the interrupter, so the waiting reader should return.
    #[cfg_attr(not(feature = "blocking"), allow(dead_code, reason = "a future is dropped instead"))]
    Wake,
}

/// Hands an item to a reader and never waits. [`delivery`] makes it.
pub(crate) type Deliver = Box<dyn Fn(Handed) + Send + Sync>;

/// Makes a [`Deliver`] that always hands an end to the reader, even if the task panics or its runtime shuts down.
pub(crate) fn delivery(send: impl Fn(Handed) + Send + Sync + 'static) -> Deliver {
    struct Guard<F: Fn(Handed)>(F);

    impl<F: Fn(Handed)> Drop for Guard<F> {
        fn drop(&mut self) {
            let error = Error::new(ErrorKind::Other, "the task of the reader has ended");
            (self.0)(Handed::End(ReadEnd::Failed(error)));
        }
    }

    let guard = Guard(send);
    Box::new(move |handed| {
        let Guard(send) = &guard;
        send(handed);
    })
}

/// Called once with the outcome of the opening: the first link is attached, or the reader has ended before that.
pub(crate) type Opened = Box<dyn FnOnce(Result<()>) + Send>;

impl Hub {
    /// Reads a partition until its reader closes the window. The surface runs this as a task.
    pub(crate) async fn read_partition(
        self: Arc<Self>,
        request: OpenPartition,
        window: Arc<Window>,
        deliver: Deliver,
        opened: Opened,
    ) {
        let closed = self.subscribe_closed();
        let position = request.position.clone();
        let backoff = Backoff::new(LINK_BACKOFF.0, LINK_BACKOFF.1);
        let mut partition = Partition {
            hub: self,
            request,
            window,
            deliver,
            opened: Some(opened),
            closed,
            position,
            last: None,
            by_number: false,
            backoff,
            is_proven: false,
            refused_since: None,
            undecodable: 0,
            usual_batch: 1,
        };
        let end = partition.read().await;
        match (partition.opened.take(), end) {
            // The reader's user decides what follows, as it does later.
            (Some(opened), end @ (ReadEnd::Displaced(_) | ReadEnd::PositionLost(_))) => {
                opened(Ok(()));
                (partition.deliver)(Handed::End(end));
            }
            (Some(opened), ReadEnd::Failed(error)) => opened(Err(error)),
            (Some(opened), end) => {
                opened(Err(Error::new(ErrorKind::Rejected, end.to_string())));
            }
            (None, end) => (partition.deliver)(Handed::End(end)),
        }
    }
}

struct Partition {
    hub: Arc<Hub>,
    request: OpenPartition,
    window: Arc<Window>,
    deliver: Deliver,
    opened: Option<Opened>,
    closed: watch::Receiver<bool>,
    /// The position to start from while no event has come.
    position: StartingPosition,
    /// The sequence number and the offset of the last event that was handed over.
    last: Option<(i64, Option<String>)>,
    /// The service has refused the offset, so the sequence number is used instead.
    by_number: bool,
    backoff: Backoff,
    /// A link of this reader has worked at least once.
    is_proven: bool,
    /// The time of the first refusal, if every attempt since then was refused.
    refused_since: Option<Instant>,
    /// How often the event after the last one could not be decoded.
    undecodable: u32,
    /// How many events the last batch had. The next one probably has about as many.
    usual_batch: usize,
}

impl Partition {
    async fn read(&mut self) -> ReadEnd {
        let give_up_at = Instant::now() + self.hub.options.open_timeout;
        loop {
            let fault = match self.attach().await {
                Ok(link) => match self.pump(link).await {
                    Ok(()) => return ReadEnd::Closed,
                    Err(fault) => fault,
                },
                Err(fault) => fault,
            };
            if self.is_closed() {
                return ReadEnd::Closed;
            }
            let pause = match self.pause_after(fault, give_up_at) {
                Ok(pause) => pause,
                Err(end) => return end,
            };
            if self.wait(sleep(pause)).await.is_none() {
                return ReadEnd::Closed;
            }
        }
    }

    /// Attaches a link that starts after the last event. If the reader is closed meanwhile, the attach goes on in the
    /// background, and the link is ended afterwards.
    async fn attach(&mut self) -> Result<Link, Fault> {
        let (hub, window, request) =
            (Arc::clone(&self.hub), Arc::clone(&self.window), self.request.clone());
        let position = self.next_position();
        let attach = async move {
            let position = resolved(&hub, &request.partition_id, position).await?;
            let session = hub.session().await?;
            // A reconnect may have delayed this attach. A link for a closed reader would displace the reader that came
            // after it.
            if window.is_closed() {
                end_session(session, ()).await;
                return Err(super::hub::closed());
            }
            let limit = hub.options.request_timeout;
            let link = Link::attach(session, link_request(&hub, request, &position), limit).await?;
            Ok((link, position))
        };
        let late = |(link, _): (Link, StartingPosition)| link.end();
        let attach = in_background("attaching a receive link", NO_LIMIT, Box::pin(attach), late);
        let attached =
            self.wait(Box::pin(attach)).await.unwrap_or_else(|| Err(super::hub::closed()));
        let (link, position) = attached?;
        if self.last.is_none() {
            self.position = position;
        }
        if let Some(opened) = self.opened.take() {
            opened(Ok(()));
        }
        Ok(link)
    }

    fn next_position(&self) -> StartingPosition {
        let by_number = |sequence_number| StartingPosition::SequenceNumber {
            sequence_number,
            inclusive: false,
        };
        match (&self.last, self.request.sequence_number) {
            (Some((_, Some(offset))), _) if !self.by_number => {
                StartingPosition::Offset { offset: offset.clone(), inclusive: false }
            }
            (Some((number, _)), _) => by_number(*number),
            (None, Some(number)) if self.by_number => by_number(number),
            (None, _) => self.position.clone(),
        }
    }

    /// Hands over events until the reader is closed or the link breaks, then ends the link.
    async fn pump(&mut self, mut link: Link) -> Result<(), Fault> {
        let since = Instant::now();
        let outcome = self.hand_over(&mut link).await;
        if since.elapsed() >= PROVEN {
            self.has_served();
        }
        link.end().await;
        outcome
    }

    async fn hand_over(&mut self, link: &mut Link) -> Result<(), Fault> {
        loop {
            link.top_up(&self.window).await?;
            let received = tokio::select! {
                biased;
                () = self.window.changed() => {
                    if self.window.is_closed() {
                        return Ok(());
                    }
                    continue;
                }
                _ = self.closed.wait_for(|closed| *closed) => return Ok(()),
                received = link.receive() => received,
            };
            let mut batch = Batch::with_capacity(self.usual_batch);
            let mut outcome = self.take(received, &mut batch);
            // Events come through two other tasks. Each pass lets them run, so that batches are larger, and the caller is woken
            // less often.
            for pass in 0..PASSES {
                if pass > 0 {
                    tokio::task::yield_now().await;
                }
                while outcome.is_ok() && batch.events.len() < MAX_BATCH {
                    let Some(received) = link.receive_now() else { break };
                    outcome = self.take(received, &mut batch);
                }
            }
            self.hand(batch);
            outcome?;
            link.accept().await?;
        }
    }

    #[inline]
    fn take(&mut self, received: Result<Decoded, Fault>, batch: &mut Batch) -> Result<(), Fault> {
        let (event, last_enqueued) = received?;
        // `self.last` changes only when the batch is handed over, so the batch is checked first.
        let last = match batch.events.last() {
            Some(last) => Some((last.sequence_number(), last.offset())),
            None => self.last.as_ref().map(|(number, offset)| (*number, offset.as_deref())),
        };
        if last == Some((event.sequence_number(), event.offset())) {
            // The link was attached again with an inclusive start, so it repeats the last event.
            return Ok(());
        }
        if let Some((last, _)) = last
            && event.sequence_number() > last.saturating_add(1)
            && batch.events.is_empty()
        {
            log::warn!(
                target: super::LOG,
                "partition {}: the events between {last} and {} are no longer retained",
                self.request.partition_id, event.sequence_number()
            );
        }
        batch.push(event, last_enqueued);
        Ok(())
    }

    fn hand(&mut self, batch: Batch) {
        let Some(last) = batch.events.last() else { return };
        self.last = Some((last.sequence_number(), last.offset().map(str::to_owned)));
        self.has_served();
        self.undecodable = 0;
        self.usual_batch = batch.events.len();
        self.window.add(batch.events.len(), batch.bytes, batch.largest);
        (self.deliver)(Handed::Events(batch.events, batch.last_enqueued.map(|last| *last)));
    }

    fn has_served(&mut self) {
        self.is_proven = true;
        self.backoff.reset();
        self.refused_since = None;
    }

    /// Returns the pause before the next link, or the end of the reader if there will be none.
    fn pause_after(&mut self, fault: Fault, give_up_at: Instant) -> Result<Duration, ReadEnd> {
        let is_opening = self.opened.is_some();
        let id = &self.request.partition_id;
        let (error, at_least) = match fault {
            Fault::Stolen(reason) => return Err(ReadEnd::Displaced(reason)),
            Fault::PositionLost(error) => {
                let number = self.last.as_ref().map(|last| last.0).or(self.request.sequence_number);
                if self.by_number || number.is_none() {
                    return Err(ReadEnd::PositionLost(error.to_string()));
                }
                log::warn!(target: super::LOG, "partition {id}: the service refused the offset, so reading continues by the sequence number: {error}");
                self.by_number = true;
                return Ok(Duration::ZERO);
            }
            Fault::Refused(error) => {
                let since = *self.refused_since.get_or_insert_with(Instant::now);
                if !self.is_proven || since.elapsed() >= self.hub.options.open_timeout {
                    return Err(ReadEnd::Failed(error));
                }
                (error, Duration::ZERO)
            }
            Fault::Transient(error, at_least) => {
                self.refused_since = None;
                if error.kind() == ErrorKind::InvalidData {
                    self.undecodable += 1;
                }
                if self.undecodable > 1 || (is_opening && Instant::now() >= give_up_at) {
                    return Err(ReadEnd::Failed(error));
                }
                (error, at_least)
            }
        };
        let pause = self.backoff.next_pause().max(at_least);
        if self.backoff.failures() > 2 {
            log::warn!(target: super::LOG, "partition {id}: {error}; retrying in {pause:?}");
        } else {
            log::debug!(target: super::LOG, "partition {id}: {error}; retrying in {pause:?}");
        }
        Ok(pause)
    }

    fn is_closed(&self) -> bool {
        self.window.is_closed() || *self.closed.borrow()
    }

    /// Waits for the future while the reader is open. Returns `None` if the reader is closed first.
    async fn wait<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                outcome = &mut future => return Some(outcome),
                () = self.window.changed() => if self.window.is_closed() { return None },
                _ = self.closed.wait_for(|closed| *closed) => return None,
            }
        }
    }
}

/// Events that are available at the same time.
#[derive(Default)]
struct Batch {
    events: Vec<ReceivedEvent>,
    last_enqueued: Option<Box<LastEnqueued>>,
    bytes: usize,
    largest: usize,
}

impl Batch {
    fn with_capacity(events: usize) -> Self {
        Self { events: Vec::with_capacity(events), ..Self::default() }
    }

    #[inline]
    fn push(&mut self, event: ReceivedEvent, last_enqueued: Option<Box<LastEnqueued>>) {
        let size = size_of_event(&event);
        self.bytes += size;
        self.largest = self.largest.max(size);
        if last_enqueued.is_some() {
            self.last_enqueued = last_enqueued;
        }
        self.events.push(event);
    }
}

/// Replaces `Latest` with the number of the last event. Otherwise, a link that breaks before its first event would skip
/// events when it is attached again.
async fn resolved(
    hub: &Arc<Hub>,
    partition_id: &str,
    position: StartingPosition,
) -> Result<StartingPosition, Fault> {
    if position != StartingPosition::Latest {
        return Ok(position);
    }
    let properties = Arc::clone(hub).partition_properties(partition_id.to_owned()).await;
    let fault = |error: Error| {
        if error.is_transient() {
            Fault::Transient(error, Duration::ZERO)
        } else {
            Fault::Refused(error)
        }
    };
    let properties = properties.map_err(fault)?;
    Ok(match properties.last_enqueued.sequence_number {
        ..0 => StartingPosition::Earliest,
        sequence_number => StartingPosition::SequenceNumber { sequence_number, inclusive: false },
    })
}

fn link_request(hub: &Hub, request: OpenPartition, position: &StartingPosition) -> LinkRequest {
    let group = &hub.options.group;
    let address = format!(
        "{}/ConsumerGroups/{}/Partitions/{}",
        group.eventhub_name(),
        group.consumer_group(),
        request.partition_id
    );
    LinkRequest {
        address,
        partition_id: request.partition_id,
        selector: selector(position),
        owner_level: request.owner_level,
        track_last_enqueued: request.track_last_enqueued,
    }
}

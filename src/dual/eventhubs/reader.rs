//! The reader of a partition. It takes the events that its task has put into the channel.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::amqp::{Handed, Window, size_of_event};
use crate::error::Result;
use crate::processing::{LastEnqueued, ReadEnd, ReceivedEvent};

use super::super::runtime::eventhubs::{Driver, Inbox};
use super::super::{PartitionReader, maybe_async};

/// How long a close waits for the link to end. After that, the link ends without the caller.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct HubReader {
    inbox: Inbox,
    window: Arc<Window>,
    /// The events that were handed over but not yet requested.
    ready: VecDeque<ReceivedEvent>,
    last_enqueued: Option<LastEnqueued>,
    /// The reason why no more events will come. It is returned after the last event.
    end: Option<ReadEnd>,
    has_ended: bool,
    /// The interrupter was called, but no `receive` has returned for it yet.
    is_woken: bool,
    /// Keeps the connection alive as long as the reader.
    _driver: Arc<Driver>,
}

impl HubReader {
    pub(super) fn new(inbox: Inbox, window: Arc<Window>, driver: Arc<Driver>) -> Self {
        Self {
            inbox,
            window,
            ready: VecDeque::new(),
            last_enqueued: None,
            end: None,
            has_ended: false,
            is_woken: false,
            _driver: driver,
        }
    }

    fn keep(&mut self, handed: Handed) {
        match handed {
            Handed::Events(events, last_enqueued) => {
                if self.ready.is_empty() {
                    // Takes the buffer over instead of moving each event.
                    self.ready = events.into();
                } else {
                    self.ready.extend(events);
                }
                self.last_enqueued = last_enqueued.or(self.last_enqueued.take());
            }
            Handed::End(end) if !self.has_ended => {
                self.end = Some(end);
                self.has_ended = true;
            }
            Handed::End(_) => {}
            Handed::Wake => self.is_woken = true,
        }
    }

    /// Keeps what is available without waiting, up to about `max` events.
    fn keep_what_is_there(&mut self, max: usize) {
        while self.ready.len() < max && !self.has_ended {
            let Some(handed) = self.inbox.try_next() else { break };
            self.keep(handed);
        }
    }

    fn give(&mut self, events: &mut Vec<ReceivedEvent>, max: usize) {
        let count = max.min(self.ready.len());
        if count == 0 {
            return;
        }
        let bytes = self.ready.iter().take(count).map(size_of_event).sum();
        if events.is_empty() && count == self.ready.len() {
            *events = std::mem::take(&mut self.ready).into();
        } else {
            events.extend(self.ready.drain(..count));
        }
        self.window.release(count, bytes);
    }
}

#[maybe_async]
impl PartitionReader for HubReader {
    async fn receive(
        &mut self,
        events: &mut Vec<ReceivedEvent>,
        max: usize,
        wait: Duration,
    ) -> Result<(), ReadEnd> {
        self.keep_what_is_there(max);
        if self.ready.is_empty() && !self.has_ended && !self.is_woken {
            // Nothing is lost if the caller drops the future here: new events stay in the channel.
            if let Some(handed) = self.inbox.next(wait).await {
                self.keep(handed);
                self.keep_what_is_there(max);
            }
        }
        self.is_woken = false;
        if self.ready.is_empty() && self.has_ended {
            return Err(self.end.take().unwrap_or(ReadEnd::Closed));
        }
        self.give(events, max);
        Ok(())
    }

    fn last_enqueued(&self) -> Option<LastEnqueued> {
        self.last_enqueued.clone()
    }

    fn interrupter(&self) -> Option<Arc<dyn Fn() + Send + Sync>> {
        self.inbox.interrupter()
    }

    async fn close(mut self: Box<Self>) -> Result<()> {
        self.window.close();
        while !self.has_ended {
            let Some(handed) = self.inbox.next(CLOSE_LIMIT).await else { break };
            self.keep(handed);
            self.ready.clear();
        }
        Ok(())
    }
}

impl Drop for HubReader {
    fn drop(&mut self) {
        self.window.close();
    }
}

impl fmt::Debug for HubReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubReader").field("ready", &self.ready.len()).finish_non_exhaustive()
    }
}

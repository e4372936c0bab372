//! The append-only event log of one partition.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use fe2o3_amqp::types::messaging::{Body, Message};
use fe2o3_amqp::types::primitives::Value;
use tokio::sync::watch;

use crate::OffsetStyle;
use crate::selector::{Position, Selector};

/// The size of an event in the log beside its body, so that offsets have gaps as at the service.
const EVENT_OVERHEAD: i64 = 64;

/// The content of an event: bytes, or a whole message, to which the service's annotations are added.
#[derive(Clone, Debug)]
pub enum Content {
    /// A body of bytes without properties. Clones share it, so that many events need little memory.
    Bytes(Arc<[u8]>),
    /// Any body, with properties.
    Message(Box<Message<Body<Value>>>),
    /// Encoded sections, well formed or not, among them the service's annotations. They follow a body without a value.
    Sections(Vec<u8>),
}

impl<T: Into<Vec<u8>>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into().into())
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Sections(bytes) => bytes.len(),
            Self::Message(_) => 100,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) sequence_number: i64,
    pub(crate) offset: String,
    pub(crate) enqueued_millis: i64,
    pub(crate) content: Content,
    position: i64,
}

impl Event {
    fn end(&self) -> i64 {
        self.position + EVENT_OVERHEAD + self.content.len() as i64
    }
}

#[derive(Debug)]
pub(crate) struct PartitionLog {
    style: OffsetStyle,
    events: Mutex<Vec<Arc<Event>>>,
    length: watch::Sender<usize>,
}

impl PartitionLog {
    pub(crate) fn new(style: OffsetStyle) -> Self {
        Self { style, events: Mutex::default(), length: watch::Sender::new(0) }
    }

    /// Appends the bodies as neighbours and returns the sequence number after the last one.
    pub(crate) fn append(&self, contents: impl Iterator<Item = Content>) -> i64 {
        self.append_at(now_millis(), contents)
    }

    /// Appends the bodies as enqueued at that time.
    pub(crate) fn append_at(&self, millis: i64, contents: impl Iterator<Item = Content>) -> i64 {
        let mut events = self.events();
        for content in contents {
            let event = self.next_event(events.last(), millis, content);
            events.push(Arc::new(event));
        }
        let length = events.len();
        drop(events);
        self.length.send_replace(length);
        length as i64
    }

    fn next_event(&self, last: Option<&Arc<Event>>, millis: i64, content: Content) -> Event {
        let sequence_number = last.map_or(0, |event| event.sequence_number + 1);
        let position = last.map_or(0, |event| event.end());
        let offset = match self.style {
            OffsetStyle::BytePosition => position.to_string(),
            OffsetStyle::GeoReplicated => format!("1:{position}:{sequence_number}"),
        };
        // A clock that is set back must not unsort the log: enqueued times are searched.
        let enqueued_millis = millis.max(last.map_or(0, |event| event.enqueued_millis));
        Event { sequence_number, offset, enqueued_millis, content, position }
    }

    /// Index of the first event that the selector wants; the length of the log when there is none yet.
    pub(crate) fn first_wanted(&self, selector: &Selector) -> usize {
        let events = self.events();
        let first = |key: fn(&Event) -> i64, value: i64| {
            events.partition_point(|event| {
                let key = key(event);
                key < value || (key == value && !selector.inclusive)
            })
        };
        match selector.position {
            Position::Earliest => 0,
            Position::Latest => events.len(),
            Position::Offset(position) => first(|event| event.position, position),
            Position::SequenceNumber(number) => first(|event| event.sequence_number, number),
            Position::EnqueuedTime(millis) => first(|event| event.enqueued_millis, millis),
        }
    }

    /// Up to `count` events from an index on.
    pub(crate) fn read(&self, index: usize, count: usize) -> Vec<Arc<Event>> {
        self.events().iter().skip(index).take(count).cloned().collect()
    }

    pub(crate) fn last(&self) -> Option<Arc<Event>> {
        self.events().last().cloned()
    }

    /// The length of the log, to wait on.
    pub(crate) fn length(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    fn events(&self) -> MutexGuard<'_, Vec<Arc<Event>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_events(style: OffsetStyle) -> PartitionLog {
        let log = PartitionLog::new(style);
        assert_eq!(log.append([[0; 6]; 3].map(Content::from).into_iter()), 3);
        log
    }

    fn first_wanted(log: &PartitionLog, expression: &str) -> usize {
        log.first_wanted(&Selector::parse(expression).expect("a valid selector"))
    }

    #[test]
    fn offsets_are_byte_positions_or_geo_replicated_texts() {
        let offsets = |style| {
            let events = three_events(style).read(0, 10);
            events.iter().map(|event| event.offset.clone()).collect::<Vec<_>>()
        };
        assert_eq!(offsets(OffsetStyle::BytePosition), ["0", "70", "140"]);
        assert_eq!(offsets(OffsetStyle::GeoReplicated), ["1:0:0", "1:70:1", "1:140:2"]);
    }

    #[test]
    fn selectors_find_the_first_event_they_want() {
        let log = three_events(OffsetStyle::BytePosition);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-offset > '-1'"), 0);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-offset > '@latest'"), 3);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-offset > '70'"), 2);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-offset >= '70'"), 1);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-offset > '71'"), 2);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-sequence-number > '0'"), 1);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-sequence-number >= '0'"), 0);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-sequence-number > '-1'"), 0);
        assert_eq!(first_wanted(&log, "amqp.annotation.x-opt-enqueued-time > '0'"), 0);
    }
}

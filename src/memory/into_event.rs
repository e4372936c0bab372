//! Types that can be published.

use crate::processing::ReceivedEvent;

/// Converts a value into an event: an event with its properties, or just a body.
///
#[doc = shared_example!("memory/into_event")]
pub trait IntoEvent {
    /// Returns the event. Its number, offset and time are ignored.
    fn into_event(self) -> ReceivedEvent;
}

impl IntoEvent for ReceivedEvent {
    fn into_event(self) -> ReceivedEvent {
        self
    }
}

impl IntoEvent for &'static str {
    fn into_event(self) -> ReceivedEvent {
        ReceivedEvent::new(0, self)
    }
}

impl IntoEvent for String {
    fn into_event(self) -> ReceivedEvent {
        ReceivedEvent::new(0, self)
    }
}

impl IntoEvent for Vec<u8> {
    fn into_event(self) -> ReceivedEvent {
        ReceivedEvent::new(0, self)
    }
}

//! What can be published.

use crate::processing::ReceivedEvent;

/// An event with its properties, or a body.
///
#[doc = shared_example!("memory/into_event")]
pub trait IntoEvent {
    /// The event; its number, offset and time do not matter.
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

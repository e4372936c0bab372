//! Doubles of Azure for tests and demonstrations: an event hub in memory, and a clock that tests control.

mod event_hub;
mod into_event;
mod source;
mod test_clock;

pub use event_hub::EventHub;
pub use into_event::IntoEvent;
pub use source::EventHubSource;
pub(crate) use source::Seat;
#[cfg(feature = "blocking")]
pub(crate) use test_clock::Alarm;
pub use test_clock::{TestClock, TestThread};

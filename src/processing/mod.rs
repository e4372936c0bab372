//! What a consumer processes, and how far it is: events, positions, policies. Knows no I/O, no clock and no storage.

mod event;
mod read_end;
mod source;
mod value;

pub use event::{EventBody, ReceivedEvent};
pub use read_end::ReadEnd;
pub use source::{EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties};
pub use value::AmqpValue;

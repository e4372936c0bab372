//! The pure half of a consumer: events, positions and policies, without I/O, clocks or storage.

mod checkpoint_policy;
mod close_reason;
mod concurrency;
mod event;
mod handler_error;
mod observer;
mod partition;
mod read_end;
mod retry_schedule;
mod source;
#[cfg(any(feature = "blocking", feature = "aio"))]
mod spans;
mod stop_handle;
mod summary;
mod tracker;
mod value;
mod write_queue;

pub use checkpoint_policy::CheckpointPolicy;
pub(crate) use checkpoint_policy::{CheckpointSchedule, Due};
pub use close_reason::{CloseReason, LossCause};
pub use concurrency::Concurrency;
pub(crate) use concurrency::lane_of;
pub use event::{EventBody, ReceivedEvent};
pub use handler_error::HandlerError;
pub(crate) use handler_error::panic_text;
pub use observer::{CheckpointOutcome, Observer};
pub(crate) use observer::{Observers, guarded};
pub(crate) use partition::{LeaveCause, PartitionLife, Phase};
pub use read_end::ReadEnd;
pub use retry_schedule::{OnExhausted, RetryPolicy};
pub use source::{EventHubProperties, LastEnqueued, OpenPartition, PartitionProperties};
#[cfg(any(feature = "blocking", feature = "aio"))]
pub(crate) use spans::Span;
pub use stop_handle::StopHandle;
pub use summary::Summary;
pub use tracker::CheckpointTracker;
pub use value::AmqpValue;
pub(crate) use write_queue::{WriteEnd, WriteQueue};

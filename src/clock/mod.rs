//! The clocks of stores and consumers: the system's, or a test's.

mod manual;
mod system;

use std::time::{Instant, SystemTime};

pub use manual::ManualClock;
pub use system::SystemClock;

/// The clock of a transport, a container or a store.
///
/// The default is always [`SystemClock`]. With another clock, such as [`ManualClock`], a test need not wait until a lease
/// ends.
///
#[doc = shared_example!("clock/clock")]
pub trait Clock: Send + Sync {
    /// Returns the monotonic time, for limits and leases. It should continue while the machine is suspended, so that a
    /// lease can end in the meantime.
    fn now(&self) -> Instant;

    /// Returns the wall-clock time, which dates requests. The service refuses dates that are 15 minutes off.
    fn system_time(&self) -> SystemTime;
}

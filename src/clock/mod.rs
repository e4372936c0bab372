//! The time, as stores and consumers see it: from the system, or from a test.

mod manual;
mod system;

use std::time::{Instant, SystemTime};

pub use manual::ManualClock;
pub use system::SystemClock;

/// Where a transport, a container or a store has its time from.
///
/// The default everywhere is [`SystemClock`]. A test that gives another one, such as [`ManualClock`], need not wait until a
/// lease ends.
///
#[doc = shared_example!("clock/clock")]
pub trait Clock: Send + Sync {
    /// The clock that limits and leases are judged by. It never goes back, and it should go on while the machine is
    /// suspended: a lease that ends meanwhile is over.
    fn now(&self) -> Instant;

    /// The wall clock. Requests are dated by it, and the service refuses dates that are 15 minutes off.
    fn system_time(&self) -> SystemTime;
}

//! Work that runs concurrently with its caller: on a thread, or in a task.

use std::time::Duration;

use super::maybe_async;
use crate::error::Result;

#[maybe_async]
pub(crate) trait Job: Send {
    async fn run(self: Box<Self>);
}

/// Work that is repeated, and goes on after a panic.
#[maybe_async]
pub(crate) trait Step: Send + Sync {
    /// Returns the pause before the next step.
    async fn step(&self) -> Result<Duration>;
}

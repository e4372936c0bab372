//! Work that runs beside its caller: on a thread, or in a task.

use super::maybe_async;

#[maybe_async]
pub(crate) trait Job: Send {
    async fn run(self: Box<Self>);
}

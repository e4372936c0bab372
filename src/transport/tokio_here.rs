//! What is missing in the tokio runtime of the caller, before tokio panics because of it.

use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;

/// Returns what is needed, and what to do, if there are no timers here.
pub(crate) fn lacks_timers() -> Option<&'static str> {
    if Handle::try_current().is_err() {
        return Some("a tokio runtime: call it inside one");
    }
    // A runtime does not tell what it was built with. Only the timer of one without timers panics when it is made.
    let made = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
    made.is_err().then_some("a tokio runtime with timers: build this one with `enable_all()`")
}

/// Returns what is needed, and what to do, if this is the panic of a runtime that was built without something.
#[cfg(feature = "reqwest")]
pub(super) fn lacks(panic: &(dyn std::any::Any + Send)) -> Option<&'static str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied())?;
    let is_tokios = text.starts_with("A Tokio 1.x context was found, but ");
    (is_tokios && text.contains("Call `enable_"))
        .then_some("a tokio runtime with timers and I/O: build this one with `enable_all()`")
}

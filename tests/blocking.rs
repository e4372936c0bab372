//! The suite of `surface/`, on the blocking surface.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "ureq")]

#[path = "blocking/in_a_runtime.rs"]
mod in_a_runtime;
#[path = "blocking/ownership.rs"]
mod ownership;
#[path = "blocking/processing.rs"]
mod processing;
mod support;
mod surface;
#[path = "blocking/threads.rs"]
mod threads;
#[path = "blocking/time.rs"]
mod time;

use core::prelude::v1::test;
use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

const IS_BLOCKING: bool = true;

/// Does all the work at once, each part on its own thread.
fn at_once<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

use at_once as in_parallel;

fn pause(duration: std::time::Duration) {
    std::thread::sleep(duration);
}

/// Waits for what a synchronous caller, such as proptest, asked for.
fn block_on<T>(done: T) -> T {
    done
}

/// A credential from a closure.
fn credential_of<E>(
    get: impl Fn() -> Result<eventhub_checkpointstore::AccessToken, E> + Send + Sync + 'static,
) -> subject::Credential
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    subject::Credential::token(get)
}

/// A client as a user would bring it.
fn own_client() -> subject::UreqTransport {
    let config = ureq::Agent::config_builder().proxy(None).user_agent("own client");
    subject::UreqTransport::new(config.build().new_agent())
}

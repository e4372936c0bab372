//! The suite of `surface/`, on the async surface.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]
#![cfg(feature = "reqwest")]

#[path = "aio/ownership.rs"]
mod ownership;
mod support;
mod surface;

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;
use tokio::test;

/// Does all the work at once, in one task.
async fn at_once<T, R, W: Future<Output = R>>(items: Vec<T>, work: impl Fn(T) -> W) -> Vec<R> {
    futures_util::future::join_all(items.into_iter().map(work)).await
}

async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for what a synchronous caller, such as proptest, asked for.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing waits over the direct transport")
}

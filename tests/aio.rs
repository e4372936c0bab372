//! The suite of `surface/`, on the async surface.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "reqwest")]

#[path = "aio/cancellation.rs"]
mod cancellation;
#[path = "aio/connections.rs"]
mod connections;
#[path = "aio/credentials.rs"]
mod credentials;
#[path = "aio/event_processor.rs"]
mod event_processor;
#[path = "aio/ownership.rs"]
mod ownership;
#[path = "aio/processing.rs"]
mod processing;
#[path = "aio/runtimes.rs"]
mod runtimes;
mod support;
mod surface;
#[path = "aio/time.rs"]
mod time;

use std::sync::LazyLock;

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;
use tokio::runtime::{Builder, Runtime};
use tokio::test;

const IS_BLOCKING: bool = false;

/// Does all the work at once, in one task.
async fn at_once<T, R, W: Future<Output = R>>(items: Vec<T>, work: impl Fn(T) -> W) -> Vec<R> {
    futures_util::future::join_all(items.into_iter().map(work)).await
}

/// Does all the work in parallel, each part in its own task on a runtime with several threads.
async fn in_parallel<T, R, W>(items: Vec<T>, work: impl Fn(T) -> W) -> Vec<R>
where
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    // It outlives its tasks, because the connections that they make are driven by it.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
    });
    let running = items.into_iter().map(|item| RUNTIME.spawn(work(item)));
    let done = futures_util::future::join_all(running).await;
    done.into_iter().map(Result::unwrap).collect()
}

async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for what a synchronous caller, such as proptest, asked for.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing waits over the direct transport")
}

/// A credential from a closure.
fn credential_of<W, E>(get: impl Fn() -> W + Send + Sync + 'static) -> subject::Credential
where
    W: Future<Output = Result<eventhub_checkpointstore::AccessToken, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    subject::Credential::token(get)
}

/// A client as a user would bring it.
fn own_client() -> subject::ReqwestTransport {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("own client");
    #[cfg(feature = "_rustls")]
    let client = client.tls_backend_preconfigured(without_roots());
    subject::ReqwestTransport::new(client.build().unwrap())
}

/// With `rustls-ring` reqwest has no provider of its own.
#[cfg(feature = "_rustls")]
fn without_roots() -> rustls::ClientConfig {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

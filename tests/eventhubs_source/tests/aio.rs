//! The suite, on the async surface.

#[path = "aio/cancellation.rs"]
mod cancellation;
mod suite;

use std::time::Duration;

use clean_environment as _;
use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;
use tokio::test;

const SURFACE: &str = "async";

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Does all the work at once, each part in a task of its own.
async fn in_parallel<T, R, W>(items: Vec<T>, work: impl Fn(T) -> W) -> Vec<R>
where
    R: Send + 'static,
    W: Future<Output = R> + Send + 'static,
{
    let running: Vec<_> = items.into_iter().map(|item| tokio::spawn(work(item))).collect();
    let done = futures_util::future::join_all(running).await;
    done.into_iter().map(Result::unwrap).collect()
}

/// A credential from a closure.
fn credential_of(
    get: impl Fn() -> eventhub_checkpointstore::AccessToken + Send + Sync + 'static,
) -> subject::Credential {
    let get = std::sync::Arc::new(get);
    subject::Credential::token(move || {
        let get = std::sync::Arc::clone(&get);
        async move { Ok::<_, std::io::Error>(get()) }
    })
}

/// A credential of `azure_core`, as this surface takes it.
fn azure_credential(
    credential: std::sync::Arc<dyn azure_core::credentials::TokenCredential>,
) -> subject::Credential {
    credential.into()
}

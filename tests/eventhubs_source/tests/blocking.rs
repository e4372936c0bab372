//! The suite, on the blocking surface.

mod suite;
#[path = "blocking/threads.rs"]
mod threads;

use core::prelude::v1::test;
use std::time::Duration;

use clean_environment as _;
use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

const SURFACE: &str = "blocking";

fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Does all the work at once, each part on a thread of its own.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A credential from a closure.
fn credential_of(
    get: impl Fn() -> eventhub_checkpointstore::AccessToken + Send + Sync + 'static,
) -> subject::Credential {
    subject::Credential::token(move || Ok::<_, std::io::Error>(get()))
}

/// A credential of `azure_core`, as this surface takes it.
fn azure_credential(
    credential: std::sync::Arc<dyn azure_core::credentials::TokenCredential>,
) -> subject::Credential {
    use eventhub_checkpointstore::adapters::azure_core::RuntimeThreadCredential;
    subject::Credential::token(RuntimeThreadCredential::start(credential).unwrap())
}

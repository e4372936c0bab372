//! The code that must differ between the surfaces: concurrent work, locks and time limits.

#[cfg(feature = "amqp")]
pub(super) mod eventhubs;
#[cfg(feature = "tokio")]
mod in_tokio;
mod receive;
#[cfg(not(feature = "tokio"))]
mod without_tokio;
pub(super) mod workers;

use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::{AbortHandle, Either, abortable, select};
use futures_util::lock::{Mutex, MutexGuard};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::{AccessToken, TokenCredential, TokenRequest, Transport};

/// A lock that may be held while waiting.
#[derive(Default)]
pub(super) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(super) async fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().await
    }

    pub(super) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock()
    }

    /// Waits without a limit, because there is no timer here. A waiting caller is dropped in time, for example by `within`.
    pub(super) async fn lock_within(&self, _limit: Duration) -> Option<MutexGuard<'_, T>> {
        Some(self.lock().await)
    }

    /// Does not wait, because the holder of the lock was interrupted before.
    #[allow(clippy::unused_async, reason = "the blocking surface waits")]
    pub(super) async fn lock_after_interrupt(&self, _limit: Duration) -> Option<MutexGuard<'_, T>> {
        self.try_lock()
    }
}

/// Interrupts work that waits: the awaited future is dropped.
#[derive(Default)]
pub(super) struct Interrupt(std::sync::Mutex<Option<AbortHandle>>);

impl Interrupt {
    /// Returns `None` if it was interrupted.
    pub(super) async fn run<T>(&self, work: impl Future<Output = T> + Send) -> Option<T> {
        let (work, handle) = abortable(work);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        work.await.ok()
    }

    /// Stops the current work, even if nobody polls it any more.
    pub(super) fn interrupt(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.iter().for_each(AbortHandle::abort);
    }
}

/// Runs a function for each item with limited concurrency. The results are in the order of the items.
pub(super) async fn map_concurrently<'a, T, R, W>(
    items: &'a [T],
    limit: usize,
    work: impl Fn(&'a T) -> W,
) -> Vec<R>
where
    W: Future<Output = R>,
{
    let mut waiting = items.iter().enumerate();
    let mut running = FuturesUnordered::new();
    let start = |(index, item): (usize, &'a T)| {
        let work = work(item);
        async move { (index, work.await) }
    };
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(items.len(), || None);
    running.extend(waiting.by_ref().take(limit).map(start));
    while let Some((index, result)) = running.next().await {
        results[index] = Some(result);
        running.extend(waiting.next().map(start));
    }
    results.into_iter().flatten().collect()
}

/// Runs work that is handed out item by item with limited concurrency, until there is no more.
pub(super) async fn work_off<T, W>(
    limit: usize,
    next: impl Fn() -> Option<T>,
    work: impl Fn(T) -> W,
) where
    W: Future<Output = ()>,
{
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < limit
            && let Some(item) = next()
        {
            running.push(work(item));
        }
        if running.next().await.is_none() {
            return;
        }
    }
}

/// Waits for work, but no longer than a limit.
pub(super) async fn within<T>(
    transport: &dyn Transport,
    limit: Duration,
    work: impl Future<Output = T> + Send,
) -> Option<T> {
    match select(Box::pin(work), transport.sleep(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}

#[async_trait::async_trait]
impl<F, W, E> TokenCredential for F
where
    F: Fn() -> W + Send + Sync,
    W: Future<Output = Result<AccessToken, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn get_token(
        &self,
        _request: TokenRequest,
    ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
        self().await.map_err(Into::into)
    }
}

#[cfg(feature = "reqwest")]
#[async_trait::async_trait]
impl Transport for super::ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<bytes::Bytes>,
        options: &crate::transport::SendLimits,
    ) -> Result<http::Response<bytes::Bytes>, crate::transport::TransportError> {
        Self::send(self, request, options).await
    }

    async fn send_streamed(
        &self,
        request: http::Request<bytes::Bytes>,
        options: &crate::transport::SendLimits,
        reader: &mut dyn crate::transport::BodySink,
    ) -> Result<http::Response<()>, crate::transport::TransportError> {
        Self::send_streamed(self, request, options, reader).await
    }

    fn ready(&self) -> Result<(), crate::transport::TransportError> {
        Self::ready()
    }

    async fn sleep(&self, duration: Duration) {
        Self::sleep(duration).await;
    }
}

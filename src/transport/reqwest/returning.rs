//! Patience with a connection that is on its way back to the pool.
//!
//! hyper gives an answer out before the connection is back: a task of its own returns it a moment later. A caller on
//! another thread than that task can be faster, and its next request finds no idle connection. The client then waits for
//! one and opens another at the same time, and goes on opening it when the first one is back (hyper-util 0.1.21,
//! `one_connection_for`): a spare one, with a handshake that nobody needed. So a new connection is begun a moment later
//! here, and not at all if its request was sent by then.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use http::header::CONNECTION;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// How long a connection has to come back before another one is opened in its place.
const PATIENCE: Duration = Duration::from_millis(1);

tokio::task_local! {
    /// Set where a request waits for its connection. When it got another one, the client goes on connecting in a task of
    /// its own, where this is not set.
    static WAITING: ();
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The request that the connection was for has been sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection is not needed any more")]
struct NotNeeded;

/// The connections of one client that are on their way back.
#[derive(Clone, Default)]
pub(super) struct Returning {
    /// When their answers were read. Whoever waits for one takes it out, so that of many callers only so many wait.
    answered: Arc<Mutex<VecDeque<Instant>>>,
}

impl Returning {
    /// Sends a request by a client that has this layer.
    pub(super) async fn send<F: Future>(&self, request: F) -> F::Output {
        WAITING.scope((), request).await
    }

    /// An answer with these headers was read, so its connection comes back, unless the server closes it.
    pub(super) fn expect_back(&self, headers: &HeaderMap) {
        if !is_close(headers) {
            let now = Instant::now();
            self.with_recent(now, |answered| answered.push_back(now));
        }
    }

    fn with_recent<T>(&self, now: Instant, change: impl FnOnce(&mut VecDeque<Instant>) -> T) -> T {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        while answered.front().is_some_and(|then| now.duration_since(*then) > PATIENCE) {
            answered.pop_front();
        }
        change(&mut answered)
    }

    async fn come_back(&self) -> Result<(), NotNeeded> {
        if self.with_recent(Instant::now(), VecDeque::pop_front).is_none() {
            return Ok(());
        }
        tokio::time::sleep(PATIENCE).await;
        WAITING.try_with(|()| ()).map_err(|_| NotNeeded)
    }
}

fn is_close(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("close"))
}

impl<S> Layer<S> for Returning {
    type Service = Patient<S>;

    fn layer(&self, connector: S) -> Patient<S> {
        Patient { connector, returning: self.clone() }
    }
}

/// Connects, but not at once where a connection may come back.
#[derive(Clone)]
pub(super) struct Patient<S> {
    connector: S,
    returning: Returning,
}

impl<S, Destination> Service<Destination> for Patient<S>
where
    S: Service<Destination, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    Destination: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, destination: Destination) -> Self::Future {
        // The one that was asked whether it is ready, not its clone.
        let next = self.connector.clone();
        let mut connector = std::mem::replace(&mut self.connector, next);
        let returning = self.returning.clone();
        Box::pin(async move {
            returning.come_back().await?;
            connector.call(destination).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use http::HeaderValue;

    use super::*;

    /// Counts the connections that it makes.
    #[derive(Clone, Default)]
    struct Connector(Arc<AtomicUsize>);

    impl Service<()> for Connector {
        type Response = ();
        type Error = BoxError;
        type Future = Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            self.0.fetch_add(1, Ordering::SeqCst);
            ready(Ok(()))
        }
    }

    fn answered() -> Returning {
        let returning = Returning::default();
        returning.expect_back(&HeaderMap::new());
        returning
    }

    #[tokio::test(start_paused = true)]
    async fn where_none_comes_back_one_is_made_at_once() {
        let closed = Returning::default();
        closed
            .expect_back(&HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("Close"))]));
        let long_ago = answered();
        tokio::time::sleep(2 * PATIENCE).await;
        let awaited_by_another = answered();
        assert!(awaited_by_another.come_back().now_or_never().is_none());
        for returning in [Returning::default(), closed, long_ago, awaited_by_another] {
            let connector = Connector::default();
            let made = returning.layer(connector.clone()).call(());
            assert!(made.now_or_never().expect("no wait").is_ok());
            assert_eq!(connector.0.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_made_if_the_request_still_waits_for_it() {
        let (returning, connector) = (answered(), Connector::default());
        let mut made = returning.layer(connector.clone()).call(());
        let request = returning.send(async {
            let at_once = (&mut made).now_or_never();
            assert!(at_once.is_none(), "another connection gets a moment to come back");
            made.await
        });
        request.await.expect("a connection");
        assert_eq!(connector.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_request_waits_for_is_not_made() {
        let (returning, connector) = (answered(), Connector::default());
        let mut made = returning.layer(connector.clone()).call(());
        // The request begins it, gets another connection, and the client goes on with it elsewhere.
        let begun = returning.send(async { (&mut made).now_or_never().is_none() });
        assert!(begun.await);
        let error = tokio::spawn(made).await.expect("no panic").expect_err("it is not needed");
        assert!(error.is::<NotNeeded>(), "{error}");
        assert_eq!(connector.0.load(Ordering::SeqCst), 0);
    }
}

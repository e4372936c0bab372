//! Waits for connections that are on their way back to the pool, and tracks what a request waits for.
//!
//! hyper hands out a response before its connection is back in the pool; a separate task returns it a moment later. A
//! caller on another thread can be faster than that task, so that its next request finds no idle connection. The client
//! then waits for one and opens another at the same time, and continues to open it even after the first one is back
//! (hyper-util 0.1.21, `one_connection_for`). The result is a spare connection with a handshake that nobody needed.
//! Therefore a new connection is opened a moment later here, and not at all if its request was sent by then.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use http::header::CONNECTION;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// How long to wait for a connection to come back before another one is opened.
const PATIENCE: Duration = Duration::from_millis(1);

tokio::task_local! {
    /// Set in the task in which a request waits for its connection. If the request gets another connection, the client
    /// continues to connect in a separate task, where this is not set.
    static WAITING: Waiting;
}

/// The stage of a request that has no response yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// It was sent on an old connection, as far as is known.
    #[default]
    Reused,
    /// It waits for a connection that is being made: nothing of it was sent.
    Connecting,
    /// A connection was made for it.
    Connected,
}

/// A request that may wait for a connection.
#[derive(Default)]
struct Waiting {
    is_polled: Cell<bool>,
    is_connected: Cell<bool>,
}

impl Waiting {
    /// The stage at the last poll of the request. The client asks for the connection in each poll, until it has this one or
    /// another one.
    fn stage(&self) -> Stage {
        match (self.is_connected.get(), self.is_polled.get()) {
            (true, _) => Stage::Connected,
            (false, true) => Stage::Connecting,
            (false, false) => Stage::Reused,
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The request that needed the connection has been sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection is no longer needed")]
struct NotNeeded;

/// The connections of one client that are on their way back to the pool.
#[derive(Clone, Default)]
pub(super) struct Returning {
    /// The times at which their responses were read. A waiting caller removes one, so that no more callers wait than
    /// connections come back.
    responses: Arc<Mutex<VecDeque<Instant>>>,
}

impl Returning {
    /// Sends a request through a client with this layer. Also returns the stage at the last poll before it ended.
    pub(super) async fn send<F: Future>(&self, request: F, stage: &mut Stage) -> F::Output {
        let polled = async {
            let mut request = pin!(request);
            poll_fn(|context| {
                WAITING.with(|waiting| waiting.is_polled.set(false));
                let outcome = request.as_mut().poll(context);
                let now = WAITING.with(Waiting::stage);
                if outcome.is_pending() || now == Stage::Connected {
                    *stage = now;
                }
                outcome
            })
            .await
        };
        WAITING.scope(Waiting::default(), polled).await
    }

    /// Notes that a response with these headers was read. Its connection comes back, unless the server closes it.
    pub(super) fn expect_back(&self, headers: &HeaderMap) {
        if !is_close(headers) {
            let now = Instant::now();
            self.with_recent(now, |responses| responses.push_back(now));
        }
    }

    fn with_recent<T>(&self, now: Instant, change: impl FnOnce(&mut VecDeque<Instant>) -> T) -> T {
        let mut responses = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        while responses.front().is_some_and(|then| now.duration_since(*then) > PATIENCE) {
            responses.pop_front();
        }
        change(&mut responses)
    }

    async fn come_back(&self) -> Result<(), NotNeeded> {
        if self.with_recent(Instant::now(), VecDeque::pop_front).is_none() {
            return Ok(());
        }
        tokio::time::sleep(PATIENCE).await;
        WAITING.try_with(|_| ()).map_err(|_| NotNeeded)
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

/// Connects, but waits a moment if a connection may come back.
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
        // Use the instance whose readiness was polled, not its clone.
        let next = self.connector.clone();
        let mut connector = std::mem::replace(&mut self.connector, next);
        let returning = self.returning.clone();
        Box::pin(async move {
            let mut connection = pin!(async {
                returning.come_back().await?;
                connector.call(destination).await
            });
            poll_fn(|context| {
                let made = connection.as_mut().poll(context);
                // Not if the request already has another connection and this one is made in a separate task.
                let _ = WAITING.try_with(|waiting| {
                    waiting.is_polled.set(true);
                    waiting.is_connected.set(matches!(made, Poll::Ready(Ok(_))));
                });
                made
            })
            .await
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

    /// Never finishes a connection.
    #[derive(Clone)]
    struct Hanging;

    impl Service<()> for Hanging {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Pending<Result<(), BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            std::future::pending()
        }
    }

    fn after_a_response() -> Returning {
        let returning = Returning::default();
        returning.expect_back(&HeaderMap::new());
        returning
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_made_at_once_if_none_comes_back() {
        let closed = Returning::default();
        closed
            .expect_back(&HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("Close"))]));
        let long_ago = after_a_response();
        tokio::time::sleep(2 * PATIENCE).await;
        let awaited_by_another = after_a_response();
        assert!(awaited_by_another.come_back().now_or_never().is_none());
        for returning in [Returning::default(), closed, long_ago, awaited_by_another] {
            let connector = Connector::default();
            let made = returning.layer(connector.clone()).call(());
            assert!(made.now_or_never().expect("no wait").is_ok());
            assert_eq!(connector.0.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_made_if_its_request_still_waits() {
        let (returning, connector) = (after_a_response(), Connector::default());
        let mut made = returning.layer(connector.clone()).call(());
        let mut stage = Stage::default();
        let request = returning.send(
            async {
                let at_once = (&mut made).now_or_never();
                assert!(at_once.is_none(), "another connection gets a moment to come back");
                made.await
            },
            &mut stage,
        );
        request.await.expect("a connection");
        assert_eq!(connector.0.load(Ordering::SeqCst), 1);
    }

    /// The stage of a request that has what it waited for, and no response yet.
    async fn stage_of(waits: impl Future) -> Stage {
        let (returning, mut stage) = (Returning::default(), Stage::default());
        let request = async {
            waits.await;
            std::future::pending::<()>().await;
        };
        let request = returning.send(request, &mut stage);
        assert!(tokio::time::timeout(Duration::from_secs(9), request).await.is_err());
        stage
    }

    #[tokio::test(start_paused = true)]
    async fn the_progress_of_a_request_is_known() {
        let make = || after_a_response().layer(Connector::default()).call(());
        assert_eq!(stage_of(async {}).await, Stage::Reused);
        assert_eq!(stage_of(make()).await, Stage::Connected);
        let connecting = Returning::default().layer(Hanging).call(());
        assert_eq!(stage_of(connecting).await, Stage::Connecting);
        // Another connection comes back while one is made.
        let comes_back = tokio::time::sleep(Duration::from_secs(1));
        let connecting = Returning::default().layer(Hanging).call(());
        let either = futures_util::future::select(Box::pin(comes_back), connecting);
        assert_eq!(stage_of(either).await, Stage::Reused);
    }

    #[tokio::test(start_paused = true)]
    async fn no_connection_is_made_that_no_request_waits_for() {
        let (returning, connector) = (after_a_response(), Connector::default());
        let mut made = returning.layer(connector.clone()).call(());
        // The request starts the connection, gets another one, and the client continues it elsewhere.
        let mut stage = Stage::default();
        let begun = returning.send(async { (&mut made).now_or_never().is_none() }, &mut stage);
        assert!(begun.await);
        let error = tokio::spawn(made).await.expect("no panic").expect_err("it is not needed");
        assert!(error.is::<NotNeeded>(), "{error}");
        assert_eq!(connector.0.load(Ordering::SeqCst), 0);
    }
}

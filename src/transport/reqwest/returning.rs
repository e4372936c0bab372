//! Patience with a connection that is on its way back to the pool.
//!
//! hyper gives an answer out before the connection is back: a task of its own returns it a moment later. A caller on
//! another thread than that task can be faster, and its next request finds no idle connection. The client then waits for
//! one and opens another at the same time, and goes on opening it when the first one is back (hyper-util 0.1.21,
//! `one_connection_for`): a spare one, with a handshake that nobody needed. So a new connection is begun a moment later
//! here, and not at all if its request was sent by then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

/// How long a connection that was there has to come back before another one is opened.
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

/// The connections of one client.
#[derive(Clone, Default)]
pub(super) struct Returning {
    /// Before the first answer there is no connection that could come back.
    has_answered: Arc<AtomicBool>,
}

impl Returning {
    /// Sends a request by a client that has this layer.
    pub(super) async fn send<T, E>(
        &self,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let answer = WAITING.scope((), request).await?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    async fn come_back(&self) -> Result<(), NotNeeded> {
        if !self.has_answered.load(Ordering::Relaxed) {
            return Ok(());
        }
        tokio::time::sleep(PATIENCE).await;
        WAITING.try_with(|()| ()).map_err(|_| NotNeeded)
    }
}

impl<S> Layer<S> for Returning {
    type Service = Patient<S>;

    fn layer(&self, connector: S) -> Patient<S> {
        Patient { connector, returning: self.clone() }
    }
}

/// Connects, but not at once.
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
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::sync::atomic::AtomicUsize;

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

    #[tokio::test]
    async fn the_first_connection_is_made_at_once() {
        let (returning, connector) = (Returning::default(), Connector::default());
        let made = returning.layer(connector.clone()).call(());
        assert!(futures_util::FutureExt::now_or_never(made).expect("no wait").is_ok());
        assert_eq!(connector.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn later_ones_are_made_while_a_request_waits_for_them() {
        let (returning, connector) = (Returning::default(), Connector::default());
        returning.send(ready(Ok::<_, Infallible>(()))).await.expect("an answer");
        let mut made = returning.layer(connector.clone()).call(());
        let polled = returning.send(async {
            let at_once = futures_util::FutureExt::now_or_never(&mut made);
            assert!(at_once.is_none(), "another connection gets a moment to come back");
            made.await
        });
        polled.await.expect("a connection");
        assert_eq!(connector.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_no_request_waits_for_is_not_made() {
        let (returning, connector) = (Returning::default(), Connector::default());
        returning.send(ready(Ok::<_, Infallible>(()))).await.expect("an answer");
        let mut made = returning.layer(connector.clone()).call(());
        // The request begins it, gets another connection, and the client goes on with it elsewhere.
        let begun = returning.send(async {
            Ok::<_, Infallible>(futures_util::FutureExt::now_or_never(&mut made).is_none())
        });
        assert!(begun.await.expect("infallible"));
        let error = tokio::spawn(made).await.expect("no panic").expect_err("it is not needed");
        assert!(error.is::<NotNeeded>(), "{error}");
        assert_eq!(connector.0.load(Ordering::SeqCst), 0);
    }
}

//! The client of a host. It is replaced, with all its idle connections, when they are dead or old.
//!
//! A firewall that drops connections silently, or a suspended machine, leaves a pool full of dead connections. Each request
//! on one of them fails, or waits in vain for a response. The first such failure therefore discards the whole pool. And a
//! host name is only looked up for a new connection, so no connection is kept forever; otherwise a failover would never be
//! followed.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use log::{debug, warn};

use super::{TransportError, TransportErrorKind};
use crate::error::Result;

type Make<C> = Box<dyn Fn() -> Result<C> + Send + Sync>;

/// A sequence of clients. Clones share them.
pub(super) struct Generations<C>(Arc<Inner<C>>);

struct Inner<C> {
    /// Makes the next client; `None` if the user provided the only one.
    make: Option<Make<C>>,
    /// The maximum lifetime of a client and of its connections.
    lifetime: Duration,
    /// Read by every request and rarely changed, so readers must not wait for each other.
    current: RwLock<Arc<Generation<C>>>,
}

/// A client, and when it was made.
pub(super) struct Generation<C> {
    pub(super) client: C,
    number: u64,
    since: Instant,
}

impl<C> Clone for Generations<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Generations<C> {
    /// Uses a single client, which manages its own connections.
    pub(super) fn only(client: C) -> Self {
        Self::new(client, None, Duration::MAX)
    }

    /// Makes clients as needed, the first one now.
    ///
    /// # Errors
    ///
    /// The first client cannot be made.
    pub(super) fn made_by(
        make: impl Fn() -> Result<C> + Send + Sync + 'static,
        lifetime: Duration,
    ) -> Result<Self> {
        Ok(Self::new(make()?, Some(Box::new(make)), lifetime))
    }

    fn new(client: C, make: Option<Make<C>>, lifetime: Duration) -> Self {
        let current = Arc::new(Generation { client, number: 0, since: Instant::now() });
        Self(Arc::new(Inner { make, lifetime, current: RwLock::new(current) }))
    }

    /// Returns whether connections can be discarded here, so that no caller needs to ask for a new one.
    #[cfg(any(feature = "ureq", test))]
    pub(super) fn is_renewed(&self) -> bool {
        self.0.make.is_some()
    }

    /// Returns the client to use now.
    pub(super) fn current(&self, now: Instant) -> Arc<Generation<C>> {
        let is_old = |generation: &Generation<C>| {
            now.saturating_duration_since(generation.since) >= self.0.lifetime
        };
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        if !is_old(&current) {
            return Arc::clone(&current);
        }
        drop(current);
        let mut current = self.lock();
        // Unless another request was quicker.
        if is_old(&current) {
            self.0.replace(&mut current, now);
        }
        Arc::clone(&current)
    }

    /// Discards the connections of a client on which a request failed, unless another request has already done so.
    pub(super) fn retire(&self, failed: &Generation<C>, now: Instant) {
        let mut current = self.lock();
        if current.number == failed.number && self.0.make.is_some() {
            debug!(target: super::LOG, "a connection failed: all idle connections are discarded");
            self.0.replace(&mut current, now);
        }
    }

    /// What a failed request tells about the other connections of its client.
    ///
    /// A broken connection casts doubt on all connections of the same age. A timeout does so only if the request was sent
    /// on an old connection: on a new one, the server was slow.
    pub(super) fn note_failure(
        &self,
        generation: &Generation<C>,
        error: &TransportError,
        is_reused: bool,
    ) {
        let is_suspect = match error.kind() {
            TransportErrorKind::Network | TransportErrorKind::InvalidResponse => true,
            TransportErrorKind::Timeout => is_reused,
            TransportErrorKind::Unsupported => false,
        };
        if is_suspect && error.may_have_been_sent() {
            self.retire(generation, Instant::now());
        }
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Arc<Generation<C>>> {
        self.0.current.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Inner<C> {
    /// Requests in flight keep the old client until they end. Then its connections are closed.
    fn replace(&self, current: &mut Arc<Generation<C>>, now: Instant) {
        match self.make.as_ref().map(|make| make()) {
            Some(Ok(client)) => {
                let number = current.number + 1;
                *current = Arc::new(Generation { client, number, since: now });
            }
            Some(Err(error)) => {
                warn!(target: super::LOG, "could not replace the old connections, which stay in use: {error}");
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::{Error, ErrorKind};

    const LIFETIME: Duration = Duration::from_secs(300);

    /// Numbers as clients, until none is left.
    fn numbers(available: u32) -> Generations<u32> {
        let next = AtomicU32::new(0);
        let make = move || match next.fetch_add(1, Ordering::SeqCst) {
            number if number < available => Ok(number),
            _ => Err(Error::new(ErrorKind::Configuration, "no more")),
        };
        Generations::made_by(make, LIFETIME).unwrap()
    }

    #[test]
    fn a_client_is_used_for_its_lifetime() {
        let generations = numbers(10);
        let began = generations.current(Instant::now()).since;
        for (after, client) in [(0, 0), (299, 0), (300, 1), (599, 1), (600, 2), (9000, 3)] {
            let now = began + Duration::from_secs(after);
            assert_eq!(generations.current(now).client, client, "after {after} s");
        }
    }

    #[test]
    fn a_failure_retires_only_the_client_it_happened_on() {
        let generations = numbers(10);
        let now = Instant::now();
        let failed = generations.current(now);
        for _ in 0..16 {
            generations.retire(&failed, now);
        }
        assert_eq!(generations.current(now).client, 1);
        generations.retire(&generations.current(now), now);
        assert_eq!(generations.clone().current(now).client, 2);
    }

    #[test]
    fn a_client_that_cannot_be_replaced_stays() {
        for generations in [numbers(1), Generations::only(0)] {
            let now = Instant::now();
            generations.retire(&generations.current(now), now);
            assert_eq!(generations.current(now + 2 * LIFETIME).client, 0);
        }
        assert!(numbers(1).is_renewed() && !Generations::only(0).is_renewed());
    }
}

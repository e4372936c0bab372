//! How the blocking client connects: like ureq, except that names are looked up and TLS is set up once per connection
//! instead of once per request.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Error, Proxy};

use super::wire::{Forward, Wire};

/// An error while connecting: no byte of the request was sent.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NotConnected(pub(super) Error);

thread_local! {
    /// Whether a connection was made on this thread since the last check.
    static CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a closure that sends a request on this thread. Also returns whether the request needed a new connection.
pub(super) fn connects_in<T>(work: impl FnOnce() -> T) -> (T, bool) {
    CONNECTED.set(false);
    let done = work();
    (done, CONNECTED.get())
}

/// Looks up a name if the pool has no connection to the host, within the limit of connecting. Clones share the TLS
/// sessions.
#[derive(Debug, Clone)]
pub(super) struct LazyConnector<R> {
    inner: Arc<DefaultConnector>,
    resolver: R,
    /// The proxy that forwards whole requests instead of opening a tunnel.
    forward: Option<Proxy>,
}

impl<R: Resolver> LazyConnector<R> {
    pub(super) fn new(resolver: R, forward: Option<Proxy>) -> Self {
        Self { inner: Arc::default(), resolver, forward }
    }

    fn look_up(
        &self,
        details: &ConnectionDetails<'_>,
        uri: &Uri,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let is_proxys_work = |proxy: &Proxy| !proxy.resolve_target() && !proxy.is_no_proxy(uri);
        if !details.addrs.is_empty() || details.config.proxy().is_some_and(is_proxys_work) {
            return Ok(details.addrs.clone());
        }
        self.resolver.resolve(uri, details.config, details.timeout)
    }

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
    ) -> Result<Option<Box<dyn Transport>>, Error> {
        let began = Instant::now();
        let forward = self.forward.as_ref();
        let uri = forward.map_or(details.uri, Proxy::uri);
        let addrs = self.look_up(details, uri)?;
        let forward = forward.map(|proxy| Forward::new(details.uri, proxy));
        let details = ConnectionDetails {
            uri,
            addrs,
            config: details.config,
            // The settings of a request never change TLS here. Otherwise ureq would set up TLS for each connection, read
            // the platform's roots from disk, and have no session to resume.
            request_level: false,
            resolver: &self.resolver,
            now: (details.current_time)(),
            timeout: after(began.elapsed(), details.timeout),
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let connection = self.inner.connect(&details, None)?;
        CONNECTED.set(connection.is_some());
        Ok(connection
            .map(|connection| -> Box<dyn Transport> { Box::new(Wire::new(connection, forward)) }))
    }
}

impl<R: Resolver> Connector for LazyConnector<R> {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.connect(details).map_err(|error| Error::Other(Box::new(NotConnected(error))))
    }
}

/// Returns the remaining time of a limit.
fn after(elapsed: std::time::Duration, limit: NextTimeout) -> NextTimeout {
    match limit.after {
        Duration::Exact(after) => {
            NextTimeout { after: after.saturating_sub(elapsed).into(), ..limit }
        }
        Duration::NotHappening => limit,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Uri;
    use ureq::Agent;
    use ureq::config::Config;

    use super::super::resolver::NoLookup;
    use super::*;

    #[derive(Debug)]
    struct CountingLookup {
        found: SocketAddr,
        count: Arc<AtomicUsize>,
    }

    impl Resolver for CountingLookup {
        fn resolve(
            &self,
            _: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, Error> {
            self.count.fetch_add(1, Ordering::SeqCst);
            let mut addresses = self.empty();
            addresses.push(self.found);
            Ok(addresses)
        }
    }

    /// Accepts one connection for each number, and serves that many requests on it. The last response announces the close;
    /// otherwise the next request might be sent on a connection that is being closed.
    fn serve(requests: &'static [usize]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for &count in requests {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                for number in 1..=count {
                    let mut line = String::new();
                    while stream.read_line(&mut line).unwrap() > 2 {
                        line.clear();
                    }
                    let connection = if number == count { "close" } else { "keep-alive" };
                    let response = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n"
                    );
                    stream.get_mut().write_all(response.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    #[test]
    fn a_name_is_looked_up_for_a_new_connection_only() {
        let found = serve(&[3, 1]);
        let count = Arc::new(AtomicUsize::new(0));
        let connector =
            LazyConnector::new(CountingLookup { found, count: Arc::clone(&count) }, None);
        let agent = Agent::with_parts(Config::builder().proxy(None).build(), connector, NoLookup);
        for lookups in [1, 1, 1, 2] {
            agent.get("http://contoso.example/").call().unwrap();
            assert_eq!(count.load(Ordering::SeqCst), lookups);
        }
    }
}

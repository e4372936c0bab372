//! Name resolution for ureq, which requests it before every request, even if it reuses a connection.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;

use http::Uri;
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The maximum number of addresses that ureq accepts.
const MAX_ADDRESSES: usize = 16;

/// A host and its port.
type Target = (String, u16);

/// A resolver that finds nothing. The connector looks up names when it needs them.
#[derive(Debug)]
pub(super) struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// Asks the system's resolver. Nothing is cached here, so that a failover is followed.
#[derive(Debug, Clone)]
pub(super) struct SystemLookup;

impl Resolver for SystemLookup {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let bad = || Error::BadUri("no host".to_owned());
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']);
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default_port);

        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => look_up_within(&(host.to_owned(), port), timeout)?,
        };
        let mut resolved = self.empty();
        let family = config.ip_family();
        let wanted = family.keep_wanted(addresses.into_iter());
        wanted.take(MAX_ADDRESSES).for_each(|address| resolved.push(address));
        if resolved.is_empty() { Err(Error::HostNotFound) } else { Ok(resolved) }
    }
}

/// The system's resolver has no time limit, so it runs on a separate thread. If no thread can be started, it runs without a
/// limit.
fn look_up_within(target: &Target, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let asked = target.clone();
    let spawned =
        std::thread::Builder::new().name("eventhub-checkpointstore-dns".into()).spawn(move || {
            // If this fails, nobody is waiting any longer.
            let _ = sender.send(asked.to_socket_addrs().map(Iterator::collect));
        });
    if spawned.is_err() {
        return Ok(target.to_socket_addrs()?.collect());
    }
    match receiver.recv_timeout(*timeout.after) {
        Ok(addresses) => Ok(addresses?),
        Err(_) => Err(Error::Timeout(timeout.reason)),
    }
}

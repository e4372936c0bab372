//! Name resolution for ureq, which asks for it before every request, also when it reuses a connection, and
//! spawns a thread each time to keep the limit.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use http::Uri;
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Shorter than the minute for which Azure's storage names are valid, so that a failover is followed.
const KEPT: Duration = Duration::from_secs(30);
/// As many as ureq takes.
const MAX_ADDRESSES: usize = 16;

/// A host and its port.
type Target = (String, u16);
type Known = HashMap<Target, (Instant, Vec<SocketAddr>)>;

#[derive(Debug, Default)]
pub(super) struct CachingResolver {
    known: Mutex<Known>,
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let bad = || Error::BadUri("no host".to_owned());
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_owned();
        let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let target = (host, uri.port_u16().unwrap_or(default_port));

        let known = self.known(&target);
        let addresses = match known {
            Some(addresses) => addresses,
            None => self.look_up(target, timeout)?,
        };
        let mut resolved = self.empty();
        let family = config.ip_family();
        let wanted = family.keep_wanted(addresses.into_iter());
        wanted.take(MAX_ADDRESSES).for_each(|address| resolved.push(address));
        if resolved.is_empty() { Err(Error::HostNotFound) } else { Ok(resolved) }
    }
}

impl CachingResolver {
    fn known(&self, target: &Target) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = target.0.parse() {
            return Some(vec![SocketAddr::new(address, target.1)]);
        }
        let known = self.lock();
        let (at, addresses) = known.get(target)?;
        (at.elapsed() < KEPT).then(|| addresses.clone())
    }

    fn look_up(&self, target: Target, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
        let addresses = look_up_within(&target, timeout)?;
        self.lock().insert(target, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The system's resolver knows no limit, so it is asked on a thread; where none can be had, without a limit.
fn look_up_within(target: &Target, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let asked = target.clone();
    let spawned =
        std::thread::Builder::new().name("eventhub-checkpointstore-dns".into()).spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.send(asked.to_socket_addrs().map(Iterator::collect));
        });
    if spawned.is_err() || timeout.after.is_not_happening() {
        return Ok(target.to_socket_addrs()?.collect());
    }
    match receiver.recv_timeout(*timeout.after) {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Timeout(timeout.reason)),
    }
}

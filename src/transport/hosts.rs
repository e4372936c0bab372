//! The clients of an account: one for all its hosts, or one for each host if they are reached in different ways.

use std::sync::Arc;

use http::Uri;

use super::generations::Generations;
use super::proxy::ChosenProxy;
use super::{Target, TransportError, TransportOptions};
use crate::error::Result;

/// How a host is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Whether the host uses https.
    pub(super) secure: bool,
    pub(super) proxy: Option<ChosenProxy>,
}

impl Route {
    /// Returns whether TLS is needed, to the host or to the proxy.
    pub(super) fn has_tls(&self) -> bool {
        self.secure || self.proxy.as_ref().is_some_and(|proxy| proxy.secure)
    }
}

/// The clients of all hosts. Clones share them.
#[derive(Clone)]
pub(super) struct Hosts<C> {
    /// The client of all other hosts.
    first: Reached<C>,
    /// The host and port that is reached in a different way, with its client.
    other: Option<(String, u16, Reached<C>)>,
}

/// The clients of a host, and the host and port of the proxy that they use.
#[derive(Clone)]
pub(super) struct Reached<C> {
    pub(super) client: Generations<C>,
    proxy: Option<Arc<str>>,
}

impl<C> Reached<C> {
    fn by(client: Generations<C>, route: &Route) -> Self {
        let proxy = route.proxy.as_ref().map(|proxy| proxy.name.as_str().into());
        Self { client, proxy }
    }

    /// Adds to an error what the client knows of the way to the host.
    pub(super) fn explain(&self, error: TransportError) -> TransportError {
        match &self.proxy {
            Some(proxy) => error.through(Arc::clone(proxy)),
            None => error,
        }
    }
}

impl<C: Clone> Hosts<C> {
    /// Uses one client for all hosts, in ways that only it knows.
    pub(super) fn all(client: Generations<C>) -> Self {
        Self { first: Reached { client, proxy: None }, other: None }
    }

    /// Makes the clients for the primary host and for the secondary, if there is one.
    ///
    /// # Errors
    ///
    /// A proxy cannot be used, or a client cannot be made.
    pub(super) fn connect(
        options: &TransportOptions,
        primary: Target<'_>,
        secondary: Option<Target<'_>>,
        client: impl Fn(&Route) -> Result<Generations<C>>,
    ) -> Result<Self> {
        let route = |target: Target<'_>| {
            let proxy = ChosenProxy::choose(&options.proxy, target)?;
            Ok(Route { secure: target.secure, proxy })
        };
        let first = route(primary)?;
        let mut hosts = Self { first: Reached::by(client(&first)?, &first), other: None };
        if let Some(target) = secondary {
            let other = route(target)?;
            if other != first {
                let reached = Reached::by(client(&other)?, &other);
                hosts.other = Some((target.host.to_owned(), target.port, reached));
            }
        }
        Ok(hosts)
    }

    /// Returns the clients for a URL.
    pub(super) fn reach(&self, url: &Uri) -> &Reached<C> {
        let port = || match url.port_u16() {
            Some(port) => port,
            None if url.scheme_str() == Some("https") => 443,
            None => 80,
        };
        match &self.other {
            Some((host, number, other)) if url.host() == Some(host) && port() == *number => other,
            _ => &self.first,
        }
    }
}

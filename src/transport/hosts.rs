//! The clients of an account: one for all its hosts, or one for each host if they are reached in different ways.

use http::Uri;

use super::generations::Generations;
use super::proxy::ChosenProxy;
use super::{Target, TransportOptions};
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
    first: Generations<C>,
    /// The host and port that is reached in a different way, with its client.
    other: Option<(String, u16, Generations<C>)>,
}

impl<C: Clone> Hosts<C> {
    pub(super) fn all(client: Generations<C>) -> Self {
        Self { first: client, other: None }
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
        let mut hosts = Self::all(client(&first)?);
        if let Some(target) = secondary {
            let other = route(target)?;
            if other != first {
                hosts.other = Some((target.host.to_owned(), target.port, client(&other)?));
            }
        }
        Ok(hosts)
    }

    /// Returns the clients for a URL.
    pub(super) fn client(&self, url: &Uri) -> &Generations<C> {
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

//! The builder of an event hub, with all options.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::Credential;
use super::super::runtime::eventhubs::token_source;
use super::EventHub;
use crate::amqp::{
    Address, ConnectionString, Connector, Hub, HubOptions, TokenSource, split_endpoint,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ConsumerGroup, may_be_secret};
use crate::transport::ProxyOptions;

/// A builder for an event hub. [`build`](Self::build) checks all options and sends nothing.
///
#[doc = example!("eventhubs_builder/event_hub_builder")]
#[must_use = "nothing exists before `build`"]
pub struct EventHubBuilder {
    target: Target,
    consumer_group: String,
    credential: Option<Credential>,
    custom_endpoint: Option<String>,
    root_certificates: Vec<Vec<u8>>,
    websockets: bool,
    proxy: ProxyOptions,
    connect_timeout: Duration,
    request_timeout: Duration,
    open_timeout: Duration,
    idle_timeout: Duration,
    max_prefetch_bytes: usize,
}

enum Target {
    Named { namespace: String, eventhub_name: String },
    ConnectionString { text: Zeroizing<String>, eventhub_name: Option<String> },
}

impl EventHubBuilder {
    pub(super) fn new(namespace: &str, eventhub_name: &str, consumer_group: &str) -> Self {
        let (namespace, eventhub_name) = (namespace.to_owned(), eventhub_name.to_owned());
        Self::with_target(Target::Named { namespace, eventhub_name }, consumer_group)
    }

    pub(super) fn from_connection_string<'a>(
        text: &str,
        consumer_group: &str,
        eventhub_name: impl Into<Option<&'a str>>,
    ) -> Self {
        let target = Target::ConnectionString {
            text: Zeroizing::new(text.to_owned()),
            eventhub_name: eventhub_name.into().map(str::to_owned),
        };
        Self::with_target(target, consumer_group)
    }

    fn with_target(target: Target, consumer_group: &str) -> Self {
        Self {
            target,
            consumer_group: consumer_group.to_owned(),
            credential: None,
            custom_endpoint: None,
            root_certificates: Vec::new(),
            websockets: false,
            proxy: ProxyOptions::default(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(20),
            open_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            max_prefetch_bytes: 16 * 1024 * 1024,
        }
    }

    /// Sets the credential, which provides tokens of Microsoft Entra ID for the scope
    /// `https://eventhubs.azure.net/.default`. It takes precedence over the key in a connection string.
    ///
    #[doc = example!("eventhubs/new")]
    pub fn credential(mut self, credential: impl Into<Credential>) -> Self {
        self.credential = Some(credential.into());
        self
    }

    /// Connects to an address other than the namespace's own, such as `amqps://10.0.0.4:5671` or
    /// `amqp://127.0.0.1:5672` (without TLS). It may be a private endpoint, a gateway, or a test double. Checkpoints
    /// still use the names of the namespace.
    ///
    #[doc = example!("eventhubs_builder/custom_endpoint")]
    pub fn custom_endpoint(mut self, url: impl Into<String>) -> Self {
        self.custom_endpoint = Some(url.into());
        self
    }

    /// Adds a trusted root certificate in PEM. The platform's roots are then no longer used.
    ///
    #[doc = example!("eventhubs_builder/root_certificate")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Sets whether to use AMQP over WebSockets on port 443, for networks that allow nothing else. Default: no.
    ///
    #[doc = example!("eventhubs_builder/websockets")]
    #[cfg(feature = "amqp-websockets")]
    #[cfg_attr(docsrs, doc(cfg(feature = "amqp-websockets")))]
    pub fn websockets(mut self, websockets: bool) -> Self {
        self.websockets = websockets;
        self
    }

    /// Sets the HTTP proxy for the connection, which must support `CONNECT`. Default: the proxy in the environment, for
    /// WebSockets only, because such proxies rarely allow the AMQP port. A proxy that is set here is used with and
    /// without WebSockets.
    ///
    #[doc = example!("eventhubs_builder/proxy")]
    pub fn proxy(mut self, proxy: ProxyOptions) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets the time limit for connecting, from the name lookup to the end of the AMQP handshake. Default: 10 s.
    ///
    #[doc = example!("eventhubs_builder/timeouts")]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the time limit of one request: a token, an attach, or a read of properties. Default: 20 s.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs_builder/timeouts"))]
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// Sets how long to retry the first link of a reader, and a later link that the service refuses, for example
    /// because a permission or the event hub is missing. After other failures, later links are retried without a limit.
    /// Default: 60 s.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs_builder/timeouts"))]
    pub fn open_timeout(mut self, limit: Duration) -> Self {
        self.open_timeout = limit;
        self
    }

    /// Sets how long a connection may be silent before it counts as broken. The service is asked to send something more
    /// often than that. Default: 60 s.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs_builder/timeouts"))]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = limit;
        self
    }

    /// Sets approximately how many bytes of unread events each reader may hold. This limits the prefetch of large
    /// events, but one event is always fetched. Default: 16 MiB.
    ///
    #[doc = example!("eventhubs_builder/max_prefetch_bytes")]
    pub fn max_prefetch_bytes(mut self, bytes: usize) -> Self {
        self.max_prefetch_bytes = bytes;
        self
    }

    /// Creates the event hub. Nothing is sent yet.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs_builder/event_hub_builder"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name, the connection string or the custom
    /// endpoint is not valid. [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if there is no token
    /// credential, a token would be sent without TLS, TLS lacks its Cargo feature, or a time limit is too short.
    pub fn build(self) -> Result<EventHub> {
        let (group, mut address, tokens) = self.resolve()?;
        if let Some(url) = &self.custom_endpoint {
            (address.host, address.port, address.secure) = split_endpoint(url)?;
        }
        if matches!(tokens, TokenSource::Credential(_)) && !address.secure {
            return Err(configuration("tokens of Microsoft Entra ID are only sent over TLS"));
        }
        for (name, limit) in [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            if limit < Duration::from_millis(10) {
                return Err(configuration(format!("{name} must be at least 10 ms")));
            }
        }
        let connector = Connector::new(&address, &self.proxy, &self.root_certificates)?;
        let hub = Hub::new(HubOptions {
            group: group.clone(),
            connector,
            tokens,
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            open_timeout: self.open_timeout,
            idle_timeout: self.idle_timeout,
            max_prefetch_bytes: self.max_prefetch_bytes,
        });
        Ok(EventHub::over(hub, group))
    }

    fn address(&self, host: String, port: Option<u16>, secure: bool) -> Address {
        Address { host, port, secure, websockets: self.websockets }
    }

    fn resolve(&self) -> Result<(ConsumerGroup, Address, TokenSource)> {
        let given = self.credential.as_ref().map(token_source).transpose()?;
        match &self.target {
            Target::Named { namespace, eventhub_name } => {
                let group = ConsumerGroup::new(namespace, eventhub_name, &self.consumer_group)?;
                let tokens = given.ok_or_else(|| {
                    configuration(
                        "the credential is missing: pass a token credential, or use a connection string",
                    )
                })?;
                let address = self.address(namespace.clone(), None, true);
                Ok((group, address, tokens))
            }
            Target::ConnectionString { text, eventhub_name } => {
                let parsed = ConnectionString::parse(text)?;
                let name = parsed.eventhub_name(eventhub_name.as_deref())?;
                let group = ConsumerGroup::new(&parsed.host, name, &self.consumer_group)?;
                let secure = !parsed.emulator;
                let address = self.address(parsed.host, parsed.port, secure);
                Ok((group, address, given.unwrap_or_else(|| parsed.credential.into())))
            }
        }
    }
}

fn configuration(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

impl fmt::Debug for EventHubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is not checked yet, and may be the connection string in the wrong place.
        let is_shown = !may_be_secret(&self.consumer_group);
        let consumer_group = if is_shown { self.consumer_group.as_str() } else { ".." };
        f.debug_struct("EventHubBuilder")
            .field("consumer_group", &consumer_group)
            .field("custom_endpoint", &self.custom_endpoint.is_some())
            .finish_non_exhaustive()
    }
}

//! The configuration of a double.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ServerConfig;

/// How the double writes the offset of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OffsetStyle {
    /// The byte position of the event in its partition: `"0"`, `"70"`, `"140"`.
    #[default]
    BytePosition,
    /// The three-part text of a geo-replicated namespace: `"1:70:1"`. It shows whether a client keeps offsets as
    /// the opaque text they are.
    GeoReplicated,
}

/// The event hub to imitate.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Name of the event hub.
    pub eventhub_name: String,
    /// Number of partitions; their ids are `"0"`, `"1"` and so on.
    pub partitions: usize,
    /// How offsets are written.
    pub offset_style: OffsetStyle,
    /// How long the double waits before it settles a request and before it responds to it. A response that comes back
    /// at once can hang clients on fe2o3-amqp below 0.18.2, which the official client is.
    pub settle_delay: Duration,
    /// How many events of a link may be on their way and not yet settled; at least 1. The service sends as many as
    /// the link has credit (the client's prefetch), and waits for no settlement: Python's client never settles an event, so
    /// it needs `usize::MAX`. Here more than 1 is for other clients than the official one: fe2o3-amqp responds to a detach
    /// when it arrives, events that are queued follow the response (but see `whole_performatives`), and the official client
    /// (fe2o3-amqp 0.16) loses its session, then its connection, to an event for a link that is gone.
    pub in_flight: usize,
    /// Writes frames as the service does: with every field of a performative, which Python's client needs, and with nothing
    /// late behind the end of a link or a session, which JavaScript's needs. Others are faster without.
    pub whole_performatives: bool,
    /// Speaks AMQP over WebSockets only.
    pub websockets: bool,
    /// Speaks TLS, with this certificate.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Config {
    /// A hub of that name, with byte positions as offsets a settle delay of 5 ms, and one event in flight.
    pub fn new(eventhub_name: impl Into<String>, partitions: usize) -> Self {
        Self {
            eventhub_name: eventhub_name.into(),
            partitions,
            offset_style: OffsetStyle::default(),
            settle_delay: Duration::from_millis(5),
            in_flight: 1,
            whole_performatives: false,
            websockets: false,
            tls: None,
        }
    }

    /// Sets how offsets are written.
    #[must_use]
    pub fn offset_style(mut self, style: OffsetStyle) -> Self {
        self.offset_style = style;
        self
    }

    /// Sets the delay before responses.
    #[must_use]
    pub fn settle_delay(mut self, delay: Duration) -> Self {
        self.settle_delay = delay;
        self
    }

    /// Writes frames as the service does.
    #[must_use]
    pub fn whole_performatives(mut self) -> Self {
        self.whole_performatives = true;
        self
    }

    /// Speaks AMQP over WebSockets.
    #[must_use]
    pub fn websockets(mut self) -> Self {
        self.websockets = true;
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Sets how many events of a link may be on their way.
    #[must_use]
    pub fn in_flight(mut self, events: usize) -> Self {
        self.in_flight = events;
        self
    }
}

//! The clients that are compared.

mod bare;
#[cfg(feature = "official")]
mod official;
mod ours;

use std::sync::Arc;

use firehose::Content;
use tokio::runtime::{Builder, Runtime};

use crate::meter::{Measured, Meter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A loop around the receiver of fe2o3-amqp, which decodes and counts.
    Bare,
    /// `EventHubConsumerClient::receive_batch`, async.
    Aio,
    /// The same, blocking.
    Blocking,
    /// `azure_messaging_eventhubs`.
    Official,
}

/// Where the server is. With a certificate it speaks TLS.
pub struct Endpoint {
    pub port: u16,
    pub pem: Option<String>,
}

impl Kind {
    #[cfg(feature = "official")]
    pub const ALL: &[Self] = &[Self::Bare, Self::Aio, Self::Blocking, Self::Official];
    #[cfg(not(feature = "official"))]
    pub const ALL: &[Self] = &[Self::Bare, Self::Aio, Self::Blocking];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Aio => "async",
            Self::Blocking => "blocking",
            Self::Official => "official",
        }
    }

    pub fn named(name: &str) -> Self {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        *found.unwrap_or_else(|| panic!("no client is called {name}"))
    }

    /// The official client takes no certificate.
    pub fn can(self, secure: bool) -> bool {
        self != Self::Official || !secure
    }

    pub fn receive(self, endpoint: &Endpoint, content: Content) -> Measured {
        let meter = Arc::new(Meter::new(content));
        match self {
            Self::Bare => {
                runtime().block_on(bare::receive(endpoint, content, Arc::clone(&meter)));
            }
            Self::Aio => runtime().block_on(ours::receive(endpoint, content, Arc::clone(&meter))),
            Self::Blocking => ours::receive_blocking(endpoint, content, Arc::clone(&meter)),
            #[cfg(feature = "official")]
            Self::Official => {
                runtime().block_on(official::receive(endpoint, content, Arc::clone(&meter)));
            }
            #[cfg(not(feature = "official"))]
            Self::Official => unreachable!("it is not in this build"),
        }
        meter.measured()
    }
}

/// The same for all async clients.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

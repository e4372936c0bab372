//! The handle that a test holds, and the listener behind it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::hub::{Hub, Partition};
use crate::seats::AttachedReceiver;
use crate::{Config, Counters, connection};

/// A running double. It stops, and cuts its connections, when it is dropped.
#[derive(Debug)]
pub struct EventHubsDouble {
    address: SocketAddr,
    hub: Arc<Hub>,
    listener: JoinHandle<()>,
}

impl EventHubsDouble {
    /// Starts a double on a free port of 127.0.0.1, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// No port could be bound.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let hub = Arc::new(Hub::new(config));
        let listener = tokio::spawn(listen(listener, Arc::clone(&hub)));
        Ok(Self { address, hub, listener })
    }

    /// `amqp://127.0.0.1:{port}`, the custom endpoint for the client.
    pub fn endpoint(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Appends an event and returns its sequence number; the first one of a partition is 0.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn append(&self, partition_id: &str, body: impl Into<Vec<u8>>) -> i64 {
        self.fill(partition_id, [body]).start
    }

    /// Appends many events as neighbours and returns their sequence numbers.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn fill<B: Into<Vec<u8>>>(
        &self,
        partition_id: &str,
        bodies: impl IntoIterator<Item = B>,
    ) -> Range<i64> {
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(Into::into).collect();
        let count = bodies.len() as i64;
        let end = self.partition(partition_id).log.append(bodies.into_iter());
        end - count..end
    }

    /// The offset of an event, as receivers see it; `None` when the partition has no such event.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn offset(&self, partition_id: &str, sequence_number: i64) -> Option<String> {
        let index = usize::try_from(sequence_number).ok()?;
        let events = self.partition(partition_id).log.read(index, 1);
        events.first().map(|event| event.offset.clone())
    }

    /// The receivers that are attached now, in the order in which they came.
    pub fn receivers(&self) -> Vec<AttachedReceiver> {
        self.hub.seats.receivers()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.hub.counters()
    }

    fn partition(&self, id: &str) -> &Partition {
        let hub = &self.hub;
        hub.partition(id).unwrap_or_else(|| panic!("hub {} has no partition {id}", hub.name))
    }
}

impl Drop for EventHubsDouble {
    fn drop(&mut self) {
        // Connections, sessions and links live in nested `JoinSet`s below this task, so they end with it.
        self.listener.abort();
    }
}

async fn listen(listener: TcpListener, hub: Arc<Hub>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection::serve(stream, Arc::clone(&hub)));
    }
}

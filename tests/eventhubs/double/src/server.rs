//! The handle that a test holds, and the listener behind it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::faults::{AttachFault, ReplyFault, Target};
use crate::hub::{Hub, Partition};
use crate::log::{Content, now_millis};
use crate::request_response::Node;
use crate::seats::AttachedReceiver;
use crate::wire::{self, Wire};
use crate::{Config, Counters, connection, websocket};

/// The size of the buffer in each direction of a connection.
const BUFFER: usize = 256 * 1024;

/// A running double. It stops, and cuts its connections, when it is dropped.
#[derive(Debug)]
pub struct EventHubsDouble {
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    websockets: bool,
    as_the_service: bool,
    hub: Arc<Hub>,
    wire: Arc<watch::Sender<Wire>>,
    accepted: Arc<AtomicU64>,
    listener: Mutex<JoinHandle<()>>,
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
        let (tls, websockets) = (config.tls.clone(), config.websockets);
        let as_the_service = config.whole_performatives;
        let double = Self {
            address,
            tls,
            websockets,
            as_the_service,
            hub: Arc::new(Hub::new(config)),
            wire: Arc::new(watch::Sender::new(Wire::default())),
            accepted: Arc::default(),
            listener: Mutex::new(tokio::spawn(async {})),
        };
        double.listen_on(listener);
        Ok(double)
    }

    fn listen_on(&self, listener: TcpListener) {
        let door = Door {
            listener,
            speech: Arc::new(Speech {
                tls: self.tls.clone().map(TlsAcceptor::from),
                websockets: self.websockets,
                as_the_service: self.as_the_service,
            }),
            hub: Arc::clone(&self.hub),
            wire: Arc::clone(&self.wire),
            accepted: Arc::clone(&self.accepted),
        };
        *self.listener() = tokio::spawn(door.listen());
    }

    fn listener(&self) -> MutexGuard<'_, JoinHandle<()>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts all connections and refuses new ones, until it is started again.
    pub fn stop(&self) {
        self.listener().abort();
    }

    /// Listens on the same port again, with the same events.
    ///
    /// # Errors
    ///
    /// The port could not be bound.
    pub async fn start_again(&self) -> io::Result<()> {
        self.listen_on(TcpListener::bind(self.address).await?);
        Ok(())
    }

    /// Cuts the connections that are open.
    pub fn cut_connections(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        self.wire.send_modify(|wire| wire.cut_before = accepted);
    }

    /// Lets the connections that are open stay open without a byte in either direction.
    pub fn silence_connections(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        self.wire.send_modify(|wire| wire.silent_before = accepted);
    }

    /// Ignores the ends of sessions from here on. Their links go on.
    pub fn ignore_ends(&self) {
        self.wire.send_modify(|wire| wire.hides_ends = true);
    }

    /// Detaches the receive links of a partition, with a condition as `amqp:link:detach-forced`.
    pub fn detach(&self, partition_id: &str, condition: &str) {
        let target = Target::Partition(partition_id.to_string());
        self.hub.faults.detach(target, condition, "as the test wants it");
    }

    /// Detaches all receive links.
    pub fn detach_all(&self, condition: &str) {
        self.hub.faults.detach(Target::AllPartitions, condition, "as the test wants it");
    }

    /// Detaches the links of `$management`, as the service does with idle ones.
    pub fn detach_management(&self, condition: &str) {
        self.hub.faults.detach(Target::Management, condition, "as the test wants it");
    }

    /// Lets the next attach of a receive link fail; those behind it for further calls.
    pub fn fail_attach(&self, fault: AttachFault) {
        self.hub.faults.add_attach(fault);
    }

    /// Lets the next request for properties fail.
    pub fn fail_management(&self, fault: ReplyFault) {
        self.hub.faults.add_reply(Node::Management, fault);
    }

    /// Lets the next put of a token fail.
    pub fn fail_token(&self, fault: ReplyFault) {
        self.hub.faults.add_reply(Node::Cbs, fault);
    }

    /// The audiences and the texts of the tokens that were put, in their order.
    pub fn tokens(&self) -> Vec<(String, String)> {
        self.hub.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
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
    pub fn append(&self, partition_id: &str, body: impl Into<Content>) -> i64 {
        self.fill(partition_id, [body]).start
    }

    /// Appends many events as neighbours and returns their sequence numbers.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn fill<B: Into<Content>>(
        &self,
        partition_id: &str,
        bodies: impl IntoIterator<Item = B>,
    ) -> Range<i64> {
        self.fill_aged(partition_id, Duration::ZERO, bodies)
    }

    /// As [`fill`](Self::fill), with events that came so long ago, but not before those that are there.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn fill_aged<B: Into<Content>>(
        &self,
        partition_id: &str,
        age: Duration,
        bodies: impl IntoIterator<Item = B>,
    ) -> Range<i64> {
        let bodies: Vec<Content> = bodies.into_iter().map(Into::into).collect();
        let count = bodies.len() as i64;
        let enqueued = now_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let end = self.partition(partition_id).log.append_at(enqueued, bodies.into_iter());
        end - count..end
    }

    /// How many events a partition has: the sequence number of the next one.
    ///
    /// # Panics
    ///
    /// There is no such partition.
    pub fn length(&self, partition_id: &str) -> i64 {
        *self.partition(partition_id).log.length().borrow() as i64
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

    /// Returns the counters of everything that happened so far.
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
        self.listener().abort();
    }
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    speech: Arc<Speech>,
    hub: Arc<Hub>,
    wire: Arc<watch::Sender<Wire>>,
    accepted: Arc<AtomicU64>,
}

/// The layers around AMQP.
struct Speech {
    tls: Option<TlsAcceptor>,
    websockets: bool,
    as_the_service: bool,
}

impl Door {
    async fn listen(self) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = self.listener.accept().await {
            while connections.try_join_next().is_some() {}
            // Small frames go back and forth one by one: Nagle's algorithm would add 40 ms to many of them.
            let _ = stream.set_nodelay(true);
            let id = self.accepted.fetch_add(1, Ordering::SeqCst);
            let (near, far) = duplex(BUFFER);
            connections.spawn(connection::serve(far, Arc::clone(&self.hub)));
            let speech = Arc::clone(&self.speech);
            connections.spawn(carried(stream, speech, near, id, self.wire.subscribe()));
        }
    }
}

async fn carried(
    stream: TcpStream,
    speech: Arc<Speech>,
    near: DuplexStream,
    id: u64,
    wire: watch::Receiver<Wire>,
) {
    match &speech.tls {
        None => carry(stream, &speech, near, id, wire).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                carry(stream, &speech, near, id, wire).await;
            }
        }
    }
}

async fn carry(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    speech: &Speech,
    near: DuplexStream,
    id: u64,
    wire: watch::Receiver<Wire>,
) {
    if !speech.websockets {
        return wire::carry(stream, near, speech.as_the_service, id, wire).await;
    }
    if let Some(stream) = websocket::accept(stream).await {
        wire::carry(stream, near, speech.as_the_service, id, wire).await;
    }
}

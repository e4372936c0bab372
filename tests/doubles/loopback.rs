//! A scriptable HTTP/1.1 server on 127.0.0.1 that records what it is sent, byte for byte, and misbehaves on request.
//!
//! Use it for what needs sockets: connections, TLS, proxies, cut and slow bodies, the exact bytes of a client. It knows
//! nothing of blobs; its handler may be a [`blob_service`](super::blob_service). Its time is real, so use a `Script` for
//! long waits, retries and deadlines.
//!
//! One thread per connection, std only (rustls for TLS). Dropping the server closes every connection, hung ones included.

mod connection;
mod http_date;
mod recorded;
mod reply;
mod shared;
mod tls;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub use http_date::http_date;
pub use recorded::{Recorded, percent_decode};
pub use reply::{Delivered, Reply};
pub use shared::Death;
pub use tls::TlsIdentity;

use shared::{Replies, Shared};

/// How long `drop` waits for the threads to see that their sockets are shut down; then they are detached.
const DROP_PATIENCE: Duration = Duration::from_millis(80);

/// A running server. It stops when it is dropped.
pub struct Loopback {
    shared: Arc<Shared>,
    address: SocketAddr,
    identity: Option<TlsIdentity>,
}

impl Loopback {
    /// Serves every request with `handler`, which is called on the connection's own thread.
    pub fn start(handler: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(Replies::Handler(Box::new(handler)), None)
    }

    /// Serves the replies in the order in which requests arrive, over all connections.
    ///
    /// A request beyond the script gets a 500 that says so, and counts as [`unexpected`](Self::unexpected).
    pub fn script(replies: Vec<Reply>) -> Self {
        Self::serve(Replies::script(replies), None)
    }

    /// [`start`](Self::start) over TLS, for `localhost` and `127.0.0.1`. All servers of a process share the authority.
    pub fn start_tls(handler: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_tls_as(&tls::LOCALHOST, handler)
    }

    /// [`start`](Self::start) over TLS with a given identity: a wrong host name, or several servers with one authority.
    pub fn start_tls_as(
        identity: &TlsIdentity,
        handler: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Replies::Handler(Box::new(handler)), Some(identity.clone()))
    }

    /// Accepts connections and never reads from them.
    pub fn never_reading() -> Self {
        Self::serve(Replies::NeverRead, None)
    }

    /// A port of 127.0.0.1 that refuses connections for as long as the process lives.
    pub fn refusing_port() -> u16 {
        // A port that was merely free a moment ago may be another test's server by now. The near end of a connection
        // keeps its port occupied, and nobody listens there.
        static OCCUPIED: OnceLock<(TcpListener, TcpStream)> = OnceLock::new();
        let (_, near_end) = OCCUPIED.get_or_init(|| {
            let (listener, address) = bind();
            let near_end = TcpStream::connect(address).expect("a connection to ourselves");
            (listener, near_end)
        });
        near_end.local_addr().expect("a socket's address").port()
    }

    /// Closes a connection that has waited this long for its next request, without a word, as the real service does.
    pub fn with_idle_close(self, after: Duration) -> Self {
        self.shared.state().idle_close = Some(after);
        self
    }

    fn serve(replies: Replies, identity: Option<TlsIdentity>) -> Self {
        let (listener, address) = bind();
        let shared = Arc::new(Shared::new(replies));
        let tls = identity.as_ref().map(TlsIdentity::server_config);
        let for_acceptor = Arc::clone(&shared);
        thread::spawn(move || connection::accept(listener, &for_acceptor, tls.as_ref()));
        Self { shared, address, identity }
    }

    /// `http://127.0.0.1:port`, or `https://…`, without a trailing slash.
    pub fn url(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate authority of a TLS server, to be trusted by its clients.
    ///
    /// # Panics
    ///
    /// If the server was started without TLS.
    pub fn ca_pem(&self) -> &str {
        self.identity.as_ref().expect("only a TLS server has a certificate authority").ca_pem()
    }

    /// The requests that were read completely, in the order of arrival, since the start or the last [`clear`](Self::clear).
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.state().requests.clone()
    }

    /// Forgets the recorded requests. Indexes, connections and other counts run on.
    pub fn clear(&self) {
        self.shared.state().requests.clear();
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.state().accepted
    }

    /// Connections that are open now.
    ///
    /// A client's close is noticed while the server waits, also in a delay or a hang, but not inside a handler.
    pub fn open_connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Requests beyond the end of the script.
    pub fn unexpected(&self) -> usize {
        self.shared.state().unexpected
    }

    /// Requests that were not HTTP/1.1, and handlers that panicked.
    pub fn protocol_errors(&self) -> Vec<String> {
        self.shared.state().protocol_errors.clone()
    }

    /// Completed TLS handshakes, resumed ones included.
    pub fn handshakes(&self) -> usize {
        self.shared.state().handshakes
    }

    /// Completed TLS handshakes that resumed an earlier session.
    pub fn resumed_handshakes(&self) -> usize {
        self.shared.state().resumed_handshakes
    }

    /// Closes every connection that is open now, as a service does that restarts; the server goes on.
    pub fn close_connections(&self) {
        self.shared.shut_down_connections();
    }

    /// From now on all connections that are open are dead, without the client being told; new ones are served.
    pub fn forget_connections(&self, death: Death) {
        self.shared.update(|state| state.dead = Some((state.accepted, death)));
    }

    /// Waits until `count` requests are recorded; `false` if that did not happen in time.
    pub fn wait_for_requests(&self, count: usize, patience: Duration) -> bool {
        self.shared.wait_until(patience, |state| state.requests.len() >= count)
    }

    /// Waits until exactly `count` connections are open; `false` if that did not happen in time.
    pub fn wait_for_open_connections(&self, count: usize, patience: Duration) -> bool {
        self.shared.wait_until(patience, |state| state.open.len() == count)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        let deadline = Instant::now() + DROP_PATIENCE;
        self.shared.state().stopping = true;
        self.shared.shut_down_connections();
        // `accept` has no timeout in std: a connection of our own wakes it up.
        drop(TcpStream::connect_timeout(&self.address, DROP_PATIENCE / 2));
        self.shared.wait_until(deadline.saturating_duration_since(Instant::now()), |state| {
            state.open.is_empty() && state.acceptor_stopped
        });
    }
}

fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on 127.0.0.1");
    let address = listener.local_addr().expect("a bound socket's address");
    (listener, address)
}

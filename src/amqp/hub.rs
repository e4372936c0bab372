//! The connection of an event hub, which all its partitions share. It is opened on demand, authorized, and reopened
//! when it breaks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::primitives::Timestamp;
use fe2o3_amqp::{Connection, Session};
use fe2o3_amqp_cbs::client::CbsClient;
use fe2o3_amqp_cbs::token::CbsToken;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::fault::Fault;
use super::management::Clients;
use super::screen::Screened;
use super::stream::Connector;
use super::token::{Token, TokenSource};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ConsumerGroup;

/// The frame size that the service accepts and the other SDKs request.
const MAX_FRAME_SIZE: u32 = 64 * 1024;
/// How long a caller waits for the end of a session.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// The initial and the maximum pause between two attempts to connect.
const CONNECT_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// The options of an event hub: how to reach it, and its limits.
#[derive(Debug, Clone)]
pub(crate) struct HubOptions {
    pub(crate) group: ConsumerGroup,
    pub(crate) connector: Connector,
    pub(crate) tokens: TokenSource,
    /// The time limit for connecting, from the name lookup to the end of the AMQP open.
    pub(crate) connect_timeout: Duration,
    /// The time limit of one request: an attach, a token, or a read of properties.
    pub(crate) request_timeout: Duration,
    /// A connection that is silent for this long counts as broken.
    pub(crate) idle_timeout: Duration,
    /// How long to retry the first link of a reader, or a later link that the service refuses.
    pub(crate) open_timeout: Duration,
    /// The maximum size, in bytes, of the events that a reader holds before its caller takes them.
    pub(crate) max_prefetch_bytes: usize,
}

/// An event hub, shared by everything that reads it.
pub(crate) struct Hub {
    pub(super) options: HubOptions,
    connection: Mutex<Slot>,
    token: Mutex<Option<Token>>,
    pub(super) clients: Clients,
    closed: watch::Sender<bool>,
}

/// The connection, or the earliest time of the next attempt to open one.
#[derive(Default)]
struct Slot {
    live: Option<Live>,
    generation: u64,
    retry_at: Option<Instant>,
    backoff: Backoff,
}

struct Live {
    handle: ConnectionHandle<()>,
    generation: u64,
    /// Stops the renewal of the token when it is dropped.
    _renewal: oneshot::Sender<()>,
}

impl Hub {
    pub(crate) fn new(options: HubOptions) -> Arc<Self> {
        let backoff = Backoff::new(CONNECT_BACKOFF.0, CONNECT_BACKOFF.1);
        Arc::new(Self {
            options,
            connection: Mutex::new(Slot { backoff, ..Slot::default() }),
            token: Mutex::default(),
            clients: Clients::default(),
            closed: watch::Sender::new(false),
        })
    }

    /// Ends all readers, then closes the connection.
    async fn close(&self) {
        self.closed.send_replace(true);
        self.clients.close().await;
        let live = self.connection.lock().await.live.take();
        if let Some(mut live) = live {
            let limit = self.options.request_timeout;
            let _ = timeout(limit, live.handle.close()).await;
        }
    }

    pub(crate) async fn close_all(self: Arc<Self>) -> Result<()> {
        self.close().await;
        Ok(())
    }

    pub(crate) fn max_prefetch_bytes(&self) -> usize {
        self.options.max_prefetch_bytes
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    pub(super) fn subscribe_closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Waits until the hub is closed.
    pub(super) async fn closed(&self) {
        // This cannot fail: the sender lives as long as `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Begins a session on the connection. Opens the connection first if there is none.
    ///
    /// Only the engine's own tasks may call this. A future that is dropped halfway ends the connection.
    pub(super) async fn session(self: &Arc<Self>) -> Result<SessionHandle<()>, Fault> {
        loop {
            let pause = {
                let mut slot = self.connection.lock().await;
                if self.is_closed() {
                    return Err(closed());
                }
                if slot.live.as_ref().is_some_and(|live| live.handle.is_closed()) {
                    slot.live = None;
                }
                match slot.retry_at.filter(|at| slot.live.is_none() && *at > Instant::now()) {
                    Some(at) => at,
                    None => return self.session_on(&mut slot).await,
                }
            };
            // Another task has just failed to connect. All tasks wait for the next attempt, which serves them all.
            tokio::select! {
                () = sleep_until(pause) => {}
                () = self.closed() => return Err(closed()),
            }
        }
    }

    async fn session_on(self: &Arc<Self>, slot: &mut Slot) -> Result<SessionHandle<()>, Fault> {
        if slot.live.is_none() {
            slot.generation += 1;
            match self.connect(slot.generation).await {
                Ok(live) => {
                    slot.backoff.reset();
                    slot.retry_at = None;
                    slot.live = Some(live);
                }
                Err(fault) => {
                    slot.retry_at = Some(Instant::now() + slot.backoff.next_pause());
                    return Err(fault);
                }
            }
        }
        let Some(live) = &mut slot.live else { return Err(closed()) };
        let begun = begin(&mut live.handle, self.options.request_timeout).await;
        if begun.is_err() {
            // If the peer does not begin a session, the connection is lost, or soon will be.
            slot.live = None;
        }
        begun
    }

    async fn connect(self: &Arc<Self>, generation: u64) -> Result<Live, Fault> {
        let options = &self.options;
        let opened = tokio::select! {
            opened = timeout(options.connect_timeout, self.open()) => opened,
            () = self.closed() => return Err(closed()),
        };
        let mut handle = match opened {
            Ok(opened) => opened?,
            Err(_) => return Err(Fault::timeout("connecting", options.connect_timeout)),
        };
        let token = self.token().await?;
        let session = begin(&mut handle, options.request_timeout).await?;
        put_token(session, self.audience(), &token, options.request_timeout)
            .await
            .inspect_err(|fault| self.forget_if_refused(fault))?;
        log::debug!(target: super::LOG, "connected to {}", options.connector);
        let (renewal, stopped) = oneshot::channel();
        tokio::spawn(renew(Arc::downgrade(self), generation, token, stopped));
        Ok(Live { handle, generation, _renewal: renewal })
    }

    async fn open(&self) -> Result<ConnectionHandle<()>, Fault> {
        let stream = self.options.connector.connect().await?;
        let idle = u32::try_from(self.options.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        let opened = Connection::builder()
            .container_id(format!("eventhub-checkpointstore-{:016x}", fastrand::u64(..)))
            // The stream already does TLS where it is needed, so the AMQP stack must not.
            .scheme("amqp")
            .hostname(self.options.group.fully_qualified_namespace())
            .sasl_profile(SaslProfile::Anonymous)
            .max_frame_size(MAX_FRAME_SIZE)
            .idle_time_out(idle)
            .open_with_stream(Screened::new(stream, MAX_FRAME_SIZE))
            .await?;
        Ok(opened)
    }

    /// Returns the resource that the token is for: the event hub with all its consumer groups.
    fn audience(&self) -> String {
        let group = &self.options.group;
        format!("sb://{}/{}", group.fully_qualified_namespace(), group.eventhub_name())
    }

    /// Returns the last token while it is fresh, otherwise a new one.
    pub(super) async fn token(&self) -> Result<Token, Fault> {
        let mut kept = self.token.lock().await;
        let now = SystemTime::now();
        if let Some(token) = kept.as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(token.clone());
        }
        let limit = self.options.request_timeout;
        let token = self.options.tokens.token(&self.audience(), now, limit).await;
        let token = token.map_err(|error| Fault::Transient(error, Duration::ZERO))?;
        *kept = Some(token.clone());
        Ok(token)
    }

    /// Forgets the token if the service refused it, so that it is not used again.
    pub(super) fn forget_if_refused(&self, fault: &Fault) {
        let Fault::Refused(error) = fault else { return };
        if error.kind() == ErrorKind::AccessDenied
            && let Ok(mut kept) = self.token.try_lock()
        {
            *kept = None;
        }
    }

    /// Puts a new token on the connection of the given generation. Returns `None` if that connection is gone.
    async fn renew(self: &Arc<Self>, generation: u64) -> Result<Option<Token>, Fault> {
        let token = self.token().await?;
        let limit = self.options.request_timeout;
        let session = {
            let mut slot = self.connection.lock().await;
            match &mut slot.live {
                Some(live) if live.generation == generation => {
                    begin(&mut live.handle, limit).await?
                }
                _ => return Ok(None),
            }
        };
        let put = put_token(session, self.audience(), &token, limit).await;
        put.inspect_err(|fault| self.forget_if_refused(fault))?;
        Ok(Some(token))
    }
}

/// Keeps the token of a connection fresh until the connection is gone.
async fn renew(
    hub: std::sync::Weak<Hub>,
    generation: u64,
    mut token: Token,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    let mut pause = token.renew_in(SystemTime::now());
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            _ = &mut stopped => return,
        }
        let Some(hub) = hub.upgrade() else { return };
        if !hub.options.tokens.can_renew() {
            return;
        }
        match hub.renew(generation).await {
            Ok(Some(renewed)) => {
                log::debug!(target: super::LOG, "renewed the token for {}", hub.options.group);
                backoff.reset();
                token = renewed;
                // Some services return the same token again and again. Its remaining life shrinks, so the pause needs a
                // minimum.
                pause = token.renew_in(SystemTime::now()).max(Duration::from_secs(1));
            }
            Ok(None) => return,
            Err(fault) => {
                let error = fault.into_error();
                log::warn!(target: super::LOG, "could not renew the token for {}: {error}", hub.options.group);
                pause = backoff.next_pause();
            }
        }
    }
}

pub(super) fn closed() -> Fault {
    Fault::Refused(Error::new(ErrorKind::Other, "the event hub was closed"))
}

async fn begin(
    handle: &mut ConnectionHandle<()>,
    limit: Duration,
) -> Result<SessionHandle<()>, Fault> {
    match timeout(limit, Session::begin(handle)).await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(Fault::timeout("beginning a session", limit)),
    }
}

/// Puts the token on a connection through a new link, because the service detaches idle `$cbs` links.
async fn put_token(
    session: SessionHandle<()>,
    audience: String,
    token: &Token,
    limit: Duration,
) -> Result<(), Fault> {
    let token = token.clone();
    let put = in_background(
        "authorizing the connection",
        limit,
        async move { put_on(session, audience, &token, limit).await },
        |()| std::future::ready(()),
    );
    put.await.map_err(|fault| match fault {
        Fault::Refused(error) => Fault::Refused(error.with_action("authorize with the event hub")),
        other => other,
    })
}

async fn put_on(
    mut session: SessionHandle<()>,
    audience: String,
    token: &Token,
    limit: Duration,
) -> Result<(), Fault> {
    let expiry = token.expires_on.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let expiry = i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX);
    let expiry = Timestamp::from_milliseconds(expiry);
    let text = CbsToken::new(token.text.as_str(), token.kind, Some(expiry));
    let mut client = CbsClient::attach(&mut session).await?;
    let put = timeout(limit, client.put_token(audience, text)).await;
    end_session(session, client).await;
    match put {
        Ok(put) => Ok(put?),
        Err(_) => Err(Fault::timeout("authorizing the connection", limit)),
    }
}

/// Ends a session while its links are alive, because links that are dropped in mid-stream end the connection. Waits for a
/// moment only. A task waits on, for as long as the connection lives.
pub(super) async fn end_session(mut session: SessionHandle<()>, links: impl Send + 'static) {
    let ending = tokio::spawn(async move {
        let _ = session.end().await;
        drop(links);
    });
    let _ = timeout(END_PATIENCE, ending).await;
}

/// Runs a future in a task and waits for it. The task goes on if the caller stops waiting, because a future that is
/// dropped during an attach ends the connection. A success that nobody waits for any more goes to `late`.
pub(super) async fn in_background<T, L>(
    what: &str,
    limit: Duration,
    future: impl Future<Output = Result<T, Fault>> + Send + 'static,
    late: impl FnOnce(T) -> L + Send + 'static,
) -> Result<T, Fault>
where
    T: Send + 'static,
    L: Future<Output = ()> + Send,
{
    let (report, reported) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Ok(outcome)) = report.send(future.await) {
            late(outcome).await;
        }
    });
    match timeout(limit, reported).await {
        Ok(Ok(outcome)) => outcome,
        // The runtime is shutting down, or the task has panicked.
        Ok(Err(_)) => Err(Fault::transient(ErrorKind::Other, format!("{what} was cancelled"))),
        Err(_) => Err(Fault::timeout(what, limit)),
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}

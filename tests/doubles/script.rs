//! A transport without a network: a script responds, and time passes only where the script or a wait says so.
//!
//! Use it for retries, deadlines, tokens and lost responses: hours pass at once. Each surface mounts it, since it implements
//! that surface's `Transport`. It shows nothing about the real clients; for them use a `Loopback`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::{BodySink, SendLimits, TransportError};

use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential, Transport};
use super::support::blob_service::BlobService;
use super::support::loopback::{Delivered, Recorded, Reply};
use super::{maybe_async, pause};

pub const HOST: &str = "acct.blob.example";
pub const SECONDARY: &str = "acct-secondary.blob.example";
/// When every script begins.
pub fn start() -> SystemTime {
    httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").unwrap()
}

/// A request that the script was asked to respond to.
#[derive(Clone, Debug)]
pub struct Sent {
    pub host: String,
    pub request: Recorded,
    /// Since the start, by the virtual clock.
    pub at: Duration,
    /// The time limit of the request.
    pub timeout: Duration,
    /// It must not be sent on a connection that was open before.
    pub new_connection: bool,
    /// Its response was asked for in chunks.
    pub is_streamed: bool,
}

/// As many bytes of a body come at once.
const CHUNK: usize = 777;

impl Sent {
    pub fn header(&self, name: &str) -> &str {
        self.request.header(name).unwrap_or_default()
    }

    pub fn is_secondary(&self) -> bool {
        self.host == SECONDARY
    }
}

/// The outcome of one request.
#[derive(Debug)]
pub struct Step {
    result: Result<http::Response<Bytes>, TransportError>,
    takes: Duration,
}

impl Step {
    /// The connection ends without a response; whether the request arrived is unknown.
    pub fn broken() -> Self {
        Self::failed(TransportError::network("scripted reset"))
    }

    pub fn failed(error: TransportError) -> Self {
        Self { result: Err(error), takes: Duration::ZERO }
    }

    /// Nothing comes until the time of the request is over.
    pub fn silence(sent: &Sent) -> Self {
        Self::failed(TransportError::timeout("scripted silence")).after(sent.timeout)
    }

    pub fn after(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    pub fn reply(sent: &Sent, reply: Reply) -> Self {
        let is_silence = matches!(reply.delivered(), Delivered::Nothing);
        if is_silence { Self::silence(sent) } else { Self::reply_now(reply) }
    }

    /// A response that is not silence.
    pub fn reply_now(reply: Reply) -> Self {
        match reply.delivered() {
            Delivered::Response(status, headers, body) => {
                let mut response = http::Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let result = Ok(response.body(Bytes::from(body)).unwrap());
                Self { result, takes: Duration::ZERO }
            }
            Delivered::Broken | Delivered::Nothing => Self::broken(),
        }
    }
}

type Handler = dyn Fn(&Sent) -> Step + Send + Sync;

/// A handle; clones share one script.
#[derive(Clone)]
pub struct Script(Arc<Inner>);

struct Inner {
    started: Instant,
    handler: Box<Handler>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passed: Duration,
    /// The time of the wall clock at the start, if not the usual one.
    clock: Option<SystemTime>,
    /// How long a wait takes in reality.
    patience: Duration,
    sent: Vec<Sent>,
    slept: Vec<Duration>,
}

impl Script {
    pub fn new(handler: impl Fn(&Sent) -> Step + Send + Sync + 'static) -> Self {
        let (started, state) = (Instant::now(), Mutex::default());
        Self(Arc::new(Inner { started, handler: Box::new(handler), state }))
    }

    /// The double of the service responds, with its faults.
    pub fn over(service: &BlobService) -> Self {
        let service = service.clone();
        Self::new(move |sent| Step::reply(sent, service.handle(&sent.request)))
    }

    /// Sets the wall clock.
    pub fn with_clock(self, time: SystemTime) -> Self {
        self.state().clock = Some(time);
        self
    }

    /// Lets waits take real time, too, so that what races against one can win.
    pub fn patient(self) -> Self {
        self.state().patience = Duration::from_secs(2);
        self
    }

    /// A store over this script, signing with an account key.
    pub fn store(&self) -> BlobCheckpointStore {
        self.builder().build().unwrap()
    }

    pub fn builder(&self) -> BlobCheckpointStoreBuilder {
        BlobCheckpointStore::builder(&format!("https://{HOST}"), "checkpoints")
            .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
            .transport(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// `PUT`, `PUT metadata`, `GET list` …: enough to tell the operations apart.
    pub fn operations(&self) -> Vec<String> {
        let name = |sent: &Sent| match sent.request.query("comp") {
            Some(comp) => format!("{} {comp}", sent.request.method),
            None => sent.request.method.clone(),
        };
        self.state().sent.iter().map(name).collect()
    }

    pub fn hosts(&self) -> Vec<&'static str> {
        let name = |sent: &Sent| if sent.is_secondary() { "secondary" } else { "primary" };
        self.state().sent.iter().map(name).collect()
    }

    pub fn slept(&self) -> Vec<Duration> {
        self.state().slept.clone()
    }

    /// Since the start.
    pub fn passed(&self) -> Duration {
        self.state().passed
    }

    pub fn advance(&self, by: Duration) {
        self.state().passed += by;
    }

    pub fn clear(&self) {
        let mut state = self.state();
        state.sent.clear();
        state.slept.clear();
    }

    fn carry_out(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        is_streamed: bool,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let sent = {
            let mut state = self.state();
            let sent = Sent {
                host: request.uri().host().unwrap_or_default().to_owned(),
                at: state.passed,
                timeout: options.timeout,
                new_connection: options.new_connection,
                is_streamed,
                request: recorded(state.sent.len(), request),
            };
            state.sent.push(sent.clone());
            sent
        };
        let step = (self.0.handler)(&sent);
        self.advance(step.takes);
        step.result
    }
}

#[maybe_async]
impl Transport for Script {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        self.carry_out(request, options, false)
    }

    async fn send_streamed(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<http::Response<()>, TransportError> {
        let (head, body) = self.carry_out(request, options, true)?.into_parts();
        body.chunks(CHUNK).for_each(|chunk| sink.write(head.status, chunk));
        Ok(http::Response::from_parts(head, ()))
    }

    async fn sleep(&self, duration: Duration) {
        let patience = self.state().patience;
        if !patience.is_zero() {
            pause(patience).await;
        }
        let mut state = self.state();
        state.passed += duration;
        state.slept.push(duration);
    }

    fn clock(&self) -> &dyn Clock {
        self
    }
}

impl Clock for Script {
    fn now(&self) -> Instant {
        self.0.started + self.passed()
    }

    fn system_time(&self) -> SystemTime {
        let state = self.state();
        state.clock.unwrap_or_else(start) + state.passed
    }
}

fn recorded(index: usize, request: http::Request<Bytes>) -> Recorded {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter();
    Recorded {
        index,
        connection: 0,
        method: request.method().to_string(),
        target: request.uri().path_and_query().unwrap().to_string(),
        headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
        raw_head: Vec::new(),
        body: request.into_body().to_vec(),
        at: Instant::now(),
    }
}

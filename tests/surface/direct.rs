//! A transport straight into the double of the Blob service: no sockets, no clock but its own, and other writers that
//! step in between two requests of one call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::{SendLimits, TransportError};
use http::{Request, Response};

use super::maybe_async;
use super::subject::Transport;
use super::support::blob_service::BlobService;
use super::support::loopback::Recorded;

#[derive(Clone)]
pub struct Direct {
    pub service: BlobService,
    clock: Arc<Mutex<Instant>>,
    requests: Arc<AtomicUsize>,
    intrusions: Arc<Mutex<Vec<(usize, Intrusion)>>>,
}

type Intrusion = Box<dyn FnOnce(&BlobService) + Send>;

impl Direct {
    pub fn new(service: BlobService) -> Self {
        Self {
            service,
            clock: Arc::new(Mutex::new(Instant::now())),
            requests: Arc::default(),
            intrusions: Arc::default(),
        }
    }

    /// How many requests were made; the next one has this index.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Lets another writer act just before the request of that index.
    pub fn intrude_before(
        &self,
        request: usize,
        intrusion: impl FnOnce(&BlobService) + Send + 'static,
    ) {
        self.intrusions.lock().unwrap().push((request, Box::new(intrusion)));
    }

    pub fn forget_intrusions(&self) {
        self.intrusions.lock().unwrap().clear();
    }

    fn respond(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let index = self.requests.fetch_add(1, Ordering::Relaxed);
        let due: Vec<_> =
            self.intrusions.lock().unwrap().extract_if(.., |(at, _)| *at <= index).collect();
        due.into_iter().for_each(|(_, intrusion)| intrusion(&self.service));
        let reply = self.service.handle(&recorded(index, request));
        let Some((status, headers, body)) = reply.response() else {
            return Err(TransportError::network("the connection was closed"));
        };
        let is_head = request.method() == http::Method::HEAD;
        let body = if is_head { Bytes::new() } else { Bytes::copy_from_slice(body) };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(body).unwrap())
    }
}

fn recorded(index: usize, request: &Request<Bytes>) -> Recorded {
    let headers = request.headers().iter();
    Recorded {
        index,
        connection: 0,
        method: request.method().to_string(),
        target: request.uri().path_and_query().unwrap().to_string(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        raw_head: Vec::new(),
        body: request.body().to_vec(),
        at: Instant::now(),
    }
}

#[maybe_async]
impl Transport for Direct {
    async fn send(
        &self,
        request: Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        self.respond(&request)
    }

    async fn sleep(&self, duration: Duration) {
        *self.clock.lock().unwrap() += duration;
    }

    fn clock(&self) -> &dyn Clock {
        self
    }
}

impl Clock for Direct {
    fn now(&self) -> Instant {
        *self.clock.lock().unwrap()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }
}

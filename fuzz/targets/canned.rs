//! A store whose service always gives the same response.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential, Transport};
use eventhub_checkpointstore::{BodySink, ConsumerGroup, SendLimits, TransportError};
use http::{Request, Response};

/// Responds to each request alike, and remembers their targets.
#[derive(Clone)]
pub struct Canned {
    response: Response<Bytes>,
    /// As many bytes of a body come at once; all of them by default.
    chunk: usize,
    pub targets: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub fn new(response: Response<Bytes>) -> Self {
        Self { response, chunk: usize::MAX, targets: Arc::default() }
    }

    pub fn in_chunks_of(self, chunk: usize) -> Self {
        Self { chunk, ..self }
    }

    pub fn store(&self) -> BlobCheckpointStore {
        store_over(self.clone())
    }
}

impl Transport for Canned {
    fn send(
        &self,
        request: Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut targets = self.targets.lock().expect("the lock");
        targets.push(request.uri().to_string());
        let mut response = Response::new(self.response.body().clone());
        *response.status_mut() = self.response.status();
        *response.headers_mut() = self.response.headers().clone();
        Ok(response)
    }

    fn send_streamed(
        &self,
        request: Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<Response<()>, TransportError> {
        let (head, body) = self.send(request, options)?.into_parts();
        body.chunks(self.chunk).for_each(|chunk| sink.write(head.status, chunk));
        Ok(Response::from_parts(head, ()))
    }

    fn sleep(&self, _duration: Duration) {}
}

pub fn store_over(transport: impl Transport + 'static) -> BlobCheckpointStore {
    BlobCheckpointStore::builder("https://acct.blob.core.windows.net", "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").expect("a key"))
        .transport(transport)
        .build()
        .expect("a store")
}

pub fn response(status: u16, body: &[u8]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(body));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("ns", "hub", "$Default").expect("a group")
}

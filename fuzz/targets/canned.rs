//! A store whose service always gives the same answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential, Transport};
use eventhub_checkpointstore::{BodySink, ConsumerGroup, SendLimits, TransportError};
use http::{Request, Response};

/// Answers each request alike, and remembers their targets.
#[derive(Clone)]
pub struct Canned {
    answer: Response<Bytes>,
    /// As many bytes of a body come at once; all of them by default.
    piece: usize,
    pub targets: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub fn new(answer: Response<Bytes>) -> Self {
        Self { answer, piece: usize::MAX, targets: Arc::default() }
    }

    pub fn in_pieces_of(self, piece: usize) -> Self {
        Self { piece, ..self }
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
        let mut answer = Response::new(self.answer.body().clone());
        *answer.status_mut() = self.answer.status();
        *answer.headers_mut() = self.answer.headers().clone();
        Ok(answer)
    }

    fn send_streamed(
        &self,
        request: Request<Bytes>,
        options: &SendLimits,
        sink: &mut dyn BodySink,
    ) -> Result<Response<()>, TransportError> {
        let (head, body) = self.send(request, options)?.into_parts();
        body.chunks(self.piece).for_each(|piece| sink.write(head.status, piece));
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

pub fn answer(status: u16, body: &[u8]) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    answer
}

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("ns", "hub", "$Default").expect("a group")
}

//! The store's own work, over a transport that answers at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob_aio::async_trait;
use eventhub_checkpointstore::{
    SendLimits, TransportError, checkpointstoreblob, checkpointstoreblob_aio,
};

use crate::run::Run;
use crate::surface::Aio;
use support::answers::{Answers, MARKER};
use support::bare::{Request, Signer, look_at};
use support::measure::{in_turns, middle_of, miss};
use support::target::{ACCOUNT, CONTAINER, ETAG, KEY, List, OFFSET, Work};
use support::{aio, blocking};

const URL: &str = "http://127.0.0.1:1/devstoreaccount1";

/// Answers every request at once, and keeps the requests if it is told to.
#[derive(Clone, Default)]
struct Instant {
    pages: Vec<Bytes>,
    sent: Option<Arc<Mutex<Vec<http::request::Parts>>>>,
}

impl Instant {
    fn with_pages(answers: &Answers) -> Self {
        let pages = answers.page_bodies().map(Bytes::copy_from_slice).to_vec();
        Self { pages, ..Self::default() }
    }

    fn answer(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let is_second = request.uri().query().is_some_and(|query| query.contains("&marker="));
        if let Some(sent) = &self.sent {
            sent.lock().expect("no panic before").push(request.into_parts().0);
        }
        let body = self.pages.get(usize::from(is_second)).cloned().unwrap_or_default();
        let answer = http::Response::builder()
            .header("x-ms-version", "2019-07-07")
            .header("x-ms-meta-offset", OFFSET)
            .header("etag", ETAG)
            .header("date", "Sun, 22 Nov 2026 10:05:07 GMT")
            .body(body);
        answer.expect("a valid answer")
    }
}

impl checkpointstoreblob::Transport for Instant {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        Ok(self.answer(request))
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

#[async_trait]
impl checkpointstoreblob_aio::Transport for Instant {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        Ok(self.answer(request))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn signing_store(transport: Instant) -> blocking::Store {
    use checkpointstoreblob::{BlobCheckpointStore, Credential};
    let credential = Credential::account_key(ACCOUNT, KEY).expect("a key");
    let builder = BlobCheckpointStore::builder(URL, CONTAINER).credential(credential);
    blocking::Store::over(builder.transport(transport).build().expect("a store"))
}

fn anonymous_store(transport: Instant) -> blocking::Store {
    use checkpointstoreblob::{BlobCheckpointStore, Credential};
    let builder = BlobCheckpointStore::builder(URL, CONTAINER).credential(Credential::anonymous());
    blocking::Store::over(builder.transport(transport).build().expect("a store"))
}

fn signing_aio_store(transport: Instant) -> aio::Store {
    use checkpointstoreblob_aio::{BlobCheckpointStore, Credential};
    let credential = Credential::account_key(ACCOUNT, KEY).expect("a key");
    let builder = BlobCheckpointStore::builder(URL, CONTAINER).credential(credential);
    aio::Store::over(builder.transport(transport).build().expect("a store"))
}

/// The bare clients do the same work only if they send the same requests and sign the same bytes.
pub fn check_that_requests_are_equal() {
    let runtime = Aio::one_thread().runtime;
    for work in [
        Work::Checkpoint,
        Work::ReadCheckpoint,
        Work::DeleteCheckpoint,
        Work::FirstClaim,
        Work::Renew(1),
        Work::Relinquish,
        Work::CreateContainer,
        Work::List(List::Long),
    ] {
        let expected = match work {
            Work::List(list) => {
                [None, Some(MARKER)].map(|marker| Request::page(list, marker)).to_vec()
            }
            _ => Request::of(work).into_iter().map(|(request, _)| request).collect(),
        };
        let blocking = sent(|transport| signing_store(transport).repeat(work, 1));
        let aio = sent(|transport| {
            runtime.block_on(signing_aio_store(transport).repeat(work, 1));
        });
        for sent in [blocking, aio] {
            assert_eq!(sent.len(), expected.len(), "{work:?}");
            sent.iter().zip(&expected).for_each(|(sent, expected)| compare(work, sent, expected));
        }
    }
}

fn sent(call: impl FnOnce(Instant)) -> Vec<http::request::Parts> {
    let requests = Arc::default();
    call(Instant { sent: Some(Arc::clone(&requests)), ..Instant::with_pages(&Answers::prepare()) });
    std::mem::take(&mut *requests.lock().expect("no panic before"))
}

fn compare(work: Work, sent: &http::request::Parts, expected: &Request) {
    let header = |name| sent.headers[name].to_str().expect("a text");
    let target = sent.uri.path_and_query().expect("a target").as_str();
    assert_eq!(sent.method.as_str(), expected.method, "{work:?}");
    assert_eq!(target, format!("{}{}", expected.path, expected.query), "{work:?}");
    let text = expected.text(header("x-ms-date"), header("x-ms-client-request-id"));
    assert_eq!(header("authorization"), Signer::new().authorization(&text), "{work:?}");
}

/// What signing adds to a call, beside the bare HMAC of the same bytes.
///
/// Signing is private, so it is what a call with a key costs more than an anonymous one.
pub fn signing(run: &mut Run) {
    const NAME: &str = "signing";
    const BOUND: f64 = 3.0;
    if !run.wants(NAME) {
        return;
    }
    let date = "Sun, 22 Nov 2026 10:05:07 GMT";
    let text = Request::checkpoint().text(date, "7a7a0a68-e01e-4012-9d0e-5c1a2b000000");
    let signer = Signer::new();
    let signed = signing_store(Instant::default());
    let anonymous = anonymous_store(Instant::default());
    let work = Work::Checkpoint;
    let costs = in_turns(
        run.effort(),
        &mut [
            &mut |count| {
                for _ in 0..count {
                    std::hint::black_box(signer.mac(text.as_bytes()));
                }
            },
            &mut |count| anonymous.repeat(work, count),
            &mut |count| signed.repeat(work, count),
        ],
    );
    let [hmac, anonymous, signed] =
        [0, 1, 2].map(|side| middle_of(&costs, |costs| costs[side].wall));
    let signing = middle_of(&costs, |costs| costs[2].wall - costs[1].wall);
    let ratio = middle_of(&costs, |costs| (costs[2].wall - costs[1].wall) / costs[0].wall);
    println!(
        "signing {} bytes: bare HMAC {hmac:.2} µs; a call without I/O {anonymous:.2} µs, signed {signed:.2} µs; \
         signing {signing:.2} µs, ratio {ratio:.2}, bound {BOUND:.2}",
        text.len()
    );
    run.judge(miss(NAME, ratio, Some(BOUND)));
}

/// Reading a list of 10,000 without I/O, beside looking at its names.
pub fn reading(run: &mut Run) {
    const NAME: &str = "reading a list of 10,000";
    if !run.wants(NAME) {
        return;
    }
    let answers = Answers::prepare();
    let pages = answers.page_bodies();
    let store = signing_store(Instant::with_pages(&answers));
    let prefix = List::Long.prefix();
    let costs = in_turns(
        run.effort(),
        &mut [
            &mut |count| {
                for _ in 0..count {
                    assert_eq!(pages.map(|page| look_at(page, &prefix).0), [5000, 5000]);
                }
            },
            &mut |count| store.repeat(Work::List(List::Long), count),
        ],
    );
    println!(
        "{NAME}, without I/O: CPU for names alone {:.0} µs, for all records {:.0} µs",
        middle_of(&costs, |costs| costs[0].cpu),
        middle_of(&costs, |costs| costs[1].cpu),
    );
    run.judge(None);
}

//! The store's own work, over a transport that answers at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential, Transport};
use eventhub_checkpointstore::{SendOptions, TransportError};

use crate::measure::{Effort, in_turns, middle_of};
use crate::support::answers::Answers;
use crate::support::bare::{Signer, checkpoint_text, look_at};
use crate::support::blocking;
use crate::support::target::{
    ACCOUNT, ENCODED_CHECKPOINTS, ETAG, KEY, SHORT, account_url, checkpoint, group,
};

type Sent = http::request::Parts;

/// Answers every request at once, and keeps the last one if it is told to.
#[derive(Clone, Default)]
struct Instant {
    pages: Vec<Bytes>,
    last: Option<Arc<Mutex<Option<Sent>>>>,
}

impl Transport for Instant {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _options: &SendOptions,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let is_second = request.uri().query().is_some_and(|query| query.contains("&marker="));
        if let Some(last) = &self.last {
            *last.lock().expect("no panic before") = Some(request.into_parts().0);
        }
        let body = self.pages.get(usize::from(is_second)).cloned().unwrap_or_default();
        let answer = http::Response::builder()
            .header("x-ms-version", "2019-07-07")
            .header("etag", ETAG)
            .header("date", "Sun, 22 Nov 2026 10:05:07 GMT")
            .body(body);
        Ok(answer.expect("a valid answer"))
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

fn store(credential: Credential, transport: Instant) -> BlobCheckpointStore {
    BlobCheckpointStore::builder(&account_url(1), SHORT)
        .credential(credential)
        .transport(transport)
        .build()
        .expect("a store")
}

fn account_key() -> Credential {
    Credential::account_key(ACCOUNT, KEY).expect("a key")
}

/// The last request of a store.
fn sent() -> Sent {
    let transport = Instant { last: Some(Arc::default()), ..Instant::default() };
    store(account_key(), transport.clone())
        .update_checkpoint(&checkpoint(960_180))
        .expect("a checkpoint");
    let last = transport.last.expect("it keeps it");
    last.lock().expect("no panic before").take().expect("a request")
}

/// The text that the store signed for a checkpoint.
fn signed_text(sent: &Sent) -> String {
    let header = |name| sent.headers[name].to_str().expect("a text");
    let path = format!("/{ACCOUNT}/{SHORT}/{ENCODED_CHECKPOINTS}0");
    assert_eq!(sent.uri.path(), path);
    checkpoint_text(&path, header("x-ms-date"), header("x-ms-client-request-id"), "960180")
}

/// The bare clients do the same work only if they sign the same bytes.
pub fn check_that_signatures_are_equal() {
    let sent = sent();
    let expected = Signer::new().authorization(&signed_text(&sent));
    assert_eq!(sent.headers["authorization"].to_str().expect("a text"), expected);
}

/// What signing adds to a call, beside the bare HMAC of the same bytes.
///
/// Signing is private, so it is what a call with a key costs more than an anonymous one.
pub fn signing(effort: Effort, wants: &dyn Fn(&str) -> bool) -> Vec<String> {
    const NAME: &str = "signing";
    const BOUND: f64 = 3.0;
    if !wants(NAME) {
        return Vec::new();
    }
    let text = signed_text(&sent());
    let signer = Signer::new();
    let signed = store(account_key(), Instant::default());
    let anonymous = store(Credential::anonymous(), Instant::default());
    let checkpoint = checkpoint(960_180);
    let call = |store: &BlobCheckpointStore, count: u32| {
        (0..count).for_each(|_| drop(store.update_checkpoint(&checkpoint).expect("an answer")));
    };
    let costs = in_turns(
        effort,
        &mut [
            &mut |count| {
                for _ in 0..count {
                    std::hint::black_box(signer.mac(text.as_bytes()));
                }
            },
            &mut |count| call(&anonymous, count),
            &mut |count| call(&signed, count),
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
    (ratio > BOUND).then(|| format!("{NAME}: {ratio:.2} > {BOUND:.2}")).into_iter().collect()
}

/// Reading a list of 10,000 without I/O, beside looking at its names.
pub fn reading(effort: Effort, wants: &dyn Fn(&str) -> bool) {
    const NAME: &str = "reading a list of 10,000";
    if !wants(NAME) {
        return;
    }
    let answers = Answers::prepare();
    let pages = answers.page_bodies();
    let transport =
        Instant { pages: pages.map(Bytes::copy_from_slice).to_vec(), ..Instant::default() };
    let store = store(account_key(), transport);
    let group = group();
    let costs = in_turns(
        effort,
        &mut [
            &mut |count| {
                for _ in 0..count {
                    assert_eq!(pages.map(|page| look_at(page).0), [5000, 5000]);
                }
            },
            &mut |count| (0..count).for_each(|_| blocking::list(&store, &group, 10_000)),
        ],
    );
    println!(
        "{NAME}, without I/O: CPU for names alone {:.0} µs, for all records {:.0} µs",
        middle_of(&costs, |costs| costs[0].cpu),
        middle_of(&costs, |costs| costs[1].cpu),
    );
}

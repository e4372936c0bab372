//! The works of the async surface, by the store and by a bare reqwest client.

use std::sync::Arc;

use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{ConsumerGroup, PartitionOwnership};
use futures_util::StreamExt;

use super::bare::{Signed, Signer, look_at};
use super::target::{ACCOUNT, KEY, account_url, checkpoint};

pub fn store(port: u16, container: &str) -> BlobCheckpointStore {
    let credential = Credential::account_key(ACCOUNT, KEY).expect("a key");
    BlobCheckpointStore::new(&account_url(port), container, credential).expect("a store")
}

pub async fn checkpoints(store: &BlobCheckpointStore, count: u32) {
    let checkpoint = checkpoint(960_180);
    for _ in 0..count {
        store.update_checkpoint(&checkpoint).await.expect("a checkpoint");
    }
}

pub async fn list(store: &BlobCheckpointStore, group: &ConsumerGroup, expected: usize) {
    let listing = store.list_checkpoints(group).await.expect("a list");
    assert_eq!(listing.items().len(), expected);
}

pub async fn renew(store: &BlobCheckpointStore, ownerships: &[PartitionOwnership]) {
    assert!(store.claim_ownership(ownerships).await.all_claimed());
}

/// Does the works as so many tasks at once.
pub async fn at_once<W>(callers: u32, work: impl Fn() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    let running: Vec<_> = (0..callers).map(|_| tokio::spawn(work())).collect();
    for task in running {
        task.await.expect("the task ends well");
    }
}

/// The plainest client. No roots are loaded, as the store loads none where there is no https.
fn client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    builder.build().expect("a client")
}

#[derive(Clone)]
pub struct Bare {
    client: reqwest::Client,
    signer: Signer,
    root: String,
}

impl Bare {
    pub fn new(port: u16) -> Self {
        Self { client: client(), signer: Signer::new(), root: format!("http://127.0.0.1:{port}") }
    }

    pub async fn checkpoints(&self, count: u32) {
        for _ in 0..count {
            self.put(self.signer.checkpoint(&self.root, 960_180)).await;
        }
    }

    async fn put(&self, signed: Signed) {
        let mut request = self.client.put(&signed.url);
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success() && answer.headers().contains_key("etag"));
        answer.bytes().await.expect("an empty body");
    }

    pub async fn list(&self, container: &str, expected: usize) {
        let mut names = 0;
        let mut marker = None;
        loop {
            let signed = self.signer.page(&self.root, container, marker.as_deref());
            let mut request = self.client.get(&signed.url);
            for (name, value) in signed.headers {
                request = request.header(name, value);
            }
            let answer = request.send().await.expect("an answer");
            assert!(answer.status().is_success());
            let (count, next) = look_at(&answer.bytes().await.expect("a body"));
            names += count;
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(names, expected);
    }

    /// Renews over 16 connections.
    pub async fn renew(&self, count: usize) {
        futures_util::stream::iter(0..count)
            .for_each_concurrent(16, |partition| {
                self.put(self.signer.renewal(&self.root, partition))
            })
            .await;
    }
}

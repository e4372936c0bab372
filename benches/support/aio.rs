//! The works of the async surface, by the store and by a bare reqwest client.

use std::sync::Arc;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{Checkpoint, Listing, ProxyOptions};
use futures_util::StreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::bare::{Request, Signed, Signer, look_at};
use super::target::{ACCOUNT, CONTAINER, Endpoint, Inputs, KEY, List, Work};

pub struct Store {
    store: BlobCheckpointStore,
    inputs: Inputs,
}

impl Store {
    pub fn new(endpoint: &Endpoint) -> Self {
        let credential = Credential::account_key(ACCOUNT, KEY).expect("a key");
        let builder = BlobCheckpointStore::builder(&endpoint.account_url(), CONTAINER)
            .credential(credential)
            .proxy(ProxyOptions::Disabled);
        let builder = match &endpoint.ca_pem {
            Some(pem) => builder.root_certificates(pem.as_bytes()),
            None => builder,
        };
        Self::over(builder.build().expect("a store"))
    }

    pub fn over(store: BlobCheckpointStore) -> Self {
        Self { store, inputs: Inputs::new() }
    }

    pub async fn repeat(&self, work: Work, count: u32) {
        for _ in 0..count {
            self.once(work).await;
        }
    }

    async fn once(&self, work: Work) {
        let Self { store, inputs } = self;
        match work {
            Work::Checkpoint | Work::FirstCheckpoint => {
                _ = store.update_checkpoint(&inputs.checkpoint).await.expect("a checkpoint");
            }
            Work::ReadCheckpoint => {
                let checkpoint = store.get_checkpoint(&inputs.group, "0").await.expect("an answer");
                assert!(checkpoint.is_some());
            }
            Work::DeleteCheckpoint => {
                store.delete_checkpoint(&inputs.group, "0").await.expect("an answer");
            }
            Work::FirstClaim => assert!(store.claim_ownership(&inputs.claim).await.all_claimed()),
            Work::Renew(count) => {
                assert!(store.claim_ownership(&inputs.ownerships[..count]).await.all_claimed());
            }
            Work::Relinquish => {
                assert!(store.relinquish_ownership(&inputs.ownerships[..1]).await.all_released());
            }
            Work::CreateContainer => {
                store.create_container_if_not_exists().await.expect("an answer");
            }
            Work::List(list) => assert_eq!(self.list(list).await, list.len()),
        }
    }

    async fn list(&self, list: List) -> usize {
        let Self { store, inputs } = self;
        match list {
            List::Checkpoints => store.list_checkpoints(&inputs.group).await.expect("a list").len(),
            List::Ownerships => store.list_ownership(&inputs.group).await.expect("a list").len(),
            List::Long => self.long_list().await.len(),
        }
    }

    /// A list of 10,000, to see what it holds.
    pub async fn long_list(&self) -> Listing<Checkpoint> {
        self.store.list_checkpoints(&self.inputs.long_group).await.expect("a list")
    }
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

/// The plainest client. Over http no roots are loaded, as the store loads none there.
fn client(endpoint: &Endpoint) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(pem) = &endpoint.ca_pem {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        roots.add(certificate).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    builder.build().expect("a client")
}

#[derive(Clone)]
pub struct Bare {
    client: reqwest::Client,
    signer: Signer,
    origin: String,
}

impl Bare {
    pub fn new(endpoint: &Endpoint) -> Self {
        Self { client: client(endpoint), signer: Signer::new(), origin: endpoint.origin() }
    }

    pub async fn repeat(&self, work: Work, count: u32) {
        for _ in 0..count {
            self.once(work).await;
        }
    }

    async fn once(&self, work: Work) {
        match work {
            Work::List(list) => self.list(list).await,
            Work::Renew(count) => self.renew(count).await,
            _ => {
                for (request, status) in Request::of(work) {
                    self.send(request, status).await;
                }
            }
        }
    }

    async fn send(&self, request: Request, status: u16) -> Bytes {
        let Signed { method, url, headers } = self.signer.sign(&self.origin, request);
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        assert!(answer.headers().contains_key("x-ms-version"));
        answer.bytes().await.expect("a body")
    }

    async fn list(&self, list: List) {
        let prefix = list.prefix();
        let mut names = 0;
        let mut marker = None;
        loop {
            let body = self.send(Request::page(list, marker.as_deref()), 200).await;
            let (count, next) = look_at(&body, &prefix);
            names += count;
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(names, list.len());
    }

    /// Renews over 16 connections.
    async fn renew(&self, count: usize) {
        futures_util::stream::iter(0..count)
            .for_each_concurrent(16, |partition| async move {
                self.send(Request::renewal(partition), 200).await;
            })
            .await;
    }
}

//! The works of the blocking surface, by the store and by a bare ureq agent.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{Checkpoint, Listing, ProxyOptions};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

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

    pub fn repeat(&self, work: Work, count: u32) {
        (0..count).for_each(|_| self.once(work));
    }

    fn once(&self, work: Work) {
        let Self { store, inputs } = self;
        match work {
            Work::Checkpoint | Work::FirstCheckpoint => {
                _ = store.update_checkpoint(&inputs.checkpoint).expect("a checkpoint");
            }
            Work::ReadCheckpoint => {
                let checkpoint = store.get_checkpoint(&inputs.group, "0").expect("an answer");
                assert!(checkpoint.is_some());
            }
            Work::DeleteCheckpoint => {
                store.delete_checkpoint(&inputs.group, "0").expect("an answer");
            }
            Work::FirstClaim => assert!(store.claim_ownership(&inputs.claim).all_claimed()),
            Work::Renew(count) => {
                assert!(store.claim_ownership(&inputs.ownerships[..count]).all_claimed());
            }
            Work::Relinquish => {
                assert!(store.relinquish_ownership(&inputs.ownerships[..1]).all_released());
            }
            Work::CreateContainer => {
                store.create_container_if_not_exists().expect("an answer");
            }
            Work::List(list) => assert_eq!(self.list(list), list.len()),
        }
    }

    fn list(&self, list: List) -> usize {
        let Self { store, inputs } = self;
        match list {
            List::Checkpoints => store.list_checkpoints(&inputs.group).expect("a list").len(),
            List::Ownerships => store.list_ownership(&inputs.group).expect("a list").len(),
            List::Long => store.list_checkpoints(&inputs.long_group).expect("a list").len(),
        }
    }

    /// A list of 10,000, to see what it holds.
    pub fn long_list(&self) -> Listing<Checkpoint> {
        self.store.list_checkpoints(&self.inputs.long_group).expect("a list")
    }
}

/// Does the work on so many threads at once.
pub fn at_once(callers: u32, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(&work);
        }
    });
}

pub struct Bare {
    agent: ureq::Agent,
    signer: Signer,
    origin: String,
}

impl Bare {
    pub fn new(endpoint: &Endpoint) -> Self {
        let config = ureq::config::Config::builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_idle_connections(16)
            .max_idle_connections_per_host(16);
        let config = match &endpoint.ca_pem {
            Some(pem) => config.tls_config(trusting(pem)),
            None => config,
        };
        Self { agent: config.build().into(), signer: Signer::new(), origin: endpoint.origin() }
    }

    pub fn repeat(&self, work: Work, count: u32) {
        (0..count).for_each(|_| self.once(work));
    }

    fn once(&self, work: Work) {
        match work {
            Work::List(list) => self.list(list),
            Work::Renew(count) => self.renew(count),
            _ => Request::of(work).into_iter().for_each(|(request, status)| {
                self.send(request, status);
            }),
        }
    }

    fn send(&self, request: Request, status: u16) -> Vec<u8> {
        let Signed { method, url, headers } = self.signer.sign(&self.origin, request);
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        let mut answer = self.agent.run(request).expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        assert!(answer.headers().contains_key("x-ms-version"));
        // Room for all of it, as the store makes.
        let length = answer.body().content_length().unwrap_or_default();
        let mut body = Vec::with_capacity(usize::try_from(length).expect("a length"));
        answer.body_mut().as_reader().read_to_end(&mut body).expect("a body");
        body
    }

    fn list(&self, list: List) {
        let prefix = list.prefix();
        let mut names = 0;
        let mut marker = None;
        loop {
            let body = self.send(Request::page(list, marker.as_deref()), 200);
            let (count, next) = look_at(&body, &prefix);
            names += count;
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(names, list.len());
    }

    /// Renews over 16 connections, or over one if there is one.
    fn renew(&self, count: usize) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(partition) = {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                (partition < count).then_some(partition)
            } {
                self.send(Request::renewal(partition), 200);
            }
        };
        if count == 1 { work() } else { at_once(16, work) }
    }
}

fn trusting(pem: &str) -> TlsConfig {
    let items = parse_pem(pem.as_bytes()).map(|item| item.expect("PEM"));
    let certificates = items.filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(certificates.collect())))
        .build()
}

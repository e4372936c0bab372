//! The works of the blocking surface, by the store and by a bare ureq agent.

use std::sync::atomic::{AtomicUsize, Ordering};

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{ConsumerGroup, PartitionOwnership};

use super::bare::{Signed, Signer, look_at};
use super::target::{ACCOUNT, KEY, account_url, checkpoint};

pub fn store(port: u16, container: &str) -> BlobCheckpointStore {
    let credential = Credential::account_key(ACCOUNT, KEY).expect("a key");
    BlobCheckpointStore::new(&account_url(port), container, credential).expect("a store")
}

pub fn checkpoints(store: &BlobCheckpointStore, count: u32) {
    let checkpoint = checkpoint(960_180);
    for _ in 0..count {
        store.update_checkpoint(&checkpoint).expect("a checkpoint");
    }
}

pub fn list(store: &BlobCheckpointStore, group: &ConsumerGroup, expected: usize) {
    let listing = store.list_checkpoints(group).expect("a list");
    assert_eq!(listing.items().len(), expected);
}

pub fn renew(store: &BlobCheckpointStore, ownerships: &[PartitionOwnership]) {
    assert!(store.claim_ownership(ownerships).all_claimed());
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
    root: String,
}

impl Bare {
    pub fn new(port: u16) -> Self {
        let config = ureq::config::Config::builder()
            .max_idle_connections(16)
            .max_idle_connections_per_host(16)
            .build();
        Self {
            agent: config.into(),
            signer: Signer::new(),
            root: format!("http://127.0.0.1:{port}"),
        }
    }

    pub fn checkpoints(&self, count: u32) {
        for _ in 0..count {
            self.put(self.signer.checkpoint(&self.root, 960_180));
        }
    }

    fn put(&self, signed: Signed) {
        let mut request = self.agent.put(&signed.url);
        for (name, value) in signed.headers {
            request = request.header(name, value);
        }
        let mut answer = request.send_empty().expect("an answer");
        assert!(answer.headers().contains_key("etag"));
        answer.body_mut().read_to_vec().expect("an empty body");
    }

    pub fn list(&self, container: &str, expected: usize) {
        let mut names = 0;
        let mut marker = None;
        loop {
            let signed = self.signer.page(&self.root, container, marker.as_deref());
            let mut request = self.agent.get(&signed.url);
            for (name, value) in signed.headers {
                request = request.header(name, value);
            }
            let mut answer = request.call().expect("an answer");
            let body = answer.body_mut().read_to_vec().expect("a body");
            let (count, next) = look_at(&body);
            names += count;
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(names, expected);
    }

    /// Renews over 16 connections.
    pub fn renew(&self, count: usize) {
        let next = AtomicUsize::new(0);
        at_once(16, || {
            while let Some(partition) = {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                (partition < count).then_some(partition)
            } {
                self.put(self.signer.renewal(&self.root, partition));
            }
        });
    }
}

//! Blocking calls on the threads of an async runtime: they block it, and nothing else happens.

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{CallOptions, ErrorKind};

use crate::support::blob_service::BlobService;
use crate::support::loopback::{Loopback, Reply};
use crate::surface::{checkpoint, group, ownership};

fn use_and_drop(loopback: &Loopback, owner: &str) {
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let mut builder = BlobCheckpointStore::builder(&loopback.url(), "checkpoints").credential(key);
    if loopback.url().starts_with("https") {
        builder = builder.root_certificates(loopback.ca_pem());
    }
    let store = builder.build().unwrap();
    let claims: Vec<_> = (0..16).map(|id| ownership(&format!("{owner}{id}"), owner)).collect();
    assert!(store.claim_ownership(&claims).all_claimed());
    store.update_checkpoint(&checkpoint("0", "1", 1)).unwrap();
    assert!(store.get_checkpoint(&group(), "0").unwrap().is_some());
    store.close();
}

#[test]
fn calls_in_a_worker_thread_of_tokio() {
    let service = BlobService::new("checkpoints");
    for loopback in [service.serve(), Loopback::start_tls(service.handler())] {
        let tls = loopback.url().starts_with("https");
        for threads in [1, 4] {
            let mut builder = if threads == 1 {
                tokio::runtime::Builder::new_current_thread()
            } else {
                tokio::runtime::Builder::new_multi_thread()
            };
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async {
                use_and_drop(&loopback, &format!("{tls} {threads} outer"));
                let loopback = &loopback;
                let (sender, receiver) = std::sync::mpsc::channel();
                // A spawned task must own what it uses.
                let (url, pem) = (loopback.url(), tls.then(|| loopback.ca_pem().to_owned()));
                tokio::spawn(async move {
                    let mut builder = BlobCheckpointStore::builder(&url, "checkpoints")
                        .credential(Credential::anonymous());
                    if let Some(pem) = pem {
                        builder = builder.root_certificates(pem);
                    }
                    let listing = builder.build().unwrap().list_ownership(&group());
                    sender.send(listing.map(|listing| listing.len())).unwrap();
                })
                .await
                .unwrap();
                assert!(receiver.recv().unwrap().unwrap() >= 16);
            });
        }
        assert!(loopback.wait_for_open_connections(0, std::time::Duration::from_secs(5)));
    }
}

#[test]
fn failures_and_waits_in_a_worker_thread() {
    let loopback = Loopback::start(|_| Reply::new(503));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store =
            BlobCheckpointStore::new(&loopback.url(), "checkpoints", Credential::anonymous())
                .unwrap();
        let once = store.with_options(CallOptions::new().with_max_retries(1));
        let error = once.list_ownership(&group()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
    });
    assert_eq!(loopback.requests().len(), 2);
}

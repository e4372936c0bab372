//! Where no thread can be had.

use std::thread::Builder;

use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};

use crate::support::blob_service::BlobService;
use crate::support::process;
use crate::surface::{checkpoint, group, ownership};

/// Claims and the look-up of a name use threads: without them they take longer.
#[test]
fn a_thread_that_cannot_be_spawned_costs_only_concurrency() {
    if let Some(url) = process::argument() {
        return without_threads(&url);
    }
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let url = format!("http://localhost:{}", loopback.port());
    let test = "threads::a_thread_that_cannot_be_spawned_costs_only_concurrency";
    let output = process::in_a_process_of_its_own(test, &url)
        // A stack larger than any address space.
        .env("RUST_MIN_STACK", (1_u64 << 50).to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(service.blobs().len(), 17, "{output:?}");
    assert_eq!(loopback.connections(), 1, "one request at a time");
}

fn without_threads(url: &str) {
    assert!(Builder::new().spawn(|| ()).is_err());
    let store = BlobCheckpointStore::builder(url, "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .build()
        .unwrap();
    let claims: Vec<_> = (0..16).map(|id| ownership(&id.to_string(), "a")).collect();
    let claims = store.claim_ownership(&claims);
    assert!(claims.all_claimed(), "{claims:?}");
    store.update_checkpoint(&checkpoint("0", "1", 1)).unwrap();
    assert_eq!(store.list_ownership(&group()).unwrap().len(), 16);
}

//! How many connections one task opens.

use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, Credential};
use tokio::runtime::Builder;

use crate::support::blob_service::BlobService;
use crate::support::loopback::{Loopback, Reply};
use crate::surface::{checkpoint, group};

#[tokio::test]
async fn a_task_that_reads_long_lists_needs_one_connection() {
    let space = " ".repeat(1 << 20);
    let page = format!("<EnumerationResults><Blobs>{space}</Blobs></EnumerationResults>");
    let loopback = Loopback::start(move |_| Reply::new(200).body(page.as_str()));
    let store =
        BlobCheckpointStore::new(&loopback.url(), "checkpoints", Credential::anonymous()).unwrap();
    let lists = async move {
        for _ in 0..10 {
            store.list_ownership(&group()).await.unwrap();
        }
    };
    // What runs in `block_on` itself has its turn after all tasks anyway.
    tokio::spawn(lists).await.unwrap();
    assert_eq!(loopback.connections(), 1);
}

/// The caller has the response before a task on another thread has put the connection back, and goes on at once.
#[test]
fn a_caller_beside_the_workers_needs_one_connection() {
    const CLIENTS: usize = 20;
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for client in 0..CLIENTS {
        let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
        let builder = BlobCheckpointStore::builder(&loopback.url(), "checkpoints").credential(key);
        let store = builder.build().unwrap();
        runtime.block_on(async {
            for number in 0..20 {
                store.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
            }
        });
        assert!(loopback.connections() > client);
    }
    // On a busy machine a connection may take longer to come back than the client has patience.
    let spare = loopback.connections() - CLIENTS;
    assert!(spare <= 2, "{spare} spare connections");
}

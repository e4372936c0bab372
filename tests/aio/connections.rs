//! How many connections one task opens.

use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;

use crate::support::loopback::{Loopback, Reply};
use crate::surface::group;

#[tokio::test]
async fn a_task_that_reads_long_lists_needs_one_connection() {
    let space = " ".repeat(1 << 20);
    let page = format!("<EnumerationResults><Blobs>{space}</Blobs></EnumerationResults>");
    let loopback = Loopback::start(move |_| Reply::new(200).body(page.as_str()));
    let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints").build().unwrap();
    let lists = async move {
        for _ in 0..10 {
            store.list_ownership(&group()).await.unwrap();
        }
    };
    // What runs in `block_on` itself has its turn after all tasks anyway.
    tokio::spawn(lists).await.unwrap();
    assert_eq!(loopback.connections(), 1);
}

//! The threads that a store leaves behind in the process. Only on Linux, where they have names.
#![cfg(target_os = "linux")]

use std::time::Duration;

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::process;
use super::{IS_BLOCKING, checkpoint, group, maybe_async, ownership, pause, test};

/// In a process of its own, because other tests have threads, too.
#[maybe_async]
#[test]
async fn close_and_drop_leave_no_thread() {
    if let Some(url) = process::argument() {
        return leave_no_thread(&url).await;
    }
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    // A name is looked up on a thread: on the async surface it is the runtime's, which keeps it.
    let host = if IS_BLOCKING { "localhost" } else { "127.0.0.1" };
    let url = format!("http://{host}:{}", loopback.port());
    let test = "surface::threads::close_and_drop_leave_no_thread";
    let output = process::in_a_process_of_its_own(test, &url).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(service.blobs().len(), 3 * 16 + 1, "{output:?}");
}

#[maybe_async]
async fn leave_no_thread(url: &str) {
    let before = threads();
    for round in 0..3 {
        let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
        let store = BlobCheckpointStore::new(url, "checkpoints", key).unwrap();
        let claims: Vec<_> = (0..16).map(|id| ownership(&format!("{round}-{id}"), "a")).collect();
        let claims = store.claim_ownership(&claims).await;
        assert!(claims.all_claimed(), "{claims:?}");
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        store.list_ownership(&group()).await.unwrap();
        let clone = store.clone();
        store.close();
        drop(clone);
    }
    // One that has ended may be listed for a moment more.
    for _ in 0..500 {
        if threads() == before {
            return;
        }
        pause(Duration::from_millis(10)).await;
    }
    assert_eq!(threads(), before);
}

fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut names: Vec<_> = tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .collect();
    names.sort_unstable();
    names
}

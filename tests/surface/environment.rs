//! No test sees the accounts and proxies of whoever runs it, and no child process of a test does.

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::process;
use super::{checkpoint, maybe_async, test};

const POISON: [&str; 14] = [
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_CONTAINER",
    "AZURE_STORAGE_KEY",
    "AZURE_TENANT_ID",
    "EVENTHUB_CONNECTION_STRING",
    "EVENT_HUB_CONN_STR",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "Https_Proxy",
];

/// Foreign variables of this process, as its libraries see them.
fn foreign() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    names.filter(|name| clean_environment::is_foreign(name)).collect()
}

/// Also run below, in a process with a poisoned environment.
#[maybe_async]
#[test]
async fn the_callers_accounts_and_proxies_are_not_seen() {
    assert_eq!(foreign(), [""; 0]);
    if process::argument().is_some() {
        return;
    }
    // A child that a test gives an argument keeps its variables, which are those of the test.
    let output = process::in_a_process_of_its_own(
        "surface::environment::the_callers_accounts_and_proxies_are_not_seen",
        "child",
    )
    .output();
    assert!(output.unwrap().status.success());

    let loopback = BlobService::new("checkpoints").serve();
    let store = BlobCheckpointStore::new(&loopback.url(), "checkpoints", Credential::anonymous());
    store.unwrap().update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    assert!(!loopback.requests().is_empty(), "no proxy stood between");
}

#[maybe_async]
#[test]
async fn a_poisoned_environment_reaches_no_test() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "surface::environment::the_callers_accounts_and_proxies_are_not_seen"]);
    // Nobody listens there, and it is not a connection string.
    child.envs(POISON.map(|name| (name, "http://127.0.0.1:1")));
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

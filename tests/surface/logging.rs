//! At which level requests are logged: what is expected at debug, each real failure once as a warning.

use eventhub_checkpointstore::{ConsumerGroup, ErrorKind, RetryOptions};
use log::Level;

use super::script::{Script, Step};
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{BlobService, error_reply};
use super::support::capture_log;
use super::support::loopback::Reply;
use super::{IS_BLOCKING, checkpoint, group, maybe_async, ownership, test};

/// How many lines of this surface there are with a text, by level; partitions of their own tell tests apart.
pub(super) fn count(level: Level, text: &str) -> usize {
    let lines = capture_log::lines_with(text);
    let surface = if IS_BLOCKING { "blocking" } else { "aio" };
    let target = format!(" eventhub_checkpointstore::{surface} ");
    lines.iter().filter(|(found, line)| *found == level && line.contains(&target)).count()
}

#[maybe_async]
#[test]
async fn expected_outcomes_are_not_warnings() {
    capture_log::start();
    let store = Script::over(&BlobService::new("checkpoints")).store();
    let none = store.get_checkpoint(&group(), "expected").await.unwrap();
    assert!(none.is_none());
    assert_eq!(count(Level::Debug, "checkpoint/expected"), 1, "404 of a read");
    let deleted = store.delete_checkpoint(&group(), "expected").await.unwrap();
    assert!(!deleted);
    assert_eq!(count(Level::Debug, "checkpoint/expected"), 2, "404 of a deletion");
    store.update_checkpoint(&checkpoint("expected", "1", 1)).await.unwrap();
    assert_eq!(count(Level::Debug, "checkpoint/expected"), 4, "404, then the blob is made");

    let first = store.claim_ownership(&[ownership("expected", "a")]).await.into_claimed();
    let late = store.claim_ownership(&[ownership("expected", "b")]).await;
    let renewed = store.claim_ownership(&first).await;
    let stale = store.claim_ownership(&first).await;
    assert_eq!((late.lost().count(), stale.lost().count()), (1, 1));
    assert!(renewed.all_claimed());
    let debug = count(Level::Debug, "ownership/expected");
    assert_eq!(debug, 6, "409 and 412 among them, and two reads of the present owner");

    let created = store.create_container_if_not_exists().await.unwrap();
    assert!(!created);
    let exists = ErrorKind::ContainerAlreadyExists.to_string();
    assert_ne!(count(Level::Debug, &exists), 0);
    for text in ["/expected", &exists] {
        assert_eq!(count(Level::Warn, text), 0, "{text}");
    }
}

/// One call of each kind about a partition, all of which fail.
#[maybe_async]
async fn fail(store: &BlobCheckpointStore, partition_id: &str) {
    store.get_checkpoint(&group(), partition_id).await.unwrap_err();
    store.update_checkpoint(&checkpoint(partition_id, "1", 1)).await.unwrap_err();
    store.delete_checkpoint(&group(), partition_id).await.unwrap_err();
    let claims = store.claim_ownership(&[ownership(partition_id, "a")]).await;
    assert_eq!(claims.failed().count(), 1);
}

#[maybe_async]
#[test]
async fn a_failure_is_one_warning_and_its_retries_are_not_warnings() {
    capture_log::start();
    let refused = || Step::reply_now(error_reply(403, "AuthorizationFailure", "no"));
    let busy = || Step::reply_now(error_reply(503, "ServerBusy", "no"));
    let rows = [
        ("refused", Script::new(move |_| refused()), 0),
        ("busy", Script::new(move |_| busy()), 2),
        ("broken", Script::new(|_| Step::broken()), 2),
    ];
    for (partition_id, script, retries) in rows {
        let retry = RetryOptions::default().with_max_retries(2);
        let store = script.builder().retry(retry).build().unwrap();
        fail(&store, partition_id).await;
        for (blob, calls) in [("checkpoint", 3), ("ownership", 1)] {
            let name = format!("{blob}/{partition_id}");
            assert_eq!(count(Level::Warn, &name), calls, "{name}");
            assert_eq!(count(Level::Debug, &name), calls * retries, "{name}");
        }
    }
}

#[maybe_async]
#[test]
async fn each_line_names_the_container_and_what_it_is_about() {
    capture_log::start();
    let script = Script::over(&BlobService::new("checkpoints"));
    let group = ConsumerGroup::new("log-lines.servicebus.windows.net", "Hub", "log-lines").unwrap();
    script.store().list_ownership(&group).await.unwrap();
    let prefix = "checkpoints/log-lines.servicebus.windows.net/hub/log-lines/ownership/";
    assert_eq!(count(Level::Debug, &format!("list blobs {prefix}: done in ")), 1);

    script.store().update_checkpoint(&checkpoint("log-lines", "1", 1)).await.unwrap();
    let blob = "checkpoints/ns.servicebus.windows.net/hub/$default/checkpoint/log-lines";
    assert_eq!(count(Level::Debug, &format!("put blob {blob}: done in ")), 1);

    let cut = Script::new(|_| Step::reply_now(Reply::new(200).body("<EnumerationResults><Blobs>")));
    let group_of_cut = ConsumerGroup::new("log-cut.servicebus.windows.net", "Hub", "g").unwrap();
    let error = cut.store().list_ownership(&group_of_cut).await.unwrap_err();
    assert_eq!((error.kind(), cut.sent().len()), (ErrorKind::InvalidResponse, 4));
    let cut_prefix = "list blobs checkpoints/log-cut.servicebus.windows.net/hub/g/ownership/: ";
    let found = (count(Level::Debug, cut_prefix), count(Level::Warn, cut_prefix));
    assert_eq!(found, (3, 1), "one warning, and it was never done");
    assert_eq!(count(Level::Debug, &format!("{cut_prefix}done")), 0);

    let broken = Script::new(|_| Step::broken());
    broken.store().list_checkpoints(&group).await.unwrap_err();
    let prefix = prefix.replace("ownership", "checkpoint");
    let attempts = count(Level::Debug, &format!("list blobs {prefix}: attempt "));
    let failures = count(Level::Warn, &format!("list blobs {prefix}: "));
    assert_eq!((attempts, failures), (3, 1));
    let lines = capture_log::lines_with(&format!("list blobs {prefix}: "));
    let names_the_cause = |(_, line): &(Level, String)| line.contains("scripted reset; 4 attempts");
    assert!(lines.iter().any(names_the_cause), "{lines:?}");
}

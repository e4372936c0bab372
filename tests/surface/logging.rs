//! At which level requests are logged: what is expected at debug, each real failure once as a warning.

use eventhub_checkpointstore::{ErrorKind, RetryOptions};
use log::Level;

use super::script::{Script, Step};
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{BlobService, error_reply};
use super::support::capture_log;
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
async fn expected_outcomes_are_no_warnings() {
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
    assert_eq!(count(Level::Debug, "ownership/expected"), 4, "409 and 412 among them");

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
async fn a_failure_is_one_warning_and_its_repetitions_are_none() {
    capture_log::start();
    let refused = || Step::reply_now(error_reply(403, "AuthorizationFailure", "no"));
    let busy = || Step::reply_now(error_reply(503, "ServerBusy", "no"));
    let rows = [
        ("refused", Script::new(move |_| refused()), 0),
        ("busy", Script::new(move |_| busy()), 2),
        ("broken", Script::new(|_| Step::broken()), 2),
    ];
    for (partition_id, script, repetitions) in rows {
        let retry = RetryOptions::default().with_max_retries(2);
        let store = script.builder().retry(retry).build().unwrap();
        fail(&store, partition_id).await;
        for (blob, calls) in [("checkpoint", 3), ("ownership", 1)] {
            let name = format!("{blob}/{partition_id}");
            assert_eq!(count(Level::Warn, &name), calls, "{name}");
            assert_eq!(count(Level::Debug, &name), calls * repetitions, "{name}");
        }
    }
}

//! README's quickstart, as a program that one can run twice.

use std::time::Duration;

use eventhub_checkpointstore::ownership::{OwnershipOptions, StartingPosition};
use eventhub_checkpointstore::{Checkpoint, MemoryContainer};

use super::subject::{BlobCheckpointStore, OwnershipManager};
use super::{group, maybe_async, test};

/// One run: where each partition begins. The steps are those of the quickstart, but for the waits.
#[maybe_async]
async fn run(container: &MemoryContainer, name: &str) -> Vec<(String, StartingPosition)> {
    let store = BlobCheckpointStore::from_container(container.clone());
    let options = OwnershipOptions::default();
    let manager =
        OwnershipManager::builder(store.clone(), &group(), name).options(options).build().unwrap();
    let partitions = ["0", "1", "2", "3"].map(String::from);
    let mut begun = Vec::new();
    for _ in 0..3 {
        let round = manager.round(&partitions).await.unwrap();
        for won in round.won {
            let id = won.partition_id;
            begun.push((id.clone(), won.start));
            let checkpoint = Checkpoint::new(&group(), &id, "8589934592", 960_180).unwrap();
            store.update_checkpoint(&checkpoint).await.unwrap();
        }
        assert_eq!(round.owned.len(), 4);
    }
    let released = manager.relinquish_all(Duration::from_secs(5)).await;
    assert!(released.all_released());
    begun.sort_by(|one, other| one.0.cmp(&other.0));
    begun
}

#[maybe_async]
#[test]
async fn it_runs_twice_and_resumes_where_it_was() {
    let container = MemoryContainer::new();
    let first = run(&container, "consumer-1").await;
    let ids: Vec<_> = first.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "2", "3"]);
    assert!(first.iter().all(|(_, start)| *start == StartingPosition::Earliest));

    let after = StartingPosition::Offset { offset: "8589934592".into(), inclusive: false };
    let second = run(&container, "consumer-2").await;
    assert_eq!(second.len(), 4, "at once, without waiting for an expiration");
    assert!(second.iter().all(|(_, start)| *start == after));
    let third = run(&container, "consumer-1").await;
    assert_eq!(third.len(), 4);
}

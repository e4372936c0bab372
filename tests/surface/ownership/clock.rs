//! A user's test: consumers over the container in memory, by a clock that the test moves.

use std::time::Duration;

use eventhub_checkpointstore::ownership::RevocationCause;
use eventhub_checkpointstore::{Clock, ManualClock, MemoryContainer, SystemClock};

use super::super::subject::{BlobCheckpointStore, CheckpointStore, OwnershipManager};
use super::super::{group, maybe_async, test};
use super::{partitions, revoked, won};

#[maybe_async]
#[test]
async fn leases_end_and_ownerships_expire_without_waiting() {
    let clock = ManualClock::new();
    let container = MemoryContainer::new().with_clock(clock.clone());
    let consumer = |id: &str| {
        let store = BlobCheckpointStore::from_container(container.clone());
        OwnershipManager::builder(store, &group(), id).build().unwrap()
    };
    let (a, b) = (consumer("a"), consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    clock.advance(Duration::from_secs(54));
    assert_eq!(a.owned(), ["0", "1"]);
    clock.advance(Duration::from_secs(1));
    let lapsed = [("0", RevocationCause::Lapsed), ("1", RevocationCause::Lapsed)];
    assert_eq!(revoked(&a.take_revoked()), lapsed);
    clock.advance(Duration::from_secs(66));
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.active_owners), (vec!["0", "1"], 1), "a's have expired");
}

/// A machine that was suspended: the clock went on, as `SystemClock` does, and nothing ran meanwhile.
#[maybe_async]
#[test]
async fn a_consumer_that_slept_through_its_lease_owns_nothing() {
    let clock = ManualClock::new();
    let container = MemoryContainer::new().with_clock(clock.clone());
    let store = BlobCheckpointStore::from_container(container);
    let a = OwnershipManager::builder(store, &group(), "a").build().unwrap();
    let _ = a.round(&partitions(1)).await.unwrap();
    clock.advance(Duration::from_secs(8 * 60 * 60));
    assert!(!a.is_owned("0") && a.owned().is_empty());
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((revoked(&round.revoked).len(), won(&round)), (1, vec!["0"]));
}

#[maybe_async]
#[test]
async fn a_store_has_the_clock_of_its_container_and_else_the_systems() {
    let clock = ManualClock::new();
    let container = MemoryContainer::new().with_clock(clock.clone());
    let store = BlobCheckpointStore::from_container(container);
    clock.advance(Duration::from_secs(3600));
    for store in [Box::new(store.clone()) as Box<dyn CheckpointStore>, Box::new(store.fenced())] {
        assert_eq!(store.clock().now(), clock.now());
        assert_eq!(store.clock().system_time(), clock.system_time());
    }
    let before = SystemClock.now();
    let store = BlobCheckpointStore::in_memory();
    let now = CheckpointStore::clock(&store).now();
    assert!(now >= before && now <= SystemClock.now());
}

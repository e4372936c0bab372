//! Many owners race for the same partitions: each partition has exactly one winner.

use std::time::Duration;

use eventhub_checkpointstore::{MemoryContainer, PartitionOwnership};

use super::subject::{BlobCheckpointStore, Credential};
use super::support::azurite::Azurite;
use super::support::blob_service::BlobService;
use super::{group, in_parallel, maybe_async, ownership, test};

const OWNERS: usize = 32;
const PARTITIONS: usize = 64;

/// The owners that won, per partition in the order of the ids.
#[maybe_async]
async fn race(stores: Vec<BlobCheckpointStore>) -> Vec<Vec<String>> {
    let racers: Vec<_> = stores.into_iter().enumerate().collect();
    let won = in_parallel(racers, |(number, store)| async move {
        let owner = format!("owner {number:02}");
        let claims: Vec<PartitionOwnership> =
            (0..PARTITIONS).map(|id| ownership(&format!("{id:02}"), &owner)).collect();
        let outcomes = store.claim_ownership(&claims).await;
        assert_eq!(outcomes.failed().count(), 0, "{outcomes:?}");
        assert_eq!(outcomes.claimed().count() + outcomes.lost().count(), PARTITIONS);
        outcomes.into_claimed()
    })
    .await;
    let mut winners = vec![Vec::new(); PARTITIONS];
    for claim in won.iter().flatten() {
        let id: usize = claim.partition_id().parse().unwrap();
        winners[id].push(claim.owner_id().unwrap().to_owned());
    }
    winners
}

#[maybe_async]
async fn race_and_check(stores: Vec<BlobCheckpointStore>) {
    let witness = stores[0].clone();
    let winners = race(stores).await;
    let listing = witness.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.len(), PARTITIONS);
    for (stored, winners) in listing.iter().zip(winners) {
        assert_eq!(winners, [stored.owner_id().unwrap()], "partition {}", stored.partition_id());
    }
}

#[maybe_async]
#[test]
async fn in_memory() {
    for _ in 0..5 {
        let container = MemoryContainer::new();
        let store = || BlobCheckpointStore::from_container(container.clone());
        race_and_check((0..OWNERS).map(|_| store()).collect()).await;
    }
}

#[maybe_async]
#[test]
async fn over_http() {
    for _ in 0..2 {
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        let store = || {
            BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
                .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
                .claim_concurrency(4)
                .build()
                .unwrap()
        };
        race_and_check((0..OWNERS).map(|_| store()).collect()).await;
        assert_eq!(service.history().len(), PARTITIONS, "each record was written once");
    }
}

#[maybe_async]
#[test]
async fn on_azurite() {
    let azurite = Azurite::shared();
    for _ in 0..2 {
        let (text, name) = (azurite.connection_string(), azurite.new_container_name());
        // One claim of each owner at a time, and patience: the emulator is slow on a busy machine.
        let store = BlobCheckpointStore::builder_from_connection_string(&text, &name)
            .claim_concurrency(1)
            .attempt_timeout(Duration::from_secs(100))
            .call_timeout(Duration::from_secs(100))
            .build()
            .unwrap();
        store.create_container_if_not_exists().await.unwrap();
        race_and_check(vec![store; OWNERS]).await;
    }
}

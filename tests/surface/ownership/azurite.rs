//! The same over Azurite, by the real clock: nothing of it needs time to pass.

use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::ownership::StartingPosition;

use super::super::subject::{BlobCheckpointStore, OwnershipManager};
use super::super::support::azurite::Azurite;
use super::super::{checkpoint, group, maybe_async, test};
use super::{partitions, won_partition};

#[maybe_async]
#[test]
async fn two_consumers_share_hand_over_and_resume() {
    let container = format!("owners{}", std::process::id());
    let store = BlobCheckpointStore::from_connection_string(
        &Azurite::shared().connection_string(),
        &container,
    )
    .unwrap();
    store.create_container_if_not_exists().await.unwrap();
    let options = OwnershipOptions::default();
    let consumer = |id: &str| {
        OwnershipManager::builder(store.clone(), &group(), id).options(options).build().unwrap()
    };
    let (a, b) = (consumer("a"), consumer("b"));
    let all = partitions(8);

    let round = a.round(&all).await.unwrap();
    assert_eq!((round.won.len(), round.owned.len()), (8, 8));
    for id in &all {
        store.update_checkpoint(&checkpoint(id, "100", 7)).await.unwrap();
    }
    let round = b.round(&all).await.unwrap();
    assert_eq!((round.won.len(), round.active_owners, round.share), (4, 2, 4));
    let offset = StartingPosition::Offset { offset: "100".into(), inclusive: false };
    assert!(round.won.iter().all(|won| won.start == offset), "{round:?}");
    let round = a.round(&all).await.unwrap();
    assert_eq!((round.revoked.len(), round.owned.len()), (4, 4));

    let released = a.relinquish_all(Duration::from_secs(10)).await;
    assert_eq!((released.released().count(), released.len()), (4, 4));
    let round = b.round(&all).await.unwrap();
    assert_eq!((round.won.len(), round.owned.len(), round.active_owners), (4, 8, 1));
    let id = &round.won[0].partition_id;
    assert_eq!(won_partition(&round, id).checkpoint.as_ref().unwrap().sequence_number(), Some(7));
    let released = b.relinquish_all(Duration::from_secs(10)).await;
    assert!(released.all_released());
}

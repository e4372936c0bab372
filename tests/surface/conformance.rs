//! The rules that every container must keep.
//!
//! `stores` of the root has the containers to test, none of which exists yet.

use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::ErrorKind;

use super::{checkpoint, group, maybe_async, ownership, stores, test};

#[maybe_async]
#[test]
async fn the_container_is_created_once() {
    for store in stores() {
        let error = store.list_ownership(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContainerNotFound);
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContainerNotFound);
        let claims = store.claim_ownership(&[ownership("0", "a")]).await;
        let kinds: Vec<_> = claims.failed().map(|(_, error)| error.kind()).collect();
        assert_eq!(kinds, [ErrorKind::ContainerNotFound]);

        let created = store.create_container_if_not_exists().await.unwrap();
        assert!(created);
        let created = store.create_container_if_not_exists().await.unwrap();
        assert!(!created);
        let listing = store.list_ownership(&group()).await.unwrap();
        assert!(listing.is_empty());
    }
}

#[maybe_async]
#[test]
async fn a_claim_is_won_renewed_stolen_and_relinquished() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let claims = store.claim_ownership(&[ownership("0", "a"), ownership("1", "a")]).await;
        assert!(claims.all_claimed(), "{claims:?}");
        let first = claims.into_claimed().remove(0);

        let again = store.claim_ownership(&[ownership("0", "b")]).await;
        assert_eq!(again.lost().count(), 1, "{again:?}");

        let renewed = store.claim_ownership(std::slice::from_ref(&first)).await;
        let renewed = renewed.into_claimed().remove(0);
        assert_ne!(renewed.etag(), first.etag());

        let listing = store.list_ownership(&group()).await.unwrap();
        assert_eq!(listing.len(), 2);
        assert_eq!(listing.items()[0].etag(), renewed.etag());
        let age = listing.items()[0].age(listing.server_time()).unwrap();
        assert!(age < Duration::from_secs(60), "{age:?}");

        let stolen = listing.items()[0].claimed_by("b").unwrap();
        let stolen = store.claim_ownership(&[stolen]).await.into_claimed().remove(0);
        for outdated in [&first, &renewed] {
            let stale = store.claim_ownership(std::slice::from_ref(outdated)).await;
            assert_eq!(stale.lost().count(), 1, "{stale:?}");
        }
        let lost = store.relinquish_ownership(std::slice::from_ref(&renewed)).await;
        assert_eq!(lost.lost().count(), 1, "{lost:?}");
        let released = store.relinquish_ownership(&[stolen]).await;
        assert!(released.all_released());

        let listing = store.list_ownership(&group()).await.unwrap();
        assert_eq!(listing.items()[0].owner_id(), None);
        assert_eq!(listing.items()[0].partition_id(), "0");
        let taken = listing.items()[0].claimed_by("c").unwrap();
        let taken = store.claim_ownership(&[taken]).await;
        assert!(taken.all_claimed());
    }
}

#[maybe_async]
#[test]
async fn a_checkpoint_is_stored_read_and_deleted() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let none = store.get_checkpoint(&group(), "0").await.unwrap();
        assert!(none.is_none());
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(!deleted);

        let first = store.update_checkpoint(&checkpoint("0", "2:-1:-1", 0)).await.unwrap();
        let second = store.update_checkpoint(&checkpoint("0", "100", 7)).await.unwrap();
        assert_ne!(first.etag, second.etag);
        let read = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((read.offset(), read.sequence_number()), (Some("100"), Some(7)));
        assert_eq!(read.etag(), Some(&second.etag));
        let age = SystemTime::now().duration_since(read.last_modified().unwrap());
        assert!(age.is_ok_and(|age| age < Duration::from_secs(60)));

        let listing = store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(listing.items(), [read]);
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(deleted);
        let listing = store.list_checkpoints(&group()).await.unwrap();
        assert!(listing.is_empty());
    }
}

//! A lost claim names the current owner, and an ownership that is not a claim is refused before anything is sent.

use std::time::Duration;

use eventhub_checkpointstore::{
    ClaimOutcome, Claims, ConsumerGroup, ErrorKind, NameCase, PartitionOwnership,
};

use super::script::{Script, Step};
use super::support::blob_service::{BlobService, error_reply};
use super::world::World;
use super::{group, maybe_async, ownership, stores, test};

const BLOB: &str = "ns.servicebus.windows.net/hub/$default/ownership/0";

fn present_owner(claims: &Claims) -> Option<&str> {
    match claims.outcomes() {
        [ClaimOutcome::Lost(_, present)] => present.as_ref()?.owner_id(),
        other => panic!("{other:?}"),
    }
}

fn kinds(claims: &Claims) -> Vec<Option<ErrorKind>> {
    let kind = |outcome: &ClaimOutcome| match outcome {
        ClaimOutcome::Failed(_, error) => Some(error.kind()),
        _ => None,
    };
    claims.iter().map(kind).collect()
}

#[maybe_async]
#[test]
async fn a_lost_claim_names_the_present_owner() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let first = store.claim_ownership(&[ownership("0", "a")]).await.into_claimed();
        let lost = store.claim_ownership(&[ownership("0", "b")]).await;
        assert_eq!(present_owner(&lost), Some("a"));
        let present = lost.outcomes()[0].present().unwrap();
        assert_eq!(
            (present.etag(), present.last_modified()),
            (first[0].etag(), first[0].last_modified())
        );

        // A takeover, and the renewal of whoever was robbed.
        let taken = store.claim_ownership(&[first[0].claimed_by("c").unwrap()]).await;
        assert!(taken.all_claimed());
        for late in [first[0].clone(), first[0].claimed_by("d").unwrap()] {
            let lost = store.claim_ownership(&[late]).await;
            assert_eq!(present_owner(&lost), Some("c"));
        }
        let lost = store.relinquish_ownership(&first).await;
        assert_eq!(lost.lost().count(), 1);
    }
}

#[maybe_async]
#[test]
async fn a_record_that_is_already_ours_is_reported_as_ours() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let claims = store.claim_ownership(&[ownership("0", "a")]).await;
        assert!(claims.all_claimed());
        // As when a program with a fixed owner id is started again.
        let again = store.claim_ownership(&[ownership("0", "a")]).await;
        assert_eq!(present_owner(&again), Some("a"));
        let present = again.outcomes()[0].present().unwrap();
        let renewed = store.claim_ownership(&[present.claimed_by("a").unwrap()]).await;
        assert!(renewed.all_claimed(), "{renewed:?}");
    }
}

#[maybe_async]
#[test]
async fn a_claim_is_lost_even_if_the_present_owner_cannot_be_read() {
    // Refused, and without a response: it takes 2 s at most, which the deadline of the call may shorten.
    for (is_silent, limit) in [(false, 0), (true, 2)] {
        let service = BlobService::new("checkpoints");
        service.put(BLOB, &[("ownerid", "b")]);
        let script = Script::new(move |sent| match (sent.request.method.as_str(), is_silent) {
            ("HEAD", true) => Step::silence(sent),
            ("HEAD", false) => Step::reply_now(error_reply(403, "AuthorizationFailure", "no")),
            _ => Step::reply(sent, service.handle(&sent.request)),
        });
        let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
        assert_eq!((claims.lost().count(), present_owner(&claims)), (1, None));
        assert!(script.passed() <= Duration::from_secs(limit), "{:?}", script.passed());
    }
}

#[maybe_async]
#[test]
async fn a_listed_record_is_not_a_claim_until_somebody_claims_it() {
    for world in World::all() {
        let store = world.store();
        let claims = [ownership("0", "a"), ownership("1", "b")];
        let claims = store.claim_ownership(&claims).await;
        assert!(claims.all_claimed());
        let relinquished = store.relinquish_ownership(&claims.into_claimed()[1..]).await;
        assert!(relinquished.all_released());
        let listing = store.list_ownership(&group()).await.unwrap();
        world.requests();
        let claims = store.claim_ownership(listing.items()).await;
        assert_eq!(kinds(&claims), [Some(ErrorKind::InvalidInput); 2]);
        let (_, error) = claims.failed().next().unwrap();
        assert!(error.to_string().contains("claimed_by"), "{error}");
        world.assert_requests(&[]);
        // Nor is one that was written somewhere and read again.
        #[cfg(feature = "serde")]
        {
            let text = serde_json::to_string(listing.items()).unwrap();
            let read: Vec<PartitionOwnership> = serde_json::from_str(&text).unwrap();
            let claims = store.claim_ownership(&read).await;
            assert_eq!(kinds(&claims), [Some(ErrorKind::InvalidInput); 2]);
            world.assert_requests(&[]);
        }

        let takeovers = listing.iter().map(|listed| listed.claimed_by("c").unwrap());
        let takeovers: Vec<_> = takeovers.collect();
        let claims = store.claim_ownership(&takeovers).await;
        assert!(claims.all_claimed(), "{claims:?}");
        // What was claimed is renewed as it is, and what is listed can be given up.
        let claimed = claims.into_claimed();
        #[cfg(feature = "serde")]
        let claimed: Vec<PartitionOwnership> =
            serde_json::from_str(&serde_json::to_string(&claimed).unwrap()).unwrap();
        let renewed = store.claim_ownership(&claimed).await;
        assert!(renewed.all_claimed(), "{renewed:?}");
        let listing = store.list_ownership(&group()).await.unwrap();
        let relinquished = store.relinquish_ownership(listing.items()).await;
        assert!(relinquished.all_released(), "{relinquished:?}");
    }
}

#[maybe_async]
#[test]
async fn the_second_claim_of_a_partition_in_a_batch_is_an_error() {
    for world in World::all() {
        let store = world.store_with(|builder| builder.name_case(NameCase::Lower));
        // The same record by another spelling of its group.
        let same = ConsumerGroup::new("ns.servicebus.windows.net", "hub", "$default").unwrap();
        let same = PartitionOwnership::new(&same, "0", "a").unwrap();
        let batch = [ownership("0", "a"), ownership("1", "a"), ownership("0", "a"), same];
        let claims = store.claim_ownership(&batch).await;
        let invalid = Some(ErrorKind::InvalidInput);
        assert_eq!(kinds(&claims), [None, None, invalid, invalid]);
        assert_eq!((claims.claimed().count(), claims.lost().count()), (2, 0));

        let claimed = claims.into_claimed();
        let twice = [claimed[0].clone(), claimed[0].clone()];
        let relinquished = store.relinquish_ownership(&twice).await;
        let failed: Vec<_> = relinquished.failed().map(|(_, error)| error.kind()).collect();
        assert_eq!(failed, [ErrorKind::InvalidInput]);
        assert_eq!(relinquished.released().count(), 1);
    }
}

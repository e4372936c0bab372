//! Moving between the camps of lower-case and of given names.

use std::time::Duration;

use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
use eventhub_checkpointstore::{ConsumerGroup, ErrorKind, NameCase, UpdateOutcome};

use super::subject::{BlobCheckpointStore, OwnershipManager};
use super::world::{World, position};
use super::{checkpoint, group, maybe_async, test};

const OWN: &str = "ns.servicebus.windows.net/hub/$default";
const OTHER: &str = "NS.servicebus.windows.net/Hub/$Default";

fn store(world: &World) -> BlobCheckpointStore {
    world.store_with(|builder| builder.read_other_name_case(true))
}

#[maybe_async]
#[test]
async fn ownerships_of_the_other_naming_are_seen_and_made_anew_under_the_own_one() {
    for world in World::all() {
        let store = store(&world);
        world.put(&format!("{OTHER}/ownership/0"), &[("ownerid", "go-client")]).await;
        world.put(&format!("{OTHER}/ownership/1"), &[("ownerid", "go-client")]).await;
        world.put(&format!("{OWN}/ownership/1"), &[("ownerid", "moved")]).await;
        world.put(&format!("{OTHER}/ownership/2"), &[("ownerid", "")]).await;

        let listing = store.list_ownership(&group()).await.unwrap();
        let seen: Vec<_> =
            listing.iter().map(|o| (o.partition_id(), o.owner_id(), o.etag().is_some())).collect();
        let expected =
            [("1", Some("moved"), true), ("0", Some("go-client"), false), ("2", None, false)];
        assert_eq!(seen, expected);
        // A balancer must be able to see that the owner is alive.
        let age = listing.items()[1].age(listing.server_time()).unwrap();
        assert!(age < Duration::from_secs(60), "{age:?}");
        world.requests();

        let takeover = listing.items()[1].claimed_by("me").unwrap();
        let claims = store.claim_ownership(std::slice::from_ref(&takeover)).await;
        assert!(claims.all_claimed(), "{claims:?}");
        world.assert_requests(&[&format!("PUT {OWN}/ownership/0")]);
        let second = store.claim_ownership(&[takeover.claimed_by("other").unwrap()]).await;
        assert_eq!(second.lost().count(), 1, "{second:?}");

        let listing = store.list_ownership(&group()).await.unwrap();
        assert_eq!(listing.items()[0].owner_id(), Some("me"));
        assert!(listing.items()[0].etag().is_some());
        let foreign = world.metadata(&format!("{OTHER}/ownership/0")).await;
        assert_eq!(foreign.unwrap()[0].1, "go-client");
    }
}

#[maybe_async]
#[test]
async fn a_balancer_leaves_a_live_owner_of_the_other_naming_alone() {
    for world in World::all() {
        world.put(&format!("{OTHER}/ownership/0"), &[("ownerid", "go-client")]).await;
        let options = OwnershipOptions::default();
        let manager = OwnershipManager::builder(store(&world), &group(), "me")
            .options(options)
            .build()
            .unwrap();
        let round = manager.round(&["0".to_owned(), "1".to_owned()]).await.unwrap();
        let won: Vec<_> = round.won.iter().map(|won| won.partition_id.as_str()).collect();
        assert_eq!(won, ["1"]);
    }
}

/// Its owner would never see a claim under the own naming, and both would process the partition.
#[maybe_async]
#[test]
async fn nothing_is_stolen_from_the_other_naming_until_it_expires() {
    let world = World::service();
    let partitions: Vec<_> = (0..4).map(|id| id.to_string()).collect();
    for id in &partitions {
        world.put(&format!("{OTHER}/ownership/{id}"), &[("ownerid", "go-client")]).await;
    }
    for strategy in [BalanceStrategy::Greedy, BalanceStrategy::Balanced] {
        let options = OwnershipOptions::default().with_strategy(strategy);
        let manager = OwnershipManager::builder(store(&world), &group(), "me")
            .options(options)
            .build()
            .unwrap();
        let round = manager.round(&partitions).await.unwrap();
        assert_eq!((round.won.len(), round.share), (0, 2), "{strategy:?}");
    }
    let claims = world.double().history();
    assert!(claims.iter().all(|write| write.request.is_none()), "{claims:?}");

    world.double().set_clock_offset(121);
    let options = OwnershipOptions::default();
    let manager =
        OwnershipManager::builder(store(&world), &group(), "me").options(options).build().unwrap();
    let round = manager.round(&partitions).await.unwrap();
    assert_eq!(round.won.len(), 4);
}

#[maybe_async]
#[test]
async fn a_shadowed_blob_does_not_count_whatever_is_in_it() {
    for world in World::all() {
        let store =
            world.store_with(|builder| builder.read_other_name_case(true).fail_on_unreadable(true));
        let good = [("offset", "30"), ("sequencenumber", "3")];
        world.put(&format!("{OWN}/checkpoint/0"), &good).await;
        world.put(&format!("{OTHER}/checkpoint/0"), &[("offset", "")]).await;
        world.put(&format!("{OWN}/checkpoint/1"), &good).await;
        let repaired = [("offset", "5"), ("sequencenumber", "x")];
        world.put(&format!("{OTHER}/checkpoint/1"), &repaired).await;
        let listing = store.list_checkpoints(&group()).await.unwrap();
        assert_eq!((listing.len(), listing.skipped()), (2, [].as_slice()));
        for id in ["0", "1"] {
            let read = store.get_checkpoint(&group(), id).await.unwrap();
            assert_eq!(read.unwrap().sequence_number(), Some(3));
        }

        // One that is not shadowed does.
        world.put(&format!("{OTHER}/checkpoint/2"), &[("offset", "")]).await;
        let error = store.list_checkpoints(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}

#[maybe_async]
#[test]
async fn checkpoints_of_the_other_naming_are_where_processing_goes_on() {
    for world in World::all() {
        let store = store(&world);
        for (name, offset, number) in [(OTHER, "10", "1"), (OWN, "30", "3"), (OTHER, "20", "2")]
            .iter()
            .enumerate()
            .map(|(i, (camp, offset, number))| {
                (format!("{camp}/checkpoint/{}", [0, 1, 1][i]), offset, number)
            })
        {
            world.put(&name, &[("offset", offset), ("sequencenumber", number)]).await;
        }
        // Not readable as a position, so the one of the other naming counts.
        world.put(&format!("{OWN}/checkpoint/2"), &[]).await;
        world
            .put(&format!("{OTHER}/checkpoint/2"), &[("offset", "40"), ("sequencenumber", "4")])
            .await;

        let listing = store.list_checkpoints(&group()).await.unwrap();
        let mut seen: Vec<_> = listing
            .iter()
            .map(|c| (c.partition_id(), c.offset().unwrap(), c.etag().is_some()))
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [("0", "10", false), ("1", "30", true), ("2", "40", false)]);
        for (partition_id, offset, is_own) in seen {
            let read = store.get_checkpoint(&group(), partition_id).await.unwrap().unwrap();
            assert_eq!((read.offset(), read.etag().is_some()), (Some(offset), is_own));
        }

        store.update_checkpoint(&checkpoint("0", "11", 2)).await.unwrap();
        let foreign = world.metadata(&format!("{OTHER}/checkpoint/0")).await;
        assert_eq!(foreign, position("10", "1"));
        let read = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(read.offset(), Some("11"));

        // Nothing of the other naming is ever deleted.
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(deleted);
        let read = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!(read.offset(), Some("10"));
        let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(!deleted);
    }
}

#[maybe_async]
#[test]
async fn the_fallback_costs_one_more_list_and_one_more_read_where_nothing_is_own() {
    let world = World::service();
    let (with, without) = (store(&world), world.store());
    world.put(&format!("{OWN}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")]).await;

    let own = format!("LIST {OWN}/checkpoint/");
    with.list_checkpoints(&group()).await.unwrap();
    world.assert_requests(&[&own, &format!("LIST {OTHER}/checkpoint/")]);
    with.list_ownership(&group()).await.unwrap();
    let ownerships = [format!("LIST {OWN}/ownership/"), format!("LIST {OTHER}/ownership/")];
    world.assert_requests(&[&ownerships[0], &ownerships[1]]);
    without.list_checkpoints(&group()).await.unwrap();
    world.assert_requests(&[&own]);

    with.get_checkpoint(&group(), "0").await.unwrap();
    world.assert_requests(&[&format!("HEAD {OWN}/checkpoint/0")]);
    with.get_checkpoint(&group(), "1").await.unwrap();
    let both = [format!("HEAD {OWN}/checkpoint/1"), format!("HEAD {OTHER}/checkpoint/1")];
    world.assert_requests(&[&both[0], &both[1]]);
    without.get_checkpoint(&group(), "1").await.unwrap();
    world.assert_requests(&[&both[0]]);

    with.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap();
    world.assert_requests(&[&format!("PUT {OWN}/checkpoint/0?metadata")]);

    let lower = ConsumerGroup::new("ns", "hub", "$default").unwrap();
    with.list_checkpoints(&lower).await.unwrap();
    world.assert_requests(&["LIST ns/hub/$default/checkpoint/"]);
    with.get_checkpoint(&lower, "0").await.unwrap();
    world.assert_requests(&["HEAD ns/hub/$default/checkpoint/0"]);
}

#[maybe_async]
#[test]
async fn both_prefixes_are_read_to_their_last_page() {
    let world = World::service();
    world.double().set_page_size(1);
    world.double().set_empty_pages(2);
    for partition in 0..3 {
        for camp in [OWN, OTHER] {
            let name = format!("{camp}/ownership/{partition}");
            world.put(&name, &[("ownerid", camp)]).await;
        }
        world.put(&format!("{OTHER}/ownership/x{partition}"), &[("ownerid", OTHER)]).await;
    }
    let listing = store(&world).list_ownership(&group()).await.unwrap();
    let seen: Vec<_> =
        listing.iter().map(|o| (o.partition_id(), o.owner_id() == Some(OWN))).collect();
    let expected =
        [("0", true), ("1", true), ("2", true), ("x0", false), ("x1", false), ("x2", false)];
    assert_eq!(seen, expected);
}

#[maybe_async]
#[test]
async fn the_way_back_works_alike() {
    for world in World::all() {
        let store = world
            .store_with(|builder| builder.name_case(NameCase::AsGiven).read_other_name_case(true));
        world
            .put(&format!("{OWN}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")])
            .await;
        let found = store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_eq!((found.sequence_number(), found.etag()), (Some(1), None));
        store.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap();
        let written = world.metadata(&format!("{OTHER}/checkpoint/0")).await;
        assert_eq!(written, position("2", "2"));
    }
}

#[maybe_async]
#[test]
async fn a_fence_counts_the_position_of_the_other_naming() {
    for world in World::all() {
        let fenced = store(&world).fenced();
        world
            .put(&format!("{OTHER}/checkpoint/0"), &[("offset", "50"), ("sequencenumber", "5")])
            .await;
        let update = fenced.update_checkpoint(&checkpoint("0", "40", 4)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Stale);
        // One under the own naming that is not readable changes nothing.
        let unreadable = format!("{OWN}/checkpoint/1");
        world.put(&unreadable, &[("offset", "")]).await;
        world
            .put(&format!("{OTHER}/checkpoint/1"), &[("offset", "50"), ("sequencenumber", "5")])
            .await;
        let update = fenced.update_checkpoint(&checkpoint("1", "40", 4)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Stale);
        let update = fenced.update_checkpoint(&checkpoint("1", "60", 6)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
        world.assert_metadata(&unreadable, position("60", "6")).await;
        world.assert_metadata(&format!("{OWN}/checkpoint/0"), None).await;
        // The same position still has to be written: only then it counts under the own naming.
        let update = fenced.update_checkpoint(&checkpoint("0", "50", 5)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
        let written = world.metadata(&format!("{OWN}/checkpoint/0")).await;
        assert_eq!(written, position("50", "5"));
    }
}

#[maybe_async]
#[test]
async fn a_fence_looks_under_the_other_naming_only_where_nothing_is_own() {
    let world = World::service();
    let fenced = store(&world).fenced();
    let (own, other) = (format!("{OWN}/checkpoint/0"), format!("{OTHER}/checkpoint/0"));
    let (head, head_other) = (format!("HEAD {own}"), format!("HEAD {other}"));
    let (put, set) = (format!("PUT {own}"), format!("PUT {own}?metadata"));
    let foreign = |number: &'static str| [("offset", number), ("sequencenumber", number)];
    world.put(&other, &foreign("5")).await;

    let update = fenced.update_checkpoint(&checkpoint("0", "60", 6)).await.unwrap();
    assert!(update.is_written());
    world.assert_requests(&[&head, &head_other, &put]);
    let update = fenced.update_checkpoint(&checkpoint("0", "70", 7)).await.unwrap();
    assert!(update.is_written());
    world.assert_requests(&[&set]);

    // The own one is gone, and a later one of the other naming shows.
    world.put(&other, &foreign("9")).await;
    world.double().delete(&own);
    let update = fenced.update_checkpoint(&checkpoint("0", "80", 8)).await.unwrap();
    assert_eq!(update.outcome, UpdateOutcome::Stale);
    world.assert_requests(&[&set, &head, &head_other]);
    world.assert_metadata(&own, None).await;

    // Whoever has read it knows that there is no own one to be replaced.
    let read = fenced.get_checkpoint(&group(), "0").await.unwrap().unwrap();
    assert_eq!((read.sequence_number(), read.etag()), (Some(9), None));
    world.requests();
    let update = fenced.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();
    assert!(update.is_written());
    world.assert_requests(&[&head, &head_other, &put]);
}

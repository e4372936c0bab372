//! Unreadable records are skipped, listed as skipped, and logged once; or they are errors, if configured.

use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ErrorKind, SkipReason};
use log::Level;

use super::subject::OwnershipManager;
use super::support::blob_service::{Fault, ForeignBlob};
use super::support::capture_log;
use super::support::loopback::Reply;
use super::world::World;
use super::{maybe_async, test};

/// The log is one for all tests, so each one has names of its own.
fn own_group(name: &str) -> ConsumerGroup {
    ConsumerGroup::new("ns", "hub", name).unwrap()
}

fn prefix(group: &ConsumerGroup, kind: &str) -> String {
    format!("{group}/{kind}/")
}

fn warnings(text: &str) -> usize {
    capture_log::lines_with(text).iter().filter(|(level, _)| *level == Level::Warn).count()
}

#[maybe_async]
#[test]
async fn every_defect_is_named_and_warned_of_once_by_each_store() {
    capture_log::start();
    for (index, world) in World::all().into_iter().enumerate() {
        let group = own_group(&format!("leniency-{index}"));
        let prefix = prefix(&group, "checkpoint");
        for (id, offset, number) in [
            ("good", "1", "1"),
            ("empty", "", "None"),
            ("number", "5", "x"),
            ("neither", "", "1.5"),
        ] {
            let metadata = [("offset", offset), ("sequencenumber", number)];
            world.put(&format!("{prefix}{id}"), &metadata).await;
        }
        world.put(&format!("{prefix}folder"), &[("hdi_isfolder", "True")]).await;
        world.put(&format!("{prefix}a/b"), &[("offset", "1")]).await;

        let store = world.store();
        let clone = store.clone();
        for store in [&store, &clone, &store] {
            let listing = store.list_checkpoints(&group).await.unwrap();
            let seen: Vec<_> =
                listing.iter().map(|c| (c.partition_id(), c.sequence_number())).collect();
            assert_eq!(seen, [("good", Some(1)), ("number", None)]);
            let mut skipped: Vec<_> = listing
                .skipped()
                .iter()
                .map(|skipped| (skipped.name.strip_prefix(&prefix).unwrap(), skipped.reason))
                .collect();
            skipped.sort_unstable_by_key(|(id, _)| *id);
            let expected = [
                ("a/b", SkipReason::ForeignName),
                ("empty", SkipReason::NoPosition),
                ("folder", SkipReason::Directory),
                ("neither", SkipReason::InvalidSequenceNumber),
                ("number", SkipReason::InvalidSequenceNumber),
            ];
            assert_eq!(skipped, expected);
            let none = store.get_checkpoint(&group, "empty").await.unwrap();
            assert_eq!(none, None);
            let repaired = store.get_checkpoint(&group, "number").await.unwrap().unwrap();
            assert_eq!((repaired.offset(), repaired.sequence_number()), (Some("5"), None));
        }
        for id in ["empty", "number", "neither"] {
            assert_eq!(warnings(&format!("{prefix}{id}\"")), 1, "{id}");
        }
        // What is normal beside the records is no warning.
        assert_eq!(warnings(&prefix), 3);
        for id in ["folder", "a/b"] {
            let lines = capture_log::lines_with(&format!("{prefix}{id}\""));
            assert!(lines.iter().all(|(level, _)| *level == Level::Debug) && !lines.is_empty());
        }

        world.store().list_checkpoints(&group).await.unwrap();
        assert_eq!(warnings(&prefix), 6, "another store warns, too");
    }
}

#[maybe_async]
#[test]
async fn a_strict_store_fails_instead() {
    capture_log::start();
    for (index, world) in World::all().into_iter().enumerate() {
        let group = own_group(&format!("strict-{index}"));
        let prefix = prefix(&group, "checkpoint");
        let store = world.store_with(|builder| builder.fail_on_unreadable(true));
        world.put(&format!("{prefix}0"), &[("offset", "1"), ("sequencenumber", "1")]).await;
        world.put(&format!("{prefix}folder"), &[("hdi_isfolder", "true")]).await;
        world.put(&format!("{prefix}a/b"), &[]).await;
        let listing = store.list_checkpoints(&group).await.unwrap();
        assert_eq!((listing.len(), listing.skipped().len()), (1, 2));

        let bad = format!("{prefix}1");
        for metadata in [[("offset", "5"), ("sequencenumber", "x")], [("offset", ""), ("x", "")]] {
            world.put(&bad, &metadata).await;
            let listed = store.list_checkpoints(&group).await.unwrap_err();
            let read = store.get_checkpoint(&group, "1").await.unwrap_err();
            for error in [listed, read] {
                assert_eq!((error.kind(), error.blob()), (ErrorKind::InvalidData, Some(&*bad)));
            }
        }
        // The others can still be read one by one.
        let good = store.get_checkpoint(&group, "0").await.unwrap();
        assert!(good.is_some());
        assert_eq!(warnings(&bad), 0, "an error is no warning besides");
    }
}

#[maybe_async]
#[test]
async fn an_ownership_without_a_version_is_left_out() {
    capture_log::start();
    let world = World::service();
    let group = own_group("unreadable");
    let prefix = prefix(&group, "ownership");
    world.put(&format!("{prefix}1"), &[("ownerid", "a")]).await;
    let blob = ForeignBlob::new(&format!("{prefix}0")).metadata(&[("ownerid", "a")]).etag("");
    world.double().put_with(blob);
    let listing = world.store().list_ownership(&group).await.unwrap();
    let seen: Vec<_> = listing.iter().map(|o| o.partition_id()).collect();
    assert_eq!(seen, ["1"]);
    assert_eq!(listing.skipped()[0].reason, SkipReason::Unreadable);
    assert_eq!(warnings(&prefix), 1);
}

#[maybe_async]
#[test]
async fn ages_are_judged_by_the_servers_clock() {
    for hours in [-1, 1] {
        let world = World::service();
        world.double().set_clock_offset(hours * 3600);
        let group = own_group("clock");
        let name = format!("{}0", prefix(&group, "ownership"));
        world.put(&name, &[("ownerid", "a")]).await;
        let store = world.store();
        let listing = store.list_ownership(&group).await.unwrap();
        let age = listing.items()[0].age(listing.server_time()).unwrap();
        assert!(age < Duration::from_secs(30), "{hours} h: {age:?}");

        // Half an hour later, by the same clock.
        world.double().set_clock_offset(hours * 3600 + 1800);
        let listing = store.list_ownership(&group).await.unwrap();
        let age = listing.items()[0].age(listing.server_time()).unwrap();
        assert!((1800..1830).contains(&age.as_secs()), "{hours} h: {age:?}");

        // A claim is dated by that clock, too.
        let claim = listing.items()[0].claimed_by("b").unwrap();
        let claimed = store.claim_ownership(&[claim]).await.into_claimed().remove(0);
        let age = claimed.age(world.double().now()).unwrap();
        assert!(age < Duration::from_secs(30), "{hours} h: {age:?}");
    }
}

#[maybe_async]
#[test]
async fn the_last_warning_says_that_it_is_the_last() {
    const MAX: usize = 1000;
    capture_log::start();
    let world = World::service();
    let group = own_group("too-many");
    let prefix = prefix(&group, "checkpoint");
    for id in 0..MAX + 2 {
        world.double().put(&format!("{prefix}{id}"), &[]);
    }
    let store = world.store();
    for _ in 0..2 {
        let listing = store.list_checkpoints(&group).await.unwrap();
        assert_eq!(listing.skipped().len(), MAX + 2);
    }
    assert_eq!(warnings(&prefix), MAX);
    assert_eq!(warnings("more than 1000 blobs are unreadable or read in part"), 1);
}

/// A proxy may drop or garble the clock; no record may look expired by that.
#[maybe_async]
#[test]
async fn without_a_readable_date_ages_are_judged_by_the_local_clock_with_one_warning() {
    capture_log::start();
    let edits: [fn(Reply) -> Reply; 4] = [
        Reply::without_date,
        |reply| reply.header("Date", ""),
        |reply| reply.header("Date", "yesterday"),
        |reply| reply.header("Date", "Sun, 99 Nov 2026 10:05:07 GMT"),
    ];
    let group = own_group("no-date");
    for edit in edits {
        let world = World::service();
        world.put(&format!("{}0", prefix(&group, "ownership")), &[("ownerid", "a")]).await;
        // Whatever it says is not heard.
        world.double().inject(move |_| Fault::edit(edit));
        let store = world.store();
        for _ in 0..2 {
            let before = SystemTime::now();
            let listing = store.list_ownership(&group).await.unwrap();
            assert!((before..=SystemTime::now()).contains(&listing.server_time()));
            let age = listing.items()[0].age(listing.server_time()).unwrap();
            assert!(age < Duration::from_secs(30), "{age:?}");
            let claims =
                store.claim_ownership(&[listing.items()[0].claimed_by("b").unwrap()]).await;
            assert!(claims.all_claimed(), "{claims:?}");
        }
        store.update_checkpoint(&Checkpoint::new(&group, "0", "1", 1).unwrap()).await.unwrap();
        let found = store.get_checkpoint(&group, "0").await.unwrap();
        assert_eq!(found.unwrap().sequence_number(), Some(1));
    }
    assert_eq!(warnings("the list has no Date"), edits.len(), "one by each store");
}

/// However wrong the server's clock is: nothing panics, and what is younger than the clock has no age.
#[maybe_async]
#[test]
async fn a_server_clock_that_is_centuries_off_is_taken_as_it_is() {
    let group = own_group("centuries");
    for (date, seconds) in
        [("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799)]
    {
        let world = World::service();
        world.put(&format!("{}0", prefix(&group, "ownership")), &[("ownerid", "a")]).await;
        world.double().inject(move |_| Fault::edit(move |reply| reply.header("Date", date)));
        let listing = world.store().list_ownership(&group).await.unwrap();
        let server_time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(listing.server_time(), server_time);
        let age = listing.items()[0].age(server_time).unwrap();
        assert_eq!(age.is_zero(), seconds == 0, "{date}: {age:?}");
    }
}

#[maybe_async]
#[test]
async fn a_wrong_local_clock_takes_no_partition_and_keeps_none_from_being_taken() {
    for hours in [-1, 1] {
        let world = World::service();
        let group = own_group("manager-clock");
        let expired = ForeignBlob::new(&format!("{}expired", prefix(&group, "ownership")))
            .metadata(&[("ownerid", "gone")]);
        world.double().set_clock_offset(hours * 3600 - 121);
        world.double().put_with(expired);
        world.double().set_clock_offset(hours * 3600);
        world.put(&format!("{}live", prefix(&group, "ownership")), &[("ownerid", "other")]).await;

        let options = OwnershipOptions::default();
        let manager = OwnershipManager::builder(world.store(), &group, "me")
            .options(options)
            .build()
            .unwrap();
        let round = manager.round(&["live".to_owned(), "expired".to_owned()]).await.unwrap();
        let won: Vec<_> = round.won.iter().map(|won| won.partition_id.as_str()).collect();
        assert_eq!((won, round.active_owners), (vec!["expired"], 2), "{hours} h");
    }
}

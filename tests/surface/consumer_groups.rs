//! Which groups a container holds: every spelling apart, whatever else is in it, counted once.

use std::time::Duration;

use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, ConsumerGroupSummary, ErrorKind, Listing, NameCase, SkipReason,
};

use super::script::{Script, Step};
use super::support::blob_service::{BlobService, Fault};
use super::world::World;
use super::{checkpoint, maybe_async, ownership, stores, test};

const POSITION: [(&str, &str); 2] = [("offset", "10"), ("sequencenumber", "1")];

/// Group, checkpoints, ownerships, unreadable records, and owners with their partitions.
type Row = (String, usize, usize, usize, Vec<(String, usize)>);

fn rows(listing: &Listing<ConsumerGroupSummary>) -> Vec<Row> {
    let row = |summary: &ConsumerGroupSummary| {
        let owners = summary.owners.iter();
        let owners = owners.map(|owner| (owner.owner_id.clone(), owner.partitions)).collect();
        let ConsumerGroupSummary { checkpoints, ownerships, unreadable, .. } = *summary;
        (summary.group.to_string(), checkpoints, ownerships, unreadable, owners)
    };
    listing.iter().map(row).collect()
}

#[maybe_async]
#[test]
async fn every_group_is_listed_by_the_names_of_its_blobs() {
    for world in World::all() {
        for (name, metadata) in [
            ("ns/hub/$default/checkpoint/0", POSITION.as_slice()),
            ("ns/hub/$default/checkpoint/1", &POSITION),
            ("ns/hub/$default/ownership/0", &[("ownerid", "a")]),
            ("ns/hub/$default/ownership/1", &[("ownerId", "b")]),
            ("ns/hub/$default/ownership/2", &[("ownerid", "b")]),
            ("ns/hub/$default/ownership/3", &[("ownerid", "")]),
            // Java, Go and the official Rust crate keep the spelling: another group.
            ("ns/Hub/$Default/checkpoint/0", &POSITION),
            // IoT Hub.
            ("ns/messages/events/g/ownership/0", &[("ownerid", "a")]),
            // Readable in part, and not at all.
            ("ns/hub/odd/checkpoint/0", &[("offset", "1"), ("sequencenumber", "x")]),
            ("ns/hub/odd/checkpoint/1", &[("offset", "")]),
            // No records.
            ("readme.txt", &[]),
            ("ns/hub/$Default/0", &[]),
            ("ns/hub/dir/checkpoint/0", &[("hdi_isfolder", "true")]),
            ("ns/hub/g/lease/0", &[("ownerid", "a")]),
        ] {
            world.put(name, metadata).await;
        }
        let listing = world.store().list_consumer_groups().await.unwrap();
        let owner = |id: &str, partitions| (id.to_owned(), partitions);
        let expected = [
            ("ns/Hub/$Default".to_owned(), 1, 0, 0, vec![]),
            ("ns/hub/$default".to_owned(), 2, 4, 0, vec![owner("a", 1), owner("b", 2)]),
            ("ns/hub/odd".to_owned(), 1, 0, 1, vec![]),
            ("ns/messages/events/g".to_owned(), 0, 1, 0, vec![owner("a", 1)]),
        ];
        assert_eq!(rows(&listing), expected);
        let skipped: Vec<_> = listing.skipped().iter().map(|blob| blob.reason).collect();
        assert_eq!(skipped, [SkipReason::InvalidSequenceNumber, SkipReason::NoPosition]);
        let hub = listing.items()[3].group.eventhub_name();
        assert_eq!(hub, "messages/events");
    }
}

#[maybe_async]
#[test]
async fn a_listed_group_matches_what_its_store_reads() {
    for store in stores() {
        store.create_container_if_not_exists().await.unwrap();
        let empty = store.list_consumer_groups().await.unwrap();
        assert!(empty.is_empty());
        let claims = store.claim_ownership(&[ownership("0", "a"), ownership("1", "a")]).await;
        assert!(claims.all_claimed());
        store.update_checkpoint(&checkpoint("0", "100", 10)).await.unwrap();

        let listing = store.list_consumer_groups().await.unwrap();
        let [summary] = listing.items() else { panic!("{listing:?}") };
        let checkpoints = store.list_checkpoints(&summary.group).await.unwrap();
        assert_eq!(summary.checkpoints, checkpoints.len());
        assert_eq!(summary.last_checkpoint, checkpoints.items()[0].last_modified());
        let ownerships = store.list_ownership(&summary.group).await.unwrap();
        assert_eq!(summary.ownerships, ownerships.len());
        let renewed = ownerships.iter().filter_map(|record| record.last_modified()).max();
        assert_eq!((summary.last_renewal, summary.owners[0].last_renewal), (renewed, renewed));

        let now = listing.server_time();
        let live = |after| {
            summary.live_owners(Duration::from_secs(60), now + Duration::from_secs(after)).count()
        };
        assert_eq!((live(0), live(600)), (1, 0));
    }
}

#[maybe_async]
#[test]
async fn fleets_of_both_namings_are_two_groups() {
    for world in World::all() {
        let group = ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "$Default").unwrap();
        let position = Checkpoint::new(&group, "0", "10", 1).unwrap();
        for case in [NameCase::Lower, NameCase::AsGiven] {
            let store = world.store_with(|builder| builder.name_case(case));
            store.update_checkpoint(&position).await.unwrap();
        }
        let listing = world.store().list_consumer_groups().await.unwrap();
        let names: Vec<_> = listing.iter().map(|summary| summary.group.to_string()).collect();
        let lower = group.to_string().to_lowercase();
        assert_eq!(names, [group.to_string(), lower]);
    }
}

fn filled() -> BlobService {
    let service = BlobService::new("checkpoints");
    for group in ["a", "b"] {
        for partition in 0..4 {
            service.put(&format!("ns/hub/{group}/checkpoint/{partition}"), &POSITION);
            service.put(&format!("ns/hub/{group}/ownership/{partition}"), &[("ownerid", "me")]);
        }
    }
    service
}

#[maybe_async]
#[test]
async fn groups_that_lie_on_many_pages_are_counted_once() {
    let service = filled();
    service.set_page_size(3);
    service.set_empty_pages(2);
    // A page that breaks in the middle is shown again.
    service.queue_faults([Fault::None, Fault::TruncateResponse(900), Fault::DropAfterProcessing]);
    let script = Script::over(&service);
    let listing = script.store().list_consumer_groups().await.unwrap();
    let owners = vec![("me".to_owned(), 4)];
    let expected = ["ns/hub/a", "ns/hub/b"].map(|it| (it.to_owned(), 4, 4, 0, owners.clone()));
    assert_eq!(rows(&listing), expected);
}

#[maybe_async]
#[test]
async fn a_list_that_fails_is_an_error() {
    let service = filled();
    service.set_page_size(3);
    let script = Script::new(move |sent| match sent.request.query("marker") {
        Some(_) => Step::broken(),
        None => Step::reply(sent, service.handle(&sent.request)),
    });
    let error = script.store().list_consumer_groups().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains("list the consumer groups"), "{error}");
}

//! All records of a group, and of every group, from one list: the same records as from a list for each kind.

use eventhub_checkpointstore::{
    CallOptions, Checkpoint, ConsumerGroup, ConsumerGroupRecords, ErrorKind, Listing, NameCase,
    PartitionOwnership, SkippedBlob,
};

use super::script::{Script, Step};
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{BlobService, Fault};
use super::world::World;
use super::{group, maybe_async, test};

const POSITION: [(&str, &str); 2] = [("offset", "10"), ("sequencenumber", "1")];
const OWN: &str = "ns.servicebus.windows.net/hub/$default";
const OTHER: &str = "NS.servicebus.windows.net/Hub/$Default";

type Listed<T> = (Vec<T>, Vec<SkippedBlob>);

fn listed<T: Clone>(listing: &Listing<T>) -> Listed<T> {
    (listing.items().to_vec(), listing.skipped().to_vec())
}

fn of(records: &ConsumerGroupRecords) -> (Listed<Checkpoint>, Listed<PartitionOwnership>) {
    (listed(&records.checkpoints), listed(&records.ownerships))
}

fn as_given(world: &World) -> BlobCheckpointStore {
    world.store_with(|builder| builder.name_case(NameCase::AsGiven))
}

/// Records of three groups with all that may go wrong, and what is no record.
#[maybe_async]
async fn filled() -> [World; 2] {
    let worlds = World::all();
    for world in &worlds {
        for (name, metadata) in [
            (format!("{OWN}/checkpoint/0"), POSITION.as_slice()),
            (format!("{OWN}/checkpoint/1"), &[("offset", "1"), ("sequencenumber", "x")]),
            (format!("{OWN}/checkpoint/2"), &[("offset", "")]),
            (format!("{OWN}/ownership/0"), &[("ownerid", "a")]),
            (format!("{OWN}/ownership/1"), &[("ownerid", "")]),
            (format!("{OTHER}/checkpoint/0"), &POSITION),
            (format!("{OTHER}/ownership/7"), &[("ownerId", "b")]),
            ("ns/messages/events/g/ownership/0".to_owned(), &[("ownerid", "a")]),
            // A group of the event hub `hub/$default`, below the names of the first one.
            (format!("{OWN}/g/checkpoint/5"), &POSITION),
            (format!("{OWN}/0"), &[]),
            (format!("{OWN}/lease/0"), &[("ownerid", "a")]),
            ("readme.txt".to_owned(), &[]),
        ] {
            world.put(&name, metadata).await;
        }
    }
    worlds
}

#[maybe_async]
#[test]
async fn one_list_has_the_records_of_both_kinds() {
    for world in filled().await {
        let store = as_given(&world);
        let groups = store.list_all_records().await.unwrap();
        let names: Vec<_> = groups.iter().map(|records| records.group.to_string()).collect();
        let nested = format!("{OWN}/g");
        assert_eq!(names, [OTHER, OWN, &nested, "ns/messages/events/g"]);
        let known = store.list_consumer_groups().await.unwrap();
        assert!(known.iter().map(|summary| &summary.group).eq(groups.iter().map(|one| &one.group)));
        for records in &groups {
            let group = &records.group;
            let checkpoints = store.list_checkpoints(group).await.unwrap();
            let ownerships = store.list_ownership(group).await.unwrap();
            let expected = (listed(&checkpoints), listed(&ownerships));
            assert_eq!(of(records), expected, "{group}");
            let one = store.list_records(group).await.unwrap();
            assert_eq!(of(&one), expected, "{group}");
        }
        let nobody = ConsumerGroup::new("ns", "hub", "none").unwrap();
        let empty = store.list_records(&nobody).await.unwrap();
        assert!(empty.checkpoints.is_empty() && empty.ownerships.is_empty());
        assert_eq!(empty.group, nobody);
    }
}

#[maybe_async]
#[test]
async fn a_page_is_one_request_for_all_groups() {
    let world = World::service();
    for group in 0..300 {
        world.put(&format!("ns/hub/g{group}/checkpoint/0"), &POSITION).await;
        world.put(&format!("ns/hub/g{group}/ownership/0"), &[("ownerid", "a")]).await;
    }
    let groups = world.store().list_all_records().await.unwrap();
    assert_eq!(groups.len(), 300);
    world.assert_requests(&["LIST "]);
    world.store().list_records(&groups[7].group).await.unwrap();
    world.assert_requests(&[&format!("LIST {}/", groups[7].group)]);
}

/// An ETag of another blob than the store would write to is of no use.
#[maybe_async]
#[test]
async fn records_that_the_store_would_not_write_have_no_etag() {
    for world in filled().await {
        let groups = world.store().list_all_records().await.unwrap();
        for records in &groups {
            let name = records.group.to_string();
            let is_own = name == name.to_lowercase();
            let mut etags = records
                .checkpoints
                .iter()
                .map(|one| one.etag())
                .chain(records.ownerships.iter().map(|one| one.etag()));
            assert!(etags.all(|etag| etag.is_some() == is_own), "{name}");
        }
    }
}

#[maybe_async]
#[test]
async fn the_other_naming_completes_a_group_if_it_is_read() {
    for world in filled().await {
        let store = world.store_with(|builder| builder.read_other_name_case(true));
        let records = store.list_records(&group()).await.unwrap();
        let checkpoints = store.list_checkpoints(&group()).await.unwrap();
        let ownerships = store.list_ownership(&group()).await.unwrap();
        assert_eq!(of(&records), (listed(&checkpoints), listed(&ownerships)));
        // Each kind by itself: the other naming has a checkpoint that is shadowed and an owner that is not.
        let owners = records.ownerships.iter().map(PartitionOwnership::partition_id);
        assert_eq!(owners.collect::<Vec<_>>(), ["0", "1", "7"]);
        assert_eq!(records.checkpoints.len(), 2);
        world.requests();
        store.list_records(&group()).await.unwrap();
        world.assert_requests(&[&format!("LIST {OWN}/"), &format!("LIST {OTHER}/")]);
    }
}

fn many() -> BlobService {
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
async fn records_on_many_pages_are_listed_once() {
    let service = many();
    service.set_page_size(3);
    service.set_empty_pages(2);
    let script = Script::over(&service);
    let store = script.store();
    // A page that breaks in the middle is shown again.
    let faults = || [Fault::None, Fault::TruncateResponse(900), Fault::DropAfterProcessing];
    service.queue_faults(faults());
    let groups = store.list_all_records().await.unwrap();
    let counts =
        |records: &ConsumerGroupRecords| (records.checkpoints.len(), records.ownerships.len());
    assert_eq!(groups.iter().map(counts).collect::<Vec<_>>(), [(4, 4); 2]);
    service.queue_faults(faults());
    for records in &groups {
        let one = store.list_records(&records.group).await.unwrap();
        assert_eq!(of(&one), of(records));
    }
    assert_eq!(service.injected().len(), 4);
}

#[maybe_async]
#[test]
async fn a_list_of_records_that_fails_is_an_error() {
    let service = many();
    service.set_page_size(3);
    let script = Script::new(move |sent| match sent.request.query("marker") {
        Some(_) => Step::broken(),
        None => Step::reply(sent, service.handle(&sent.request)),
    });
    let store = script.store().with_options(CallOptions::new().with_max_retries(0));
    let group = ConsumerGroup::new("ns", "hub", "a").unwrap();
    let all = store.list_all_records().await.unwrap_err();
    let one = store.list_records(&group).await.unwrap_err();
    assert_eq!((all.kind(), one.kind()), (ErrorKind::Network, ErrorKind::Network));
    assert!(all.to_string().contains("list all records"), "{all}");
    assert!(one.to_string().contains("list the records"), "{one}");
}

#[maybe_async]
#[test]
async fn a_strict_store_refuses_unreadable_records_of_every_group() {
    for world in filled().await {
        let store = world.store_with(|builder| builder.fail_on_unreadable(true));
        let errors = [
            store.list_all_records().await.unwrap_err(),
            store.list_records(&group()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("checkpoint/"), "{error}");
        }
    }
}

//! Lists as the service sends them: pages, encodings, and blobs under the prefix that are not records.

use std::time::Duration;

use eventhub_checkpointstore::{
    CallOptions, Checkpoint, ConsumerGroup, ErrorKind, Listing, PartitionOwnership, SkipReason,
};

use super::script::{Script, Step};
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault, ForeignBlob};
use super::support::loopback::{Loopback, Reply};
use super::{maybe_async, test};

/// The group of the recorded lists.
fn group() -> ConsumerGroup {
    ConsumerGroup::new("myns.servicebus.windows.net", "myhub", "$Default").unwrap()
}

const OWNERSHIPS: &str = "myns.servicebus.windows.net/myhub/$default/ownership/";

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/list/", $name))
            .as_slice()
    };
}

struct Served {
    service: BlobService,
    loopback: Loopback,
    store: BlobCheckpointStore,
}

fn serve() -> Served {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(key)
        // Nothing here is about time, and a debug build on a busy machine is slow.
        .attempt_timeout(Duration::from_secs(60))
        .call_timeout(Duration::from_secs(120))
        .build()
        .unwrap();
    // What is wrong once is wrong again here.
    let store = store.with_options(CallOptions::new().with_max_retries(0));
    Served { service, loopback, store }
}

impl Served {
    fn put_ownership(&self, partition_id: &str) {
        self.service.put(&format!("{OWNERSHIPS}{partition_id}"), &[("ownerid", "a")]);
    }

    fn put_ownerships(&self, count: usize) {
        (0..count).for_each(|id| self.put_ownership(&id.to_string()));
    }

    /// These bytes are the response to the next list.
    fn respond(&self, body: impl Into<Vec<u8>>) {
        let reply = Reply::new(200).header("Content-Type", "application/xml").body(body);
        self.service.queue_faults([Fault::Respond(reply)]);
    }
}

fn partition_ids(listing: &Listing<PartitionOwnership>) -> Vec<&str> {
    listing.iter().map(PartitionOwnership::partition_id).collect()
}

fn skipped<T>(listing: &Listing<T>) -> Vec<(&str, SkipReason)> {
    listing.skipped().iter().map(|blob| (blob.name.as_str(), blob.reason)).collect()
}

#[maybe_async]
#[test]
async fn the_recorded_lists_of_the_service() {
    let served = serve();
    served.respond(recorded!("ownership.xml"));
    let listing = served.store.list_ownership(&group()).await.unwrap();
    let owners: Vec<_> =
        listing.iter().map(|item| (item.partition_id(), item.owner_id())).collect();
    let first = "11111111-1111-4111-8111-111111111111";
    assert_eq!(owners, [("0", Some(first)), ("1", None), ("10", Some("2222"))]);
    assert_eq!(listing.items()[0].etag().unwrap().as_str(), "\"0x8DE29A5B1C3D0F1\"");

    served.respond(recorded!("checkpoint.xml"));
    let listing = served.store.list_checkpoints(&group()).await.unwrap();
    assert_eq!(
        positions(&listing),
        [("0", Some("8589934592"), Some(960_180)), ("1", Some("2:-1:-1"), Some(0))]
    );

    served.respond(recorded!("foreign-metadata.xml"));
    let listing = served.store.list_checkpoints(&group()).await.unwrap();
    assert_eq!(
        positions(&listing),
        [
            ("0", Some("1"), Some(5)),
            ("1", None, Some(7)),
            ("5", Some("9"), None),
            ("6", Some("42"), None)
        ]
    );
    let reasons: Vec<_> = listing.skipped().iter().map(|blob| blob.reason).collect();
    use SkipReason::{InvalidSequenceNumber, NoPosition};
    assert_eq!(reasons, [NoPosition, NoPosition, NoPosition, InvalidSequenceNumber]);

    // The same metadata, an element that is missing included, on ownerships: nobody owns them.
    let ownerships = String::from_utf8(recorded!("foreign-metadata.xml").to_vec()).unwrap();
    served.respond(ownerships.replace("/checkpoint/", "/ownership/"));
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.skipped().len()), (7, 0));
    assert!(listing.iter().all(|item| !item.is_owned()));
}

fn positions(listing: &Listing<Checkpoint>) -> Vec<(&str, Option<&str>, Option<i64>)> {
    listing
        .iter()
        .map(|item| (item.partition_id(), item.offset(), item.sequence_number()))
        .collect()
}

#[maybe_async]
#[test]
async fn a_hierarchical_namespace_lists_its_directories() {
    let served = serve();
    served.respond(recorded!("hierarchical-namespace.xml"));
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(partition_ids(&listing), ["3"]);
    let nested = format!("{OWNERSHIPS}nested");
    let inside = format!("{nested}/0");
    assert_eq!(
        skipped(&listing),
        [(nested.as_str(), SkipReason::Directory), (inside.as_str(), SkipReason::ForeignName)]
    );
}

/// None of these may fail the list or hide the record beside it.
#[maybe_async]
#[test]
async fn blobs_that_are_not_records_are_skipped_and_named() {
    let blob =
        |rest: &str| ForeignBlob::new(&format!("{OWNERSHIPS}{rest}")).metadata(&[("ownerid", "a")]);
    let cases = [
        (blob("5").directory(), SkipReason::Directory),
        (blob("5").metadata(&[("hdi_isfolder", "True")]), SkipReason::Directory),
        (blob("5").deleted(), SkipReason::NotCurrent),
        (blob("5").snapshot("2026-11-22T10:00:00.0000000Z"), SkipReason::NotCurrent),
        (
            blob("5").list_element("<IsCurrentVersion>false</IsCurrentVersion>"),
            SkipReason::NotCurrent,
        ),
        (blob(""), SkipReason::ForeignName),
        (blob("5/"), SkipReason::ForeignName),
        (blob("5/6"), SkipReason::ForeignName),
        (blob("5").etag(""), SkipReason::Unreadable),
        (blob("5").etag("a\"b"), SkipReason::Unreadable),
    ];
    for (foreign, reason) in cases {
        let served = serve();
        served.put_ownership("0");
        served.put_ownership("9");
        served.service.put_with(foreign);
        let listing = served.store.list_ownership(&group()).await.unwrap();
        assert_eq!(partition_ids(&listing), ["0", "9"], "{reason:?}");
        let reasons: Vec<_> = listing.skipped().iter().map(|blob| blob.reason).collect();
        assert_eq!(reasons, [reason]);
    }
}

#[maybe_async]
#[test]
async fn unknown_elements_say_nothing() {
    let served = serve();
    let foreign = ForeignBlob::new(&format!("{OWNERSHIPS}0"))
        .metadata(&[("ownerid", "a")])
        .list_element("<Deleted>false</Deleted><VersionId>1</VersionId><IsCurrentVersion>true</IsCurrentVersion>")
        .list_element("<Tags><TagSet><Tag><Key>ownerid</Key><Value>b</Value></Tag></TagSet></Tags>")
        .list_property("<ResourceType>file</ResourceType><Name>x</Name><Unheard><Of a=\"b\"/></Unheard>");
    served.service.put_with(foreign);
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(partition_ids(&listing), ["0"]);
    assert_eq!(listing.items()[0].owner_id(), Some("a"));
    assert!(listing.skipped().is_empty());
}

/// A single read needs no time, so a list needs none: the position counts.
#[maybe_async]
#[test]
async fn a_record_without_a_time_is_a_record() {
    let served = serve();
    let list = |kind: &str, properties: &str| {
        format!(
            "<EnumerationResults><Blobs><Blob><Name>myns.servicebus.windows.net/myhub/$default/{kind}/0</Name>\
             <Properties>{properties}</Properties><Metadata><ownerid>a</ownerid><offset>5</offset>\
             <sequencenumber>6</sequencenumber></Metadata></Blob></Blobs><NextMarker/></EnumerationResults>"
        )
    };
    let head = Reply::new(200)
        .header("ETag", "\"0x1\"")
        .header("x-ms-meta-offset", "5")
        .header("x-ms-meta-sequencenumber", "6");
    served.service.queue_faults([Fault::Respond(head)]);
    let read = served.store.get_checkpoint(&group(), "0").await.unwrap().unwrap();
    for time in ["", "<Last-Modified/>", "<Last-Modified>soon</Last-Modified>"] {
        served.respond(list("checkpoint", &format!("{time}<Etag>0x1</Etag>")));
        let listing = served.store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(listing.items(), std::slice::from_ref(&read), "{time}");

        // Nobody can say that it has expired, so its owner is left alone.
        served.respond(list("ownership", &format!("{time}<Etag>0x1</Etag>")));
        let listing = served.store.list_ownership(&group()).await.unwrap();
        let owned = &listing.items()[0];
        assert_eq!((owned.owner_id(), owned.age(listing.server_time())), (Some("a"), None));
    }
    for etag in ["", "<Etag/>", "<Etag>a\"b</Etag>"] {
        served.respond(list("checkpoint", etag));
        let listing = served.store.list_checkpoints(&group()).await.unwrap();
        assert_eq!(positions(&listing), [("0", Some("5"), Some(6))], "{etag}");
        assert_eq!((listing.items()[0].etag(), listing.skipped().len()), (None, 0));
    }
}

/// A name that XML cannot hold comes percent-encoded, any other one with entities.
#[maybe_async]
#[test]
async fn names_are_decoded() {
    let served = serve();
    let ids = ["a&b", "a<b>", "a\u{fffe}b %20", "ü", "a%2Fb", "$Default", "日本"];
    for id in ids {
        served.put_ownership(id);
    }
    let listing = served.store.list_ownership(&group()).await.unwrap();
    let mut found = partition_ids(&listing);
    found.sort_unstable();
    let mut expected = ids.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    // What was listed can be claimed: the name leads back to the same blob.
    let claims: Vec<_> = listing.iter().map(|item| item.claimed_by("b").unwrap()).collect();
    let claims = served.store.claim_ownership(&claims).await;
    assert!(claims.all_claimed(), "{claims:?}");
    assert_eq!(served.service.blobs().len(), ids.len());
}

#[maybe_async]
#[test]
async fn a_byte_order_mark_does_not_count_as_content() {
    let served = serve();
    let marked = recorded!("ownership.xml");
    let plain = marked.strip_prefix(b"\xef\xbb\xbf").expect("the service sends one");
    for body in [marked, plain] {
        served.respond(body);
        let listing = served.store.list_ownership(&group()).await.unwrap();
        assert_eq!(listing.len(), 3);
    }
}

#[maybe_async]
#[test]
async fn an_empty_page_with_a_marker_is_not_the_end() {
    let served = serve();
    served.put_ownerships(7);
    served.service.set_page_size(2);
    // Every second page: pages of 2, 0, 2, 0, 2, 0, 1.
    served.service.set_empty_pages(2);
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(partition_ids(&listing), ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(served.loopback.requests().len(), 7);

    served.loopback.clear();
    served.service.set_page_size(5000);
    served.service.set_empty_pages(0);
    served.respond(recorded!("empty-page-with-marker.xml"));
    served.respond(recorded!("ownership.xml"));
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(partition_ids(&listing), ["0", "1", "10"]);
    let markers: Vec<_> =
        served.loopback.requests().iter().map(|request| request.query("marker")).collect();
    assert_eq!(markers, [None, Some("2!108!MDAwMDIw".to_owned())]);
}

/// However long the circle of markers is.
#[maybe_async]
#[test]
async fn a_repeated_marker_is_an_error() {
    for circle in [1, 2, 5] {
        let served = serve();
        let mut page = 0;
        served.service.inject(move |_| {
            page += 1;
            let body = format!(
                "<EnumerationResults><Blobs/><NextMarker>{}</NextMarker></EnumerationResults>",
                page % circle
            );
            Fault::Respond(Reply::new(200).body(body))
        });
        let error = served.store.list_ownership(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(error.to_string().contains("marker"), "{error}");
        assert_eq!(served.loopback.requests().len(), circle + 1);
    }
}

/// A well-formed HTTP response whose XML ends early, wherever that is.
#[maybe_async]
#[test]
async fn a_truncated_body_is_an_error() {
    let served = serve();
    let body = recorded!("ownership.xml");
    for end in (0..body.len()).step_by(37).chain([body.len() - 1]) {
        served.respond(&body[..end]);
        let error = served.store.list_ownership(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "cut at {end}");
    }
}

/// It is refused as it arrives, before it takes up memory, and not asked for again.
#[maybe_async]
#[test]
async fn a_page_beyond_the_limits_of_the_service_is_refused_at_once() {
    let deep = format!("<Blobs><Blob>{}", "<X>".repeat(100));
    let pairs = "<a>1</a>".repeat(5_000);
    let blobs = "<Blob><Name>a</Name></Blob>".repeat(50_001);
    for (page, part) in [
        (deep, "nested too deeply"),
        (format!("<Blobs><Blob><Name>a</Name><Metadata>{pairs}"), "exceeds the service's limits"),
        (format!("<Blobs><Blob><Name>{}", "x".repeat(2 << 20)), "exceeds the service's limits"),
        (format!("<Blobs>{blobs}"), "exceeds the service's limits"),
    ] {
        // Were it read to its end, it would be truncated, which is tried again.
        let body = format!("<EnumerationResults>{page}");
        let script = Script::new(move |_| Step::reply_now(Reply::new(200).body(body.as_str())));
        for error in [
            script.store().list_ownership(&group()).await.unwrap_err(),
            script.store().list_all_records().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{error:?}");
            assert!(!error.is_transient(), "{error:?}");
            assert!(format!("{error:?}").contains(part), "{error:?}");
        }
        assert_eq!((script.sent().len(), script.slept().len()), (2, 0), "{part}");
    }
}

/// Content after the end may be the rest of another response, which this request did not ask for.
#[maybe_async]
#[test]
async fn content_after_a_list_is_an_error() {
    let served = serve();
    let body = recorded!("ownership.xml");
    served.respond([body, b"\r\n<!-- served by a proxy -->\n".as_slice()].concat());
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.len(), 3);
    for rest in ["</EnumerationResults>", "<Blobs/>", "HTTP/1.1 200 OK", "<!-- "] {
        served.respond([body, rest.as_bytes()].concat());
        let error = served.store.list_ownership(&group()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{rest}");
    }
}

/// A response that breaks off, in chunks or with a length, on the first page or on the second.
#[maybe_async]
#[test]
async fn a_broken_response_is_an_error() {
    let served = serve();
    served.put_ownerships(40);
    served.service.set_page_size(20);
    for page in 0..2 {
        for bytes in [0, 1, 700, 5000, 9000] {
            let broken = Fault::edit(move |reply| reply.truncate_body_at(bytes));
            let before = (0..page).map(|_| Fault::None);
            served.service.queue_faults(before.chain([broken]));
            let error = served.store.list_ownership(&group()).await.unwrap_err();
            let kind = error.kind();
            let is_expected = matches!(kind, ErrorKind::Network | ErrorKind::InvalidResponse);
            assert!(is_expected, "page {page}, {bytes} bytes: {error:?}");
        }
    }
    // A single failure is not an error for a store that retries.
    let patient = served.store.with_options(CallOptions::new());
    served.service.queue_faults([Fault::edit(|reply| reply.truncate_body_at(700))]);
    let listing = patient.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.len(), 40);
}

/// Blobs are read while their page arrives. What a page showed before its connection broke is not in the list, neither
/// records nor what is none, and the pages before it stay.
#[maybe_async]
#[test]
async fn items_of_a_broken_page_are_discarded() {
    let served = serve();
    served.put_ownerships(40);
    served.service.put(&format!("{OWNERSHIPS}0/x"), &[]);
    served.service.put(&format!("{OWNERSHIPS}39/x"), &[]);
    served.service.set_page_size(21);
    let store = served.store.with_options(CallOptions::new());
    let whole = store.list_ownership(&group()).await.unwrap();
    assert_eq!((whole.len(), whole.skipped().len()), (40, 2));

    let recorded = recorded!("ownership.xml");
    let foreign = String::from_utf8(recorded.to_vec()).unwrap();
    let foreign = foreign.replace("ownership/10<", "ownership/10/y<");
    for page in 0..2 {
        for chunked in [false, true] {
            let reply = Reply::new(200).body(foreign.clone());
            let reply = if chunked { reply.chunked() } else { reply.with_length() };
            let broken = Fault::Respond(reply.truncate_body_at(foreign.len() - 10));
            served.service.queue_faults((0..page).map(|_| Fault::None).chain([broken]));
            served.loopback.clear();
            let listing = store.list_ownership(&group()).await.unwrap();
            assert_eq!(served.loopback.requests().len(), 3, "two pages and a retry");
            assert_eq!(listing.items(), whole.items(), "page {page}, chunked: {chunked}");
            assert_eq!(listing.skipped(), whole.skipped(), "page {page}, chunked: {chunked}");
        }
    }
}

/// A failure on a later page is no shorter list.
#[maybe_async]
#[test]
async fn a_failed_page_fails_the_list() {
    let served = serve();
    served.put_ownerships(5);
    served.service.set_page_size(2);
    let busy = super::support::blob_service::error_reply(503, "ServerBusy", "Busy.");
    served.service.queue_faults([Fault::None, Fault::None, Fault::Respond(busy)]);
    let error = served.store.list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
}

#[maybe_async]
#[test]
async fn a_hundred_thousand_blobs_on_twenty_pages() {
    const COUNT: usize = 100_000;
    let served = serve();
    served.put_ownerships(COUNT);
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.skipped().len()), (COUNT, 0));
    let mut ids: Vec<usize> =
        listing.iter().map(|item| item.partition_id().parse().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..COUNT));
    assert_eq!(served.loopback.requests().len(), 20, "pages of 5,000");
}

/// Owners of the length that a claim may have fill a page with more than the 10 MB at which ureq stops by default.
#[maybe_async]
#[test]
async fn a_full_page_of_the_largest_records() {
    const COUNT: usize = 2600;
    let served = serve();
    let owner = "x".repeat(4096);
    for id in 0..COUNT {
        served.service.put(&format!("{OWNERSHIPS}{id}"), &[("ownerid", &owner)]);
    }
    let listing = served.store.list_ownership(&group()).await.unwrap();
    assert_eq!(listing.len(), COUNT);
    assert!(listing.iter().all(|item| item.owner_id() == Some(&owner)));
}

//! Which requests may go to the secondary, and how far its responses are trusted.

use std::time::Duration;

use eventhub_checkpointstore::{CallOptions, ETag, ErrorKind, Partitions, RunMode};

use super::script::{SECONDARY, Script, Sent, Step};
use super::subject::BlobCheckpointStore;
use super::support::blob_service::{BlobService, error_reply};
use super::support::loopback::Reply;
use super::{checkpoint, group, maybe_async, ownership, test};

/// The primary responds as told; the secondary is a service of its own.
fn two_hosts(
    secondary: &BlobService,
    primary: impl Fn(&Sent) -> Step + Send + Sync + 'static,
) -> Script {
    let secondary = secondary.clone();
    Script::new(move |sent| {
        if sent.is_secondary() {
            Step::reply(sent, secondary.handle(&sent.request))
        } else {
            primary(sent)
        }
    })
}

fn store(script: &Script) -> BlobCheckpointStore {
    script.builder().secondary_hostname(SECONDARY).build().unwrap()
}

fn unavailable(_: &Sent) -> Step {
    Step::reply_now(Reply::new(503))
}

const OWNERSHIPS: &str = "ns.servicebus.windows.net/hub/$default/ownership/";
const CHECKPOINT: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/0";

#[maybe_async]
#[test]
async fn reads_alternate_after_a_failure_of_the_primary() {
    let service = BlobService::new("checkpoints");
    service.put(&format!("{OWNERSHIPS}0"), &[("ownerid", "a")]);
    service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    let script = two_hosts(&service, unavailable);
    let listing = store(&script).list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.is_from_secondary()), (1, true));
    assert_eq!(script.hosts(), ["primary", "secondary"]);
    script.clear();
    let found = store(&script).get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_some());
    assert_eq!(script.hosts(), ["primary", "secondary"]);

    let script = Script::new(unavailable);
    let error = store(&script).list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(script.hosts(), ["primary", "secondary", "primary", "secondary"]);
    for sent in script.sent() {
        assert!(super::shared_key::is_signed(&sent.request, "acct", "c2VjcmV0"));
    }
}

#[maybe_async]
#[test]
async fn writes_and_what_settles_them_never_go_to_the_secondary() {
    let service = BlobService::new("checkpoints");
    let script = two_hosts(&service, unavailable);
    let claims = store(&script).claim_ownership(&[ownership("0", "a")]).await;
    assert_eq!(claims.failed().count(), 1);
    store(&script).update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    store(&script).delete_checkpoint(&group(), "0").await.unwrap_err();
    store(&script).create_container_if_not_exists().await.unwrap_err();
    assert_eq!(script.hosts(), ["primary"; 16]);
    assert!(service.history().is_empty());

    // The HEAD after a lost response decides about a claim.
    let primary = BlobService::new("checkpoints");
    let script = two_hosts(&service, move |sent| match sent.request.index {
        0 => {
            let _ = primary.handle(&sent.request);
            Step::broken()
        }
        2 => unavailable(sent),
        _ => Step::reply(sent, primary.handle(&sent.request)),
    });
    let claims = store(&script).claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    assert_eq!(script.operations(), ["PUT", "PUT", "HEAD", "HEAD", "PUT metadata"]);
    assert_eq!(script.hosts(), ["primary"; 5]);
}

#[maybe_async]
#[test]
async fn a_lagging_secondary_never_says_that_there_is_no_checkpoint() {
    let lagging = BlobService::new("checkpoints");
    let primary = BlobService::new("checkpoints");
    primary.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    // The primary recovers: it is asked again at once.
    let recovered = primary.clone();
    let script = two_hosts(&lagging, move |sent| match sent.request.index {
        0 => unavailable(sent),
        _ => Step::reply(sent, recovered.handle(&sent.request)),
    });
    let found = store(&script).get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_some());
    assert_eq!(script.hosts(), ["primary", "secondary", "primary"]);
    assert_eq!(script.slept().len(), 1, "the wait for the secondary was the only one");

    // It stays away: that is the result, whatever the number of retries is.
    for max_retries in 1..=6 {
        let script = two_hosts(&lagging, unavailable);
        let store = store(&script).with_options(CallOptions::new().with_max_retries(max_retries));
        let error = store.get_checkpoint(&group(), "0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service, "{max_retries}: {error}");
        let hosts = script.hosts();
        assert_eq!(hosts.iter().filter(|host| **host == "secondary").count(), 1, "{hosts:?}");
        assert_eq!(hosts.last(), Some(&"primary"));
    }

    // No time is left for the primary.
    let script = Script::new(|sent| {
        let missing = || Step::reply_now(error_reply(404, "BlobNotFound", "not yet"));
        if sent.is_secondary() { missing().after(sent.timeout) } else { unavailable(sent) }
    });
    let limited = CallOptions::new().with_timeout(Duration::from_secs(4));
    let error =
        store(&script).with_options(limited).get_checkpoint(&group(), "0").await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::BlobNotFound);

    // Both agree: there is none.
    let primary = BlobService::new("checkpoints");
    let script = two_hosts(&lagging, move |sent| match sent.request.index {
        0 => unavailable(sent),
        _ => Step::reply(sent, primary.handle(&sent.request)),
    });
    let found = store(&script).get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_none());
}

#[maybe_async]
#[test]
async fn a_secondary_that_refuses_leaves_the_decision_to_the_primary() {
    // An account without read access to its secondary, or a wrong host name.
    for (status, code) in
        [(403, "AuthorizationFailure"), (404, "ContainerNotFound"), (400, "InvalidUri")]
    {
        let primary = BlobService::new("checkpoints");
        let script = Script::new(move |sent| {
            if sent.is_secondary() {
                return Step::reply_now(error_reply(status, code, "no"));
            }
            match sent.request.index {
                0 => unavailable(sent),
                _ => Step::reply(sent, primary.handle(&sent.request)),
            }
        });
        let listing = store(&script).list_ownership(&group()).await.unwrap();
        assert!(!listing.is_from_secondary());
        assert_eq!(script.hosts(), ["primary", "secondary", "primary"], "{status}");
    }
}

#[maybe_async]
#[test]
async fn a_list_stays_on_the_host_that_began_it() {
    let fill = |service: &BlobService| {
        service.set_page_size(1);
        for partition in ["0", "1", "2"] {
            service.put(&format!("{OWNERSHIPS}{partition}"), &[("ownerid", "a")]);
        }
    };
    // Begun by the primary, which then fails for a while.
    let (primary, secondary) = (BlobService::new("checkpoints"), BlobService::new("checkpoints"));
    fill(&primary);
    fill(&secondary);
    let script = two_hosts(&secondary, move |sent| match sent.request.index {
        1 | 2 => unavailable(sent),
        _ => Step::reply(sent, primary.handle(&sent.request)),
    });
    let listing = store(&script).list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.is_from_secondary()), (3, false));
    assert_eq!(script.hosts(), ["primary"; 5]);

    // Begun by the secondary, which then fails for a while.
    let script = {
        let secondary = secondary.clone();
        Script::new(move |sent| match sent.request.index {
            0 | 2 => unavailable(sent),
            _ => Step::reply(sent, secondary.handle(&sent.request)),
        })
    };
    let listing = store(&script).list_ownership(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.is_from_secondary()), (3, true));
    assert_eq!(script.hosts(), ["primary", "secondary", "secondary", "secondary", "secondary"]);
}

#[maybe_async]
#[test]
async fn checkpoints_are_listed_from_the_primary_unless_it_is_allowed() {
    let service = BlobService::new("checkpoints");
    service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    let script = two_hosts(&service, unavailable);
    let error = store(&script).list_checkpoints(&group()).await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(script.hosts(), ["primary"; 4]);

    script.clear();
    let builder = script.builder().secondary_hostname(SECONDARY);
    let store = builder.list_checkpoints_from_secondary(true).build().unwrap();
    let listing = store.list_checkpoints(&group()).await.unwrap();
    assert_eq!((listing.len(), listing.is_from_secondary()), (1, true));
    assert_eq!(script.hosts(), ["primary", "secondary"]);
}

/// The primary asks for a pause.
fn busy_for(seconds: u32) -> impl Fn(&Sent) -> Step + Copy {
    move |_| Step::reply_now(Reply::new(503).header("Retry-After", seconds.to_string()))
}

#[maybe_async]
#[test]
async fn the_secondary_is_asked_although_the_primary_asks_for_a_pause() {
    let service = BlobService::new("checkpoints");
    service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    for seconds in [5, 30] {
        let script = two_hosts(&service, busy_for(seconds));
        let listing = store(&script).list_ownership(&group()).await.unwrap();
        assert!(listing.is_from_secondary());
        let found = store(&script).get_checkpoint(&group(), "0").await.unwrap();
        assert!(found.is_some());
        assert_eq!(script.hosts(), ["primary", "secondary", "primary", "secondary"]);
        assert!(script.passed() < Duration::from_secs(1), "{:?}", script.slept());
    }
}

#[maybe_async]
#[test]
async fn a_pause_is_kept_by_the_host_that_asked_for_it() {
    // The secondary fails once, but it asks for no pause.
    let service = BlobService::new("checkpoints");
    let double = service.clone();
    let script = Script::new(move |sent| match sent.request.index {
        0 => busy_for(30)(sent),
        1 => Step::broken(),
        _ => Step::reply(sent, double.handle(&sent.request)),
    });
    store(&script).list_ownership(&group()).await.unwrap();
    assert_eq!(script.hosts(), ["primary", "secondary", "secondary"]);

    // The secondary lags, so only the primary can respond.
    let primary = service.clone();
    let script = two_hosts(&service, move |sent| match sent.request.index {
        0 => busy_for(5)(sent),
        _ => Step::reply(sent, primary.handle(&sent.request)),
    });
    let found = store(&script).get_checkpoint(&group(), "0").await.unwrap();
    assert!(found.is_none());
    assert_eq!(script.hosts(), ["primary", "secondary", "primary"]);
    assert!(script.sent()[2].at >= Duration::from_secs(5), "{:?}", script.slept());

    // It cannot within the deadline.
    let script = two_hosts(&service, busy_for(30));
    let error = store(&script).get_checkpoint(&group(), "0").await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Service, 2));
    assert!(script.passed() < Duration::from_secs(1), "{:?}", script.slept());

    // Both ask: the shorter pause counts.
    let double = service.clone();
    let script = Script::new(move |sent| match sent.request.index {
        0 => busy_for(9)(sent),
        1 => busy_for(2)(sent),
        _ => Step::reply(sent, double.handle(&sent.request)),
    });
    store(&script).list_ownership(&group()).await.unwrap();
    assert_eq!(script.hosts(), ["primary", "secondary", "secondary"]);
    let asked_again = Duration::from_secs(2)..Duration::from_secs(4);
    assert!(asked_again.contains(&script.sent()[2].at), "{:?}", script.slept());
}

#[maybe_async]
#[test]
async fn a_list_that_the_secondary_refuses_to_go_on_with_ends_at_once() {
    let secondary = BlobService::new("checkpoints");
    secondary.set_page_size(1);
    for partition in ["0", "1"] {
        secondary.put(&format!("{OWNERSHIPS}{partition}"), &[("ownerid", "a")]);
    }
    let script = Script::new(move |sent| match sent.request.index {
        0 => unavailable(sent),
        1 => Step::reply(sent, secondary.handle(&sent.request)),
        _ => Step::reply_now(error_reply(403, "AuthorizationFailure", "no")),
    });
    let error = store(&script).list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Service, Some(403)));
    assert_eq!(script.hosts(), ["primary", "secondary", "secondary"]);
}

#[maybe_async]
#[test]
async fn reads_before_a_write_never_use_the_secondary() {
    let secondary = BlobService::new("checkpoints");
    let etag = secondary.put(&format!("{OWNERSHIPS}0"), &[("ownerid", "a")]);
    secondary.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    let script = two_hosts(&secondary, unavailable);
    let store = store(&script);
    let fenced = store.fenced();

    let owned = ownership("0", "a").with_etag(ETag::new(etag).unwrap());
    let released = store.relinquish_ownership(&[owned]).await;
    assert_eq!(released.failed().count(), 1);
    fenced.get_checkpoint(&group(), "0").await.unwrap_err();
    fenced.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap_err();
    for mode in [RunMode::Force, RunMode::Apply] {
        let changes = store.reset_checkpoints(&[checkpoint("0", "0", 0)], mode).await;
        assert_eq!(changes.failed().count(), 1);
    }
    store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await.unwrap_err();

    let requests = ["PUT metadata", "HEAD", "HEAD", "HEAD", "GET list", "GET list"];
    assert_eq!(script.operations(), requests.map(|name| [name; 4]).concat());
    assert_eq!(script.hosts(), ["primary"; 24]);
}

#[maybe_async]
#[test]
async fn a_caller_can_rule_the_secondary_out() {
    let service = BlobService::new("checkpoints");
    service.put(&format!("{OWNERSHIPS}0"), &[("ownerid", "a")]);
    service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
    let script = two_hosts(&service, unavailable);
    let builder = script.builder().secondary_hostname(SECONDARY);
    let store = builder.list_checkpoints_from_secondary(true).build().unwrap();
    let listing = store.list_checkpoints(&group()).await.unwrap();
    assert!(listing.is_from_secondary());
    let listing = store.list_consumer_groups().await.unwrap();
    assert!(listing.is_from_secondary());
    let all = store.list_all_records().await.unwrap();
    let records = store.list_records(&group()).await.unwrap();
    for records in all.iter().chain([&records]) {
        assert!(records.checkpoints.is_from_secondary() && records.ownerships.is_from_secondary());
    }
    // Checkpoints come from there only if they may, whatever else is listed with them.
    let not_allowed = script.builder().secondary_hostname(SECONDARY).build().unwrap();
    let failures = [
        not_allowed.list_all_records().await.unwrap_err(),
        not_allowed.list_records(&group()).await.unwrap_err(),
    ];
    assert!(failures.iter().all(|error| error.status() == Some(503)), "{failures:?}");

    let store = store.with_options(CallOptions::new().with_primary_only(true));
    script.clear();
    let failures = [
        store.list_ownership(&group()).await.unwrap_err(),
        store.list_checkpoints(&group()).await.unwrap_err(),
        store.get_checkpoint(&group(), "0").await.unwrap_err(),
        store.list_consumer_groups().await.unwrap_err(),
        store.list_all_records().await.unwrap_err(),
        store.list_records(&group()).await.unwrap_err(),
    ];
    assert!(failures.iter().all(|error| error.status() == Some(503)), "{failures:?}");
    assert!(script.hosts().iter().all(|host| *host == "primary"), "{:?}", script.hosts());
}

//! Servers that take too long, in every way, end in time and with a clear error.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::{ErrorKind, RequestOptions, RetryOptions};

use super::script::{Script, Step};
use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::{Loopback, Reply};
use super::{checkpoint, group, maybe_async, ownership, test};

/// Far beyond every limit that the tests set.
const LONG: Duration = Duration::from_secs(600);
/// What a call may take that is limited to `LIMIT`: a slow machine is no failure, a limit that does not count is.
const LIMIT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(5);

fn builder(loopback: &Loopback) -> BlobCheckpointStoreBuilder {
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .retry(quick)
}

/// Servers over a service that has a list, each slow in its own way.
fn slow_servers() -> Vec<(&'static str, Loopback)> {
    let edited = |edit: fn(Reply) -> Reply| {
        let service = BlobService::new("checkpoints");
        service.put("ns.servicebus.windows.net/hub/$default/ownership/0", &[("ownerid", "a")]);
        service.inject(move |_| Fault::edit(edit));
        service.serve()
    };
    vec![
        ("never reads", Loopback::never_reading()),
        ("never answers", Loopback::start(|_| Reply::hang())),
        ("sends a byte a minute", edited(|reply| reply.drip(Duration::from_secs(60)))),
        ("sends a byte now and then", edited(|reply| reply.drip(Duration::from_millis(20)))),
        (
            "stops in the middle of a body",
            edited(|reply| reply.with_length().declared_length(1 << 20)),
        ),
        ("answers much later", edited(|reply| reply.delay(LONG))),
    ]
}

#[maybe_async]
#[test]
async fn slow_servers_end_in_time() {
    for (name, loopback) in slow_servers() {
        // The limit of the call, and that of an attempt.
        let by_call = builder(&loopback).call_timeout(LIMIT).build().unwrap();
        let by_attempt = builder(&loopback).attempt_timeout(LIMIT).build().unwrap();
        let by_attempt = by_attempt.with_options(RequestOptions::new().max_retries(0));
        for (limited, store) in [("call", by_call), ("attempt", by_attempt)] {
            let began = Instant::now();
            let error = store.list_ownership(&group()).await.unwrap_err();
            let took = began.elapsed();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{name}, {limited}: {error:?}");
            assert!((LIMIT / 2..PATIENCE).contains(&took), "{name}, {limited}: {took:?}");
        }
    }
}

#[maybe_async]
#[test]
async fn a_batch_of_claims_keeps_the_deadline_as_a_whole() {
    let loopback = Loopback::start(|_| Reply::hang());
    let store = builder(&loopback).call_timeout(LIMIT).claim_concurrency(2).build().unwrap();
    let claims: Vec<_> = (0..12).map(|id| ownership(&id.to_string(), "a")).collect();
    let began = Instant::now();
    let outcomes = store.claim_ownership(&claims).await;
    assert!(began.elapsed() < PATIENCE);
    let failed: Vec<_> = outcomes.failed().map(|(_, error)| error).collect();
    assert_eq!(failed.len(), 12);
    assert!(failed.iter().all(|error| error.kind() == ErrorKind::Timeout));
    // What was sent may have been applied; what was not even sent was not.
    let unknown = failed.iter().filter(|error| error.is_outcome_unknown()).count();
    // The last requests may have been given up before the server read them.
    let sent = loopback.requests().len();
    assert!((sent..=sent + 2).contains(&unknown) && unknown <= 4, "{sent} {unknown} {failed:?}");
}

#[maybe_async]
#[test]
async fn the_default_deadline_is_shorter_than_the_life_of_an_ownership() {
    let script = Script::new(Step::silence);
    let error = script.store().update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert!(error.is_outcome_unknown());
    let passed = script.passed();
    assert!((Duration::from_secs(15)..=Duration::from_secs(20)).contains(&passed), "{passed:?}");
}

fn page(marker: &str) -> Reply {
    Reply::new(200).body(format!(
        "<EnumerationResults><Blobs/><NextMarker>{marker}</NextMarker></EnumerationResults>"
    ))
}

#[maybe_async]
#[test]
async fn a_list_that_never_ends_ends_in_time() {
    let script = Script::new(|sent| {
        let next = page(&format!("page {}", sent.request.index));
        Step::reply_now(next).after(Duration::from_secs(1))
    });
    let error = script.store().list_checkpoints(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(script.passed() <= Duration::from_secs(21), "{:?}", script.passed());

    let script = Script::new(|_| Step::reply_now(page("again")));
    let error = script.store().list_checkpoints(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::InvalidResponse, 2));
}

#[maybe_async]
#[test]
async fn connecting_has_a_limit_of_its_own() {
    // The port accepts, but nobody shakes hands.
    let loopback = Loopback::never_reading();
    let url = loopback.url().replace("http:", "https:");
    let store = BlobCheckpointStore::builder(&url, "checkpoints")
        .connect_timeout(LIMIT)
        .attempt_timeout(LONG)
        .call_timeout(LONG)
        .build()
        .unwrap()
        .with_options(RequestOptions::new().max_retries(0));
    let began = Instant::now();
    let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(began.elapsed() < PATIENCE);
    assert!(!error.is_outcome_unknown(), "without a connection nothing was sent: {error:?}");
}

#[maybe_async]
#[test]
async fn any_time_limit_can_be_given_for_a_call() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let forever = RequestOptions::new().timeout(Duration::MAX);
    let listing = script.store().with_options(forever.clone()).list_ownership(&group()).await;
    assert!(listing.is_ok());
    let store = BlobCheckpointStore::in_memory().with_options(forever);
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed());

    script.clear();
    let never = RequestOptions::new().timeout(Duration::ZERO);
    let error = script.store().with_options(never).list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Timeout, 0));
}

//! Servers that take too long, in every way, end in time and with a clear error.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::{CallOptions, ErrorKind, RetryOptions};

use super::fault_operations::{Operation, Told, carry_out, found_by};
use super::script::{Script, Step};
use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::{Loopback, Reply};
use super::{at_once, checkpoint, group, maybe_async, ownership, test};

/// Far beyond every limit that the tests set.
const LONG: Duration = Duration::from_secs(600);
/// The longest time of a call that is limited to `LIMIT`: a slow machine is not a failure, a limit without effect is.
const LIMIT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(5);

fn builder(loopback: &Loopback) -> BlobCheckpointStoreBuilder {
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .retry(quick)
}

/// Servers over what the operation finds, each slow in its own way.
fn slow_servers(what: Operation) -> Vec<(&'static str, BlobService, Loopback)> {
    let edited = |name, edit: fn(Reply) -> Reply| {
        let service = found_by(what);
        service.inject(move |_| Fault::edit(edit));
        let loopback = service.serve();
        (name, service, loopback)
    };
    let mut servers = vec![
        ("never reads", found_by(what), Loopback::never_reading()),
        ("never responds", found_by(what), Loopback::start(|_| Reply::hang())),
        edited("sends a byte a minute", |reply| reply.drip(Duration::from_secs(60))),
        edited("sends a byte now and then", |reply| reply.drip(Duration::from_millis(20))),
        edited("responds much later", |reply| reply.delay(LONG)),
    ];
    // What is only a HEAD has no body.
    if !matches!(what, Operation::GetCheckpoint | Operation::FencedGet) {
        servers.push(edited("stops in the middle of a body", |reply| {
            reply.with_length().declared_length(1 << 20)
        }));
    }
    servers
}

fn limited(by: &str, loopback: &Loopback) -> BlobCheckpointStore {
    match by {
        "call" => builder(loopback).call_timeout(LIMIT).build().unwrap(),
        _ => {
            let store = builder(loopback).attempt_timeout(LIMIT).build().unwrap();
            store.with_options(CallOptions::new().with_max_retries(0))
        }
    }
}

#[maybe_async]
#[test]
async fn every_operation_ends_in_time_whatever_server_is_slow() {
    // Over a server that is slow from the beginning on, nothing is read before a fenced update.
    let all = Operation::ALL.iter().filter(|what| **what != Operation::FencedNext);
    for &what in all {
        let servers = |by| slow_servers(what).into_iter().map(move |server| (by, server));
        let cases = servers("call").chain(servers("attempt")).collect();
        at_once(cases, |(by, (name, service, loopback))| async move {
            let case = format!("{what:?}, a server that {name}, limit of the {by}");
            let store = limited(by, &loopback);
            let began = Instant::now();
            let told = carry_out((&store, &store.fenced()), &service, what).await;
            let took = began.elapsed();
            let Told::Failed(ErrorKind::Timeout, unknown) = told else {
                panic!("{case}: {told:?}");
            };
            assert!(!what.is_read() || !unknown, "{case}: a read has no unknown outcome");
            assert!(what.begins_with_a_read() || unknown, "{case}: it may have been written");
            assert!((LIMIT / 2..PATIENCE).contains(&took), "{case}: {took:?}");
        })
        .await;
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
        .credential(Credential::anonymous())
        .connect_timeout(LIMIT)
        .attempt_timeout(LONG)
        .call_timeout(LONG)
        .build()
        .unwrap()
        .with_options(CallOptions::new().with_max_retries(0));
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
    let forever = CallOptions::new().with_timeout(Duration::MAX);
    let listing = script.store().with_options(forever.clone()).list_ownership(&group()).await;
    assert!(listing.is_ok());
    let store = BlobCheckpointStore::in_memory().with_options(forever);
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    assert!(claims.all_claimed());

    script.clear();
    let never = CallOptions::new().with_timeout(Duration::ZERO);
    let error = script.store().with_options(never).list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Timeout, 0));
}

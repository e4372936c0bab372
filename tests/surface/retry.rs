//! Which requests are retried, when, and how often, on a virtual clock.

use std::collections::HashSet;
use std::time::Duration;

use eventhub_checkpointstore::{CallOptions, ErrorKind, RetryOptions, TransportError};

use super::script::{Script, Step, start};
use super::support::blob_service::{BlobService, error_reply};
use super::support::loopback::{Reply, http_date};
use super::{at_once, checkpoint, group, maybe_async, ownership, test};

/// Fails the first requests, then lets the service respond.
fn failing(times: usize, fail: impl Fn() -> Step + Send + Sync + 'static) -> Script {
    let service = BlobService::new("checkpoints");
    Script::new(move |sent| {
        if sent.request.index < times {
            fail().after(Duration::from_secs(1))
        } else {
            Step::reply(sent, service.handle(&sent.request))
        }
    })
}

/// Responds to every request in the same way.
fn always(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Script {
    Script::new(move |sent| Step::reply(sent, reply()))
}

fn distinct(values: impl IntoIterator<Item = String>) -> usize {
    values.into_iter().collect::<HashSet<_>>().len()
}

#[maybe_async]
#[test]
async fn transient_failures_are_retried_with_a_new_date_id_and_signature() {
    for status in [408, 429, 500, 502, 503, 504, 0] {
        let script = failing(3, move || match status {
            0 => Step::broken(),
            status => Step::reply_now(Reply::new(status)),
        });
        let listing = script.store().list_ownership(&group()).await.unwrap();
        assert!(listing.is_empty());
        let sent = script.sent();
        assert_eq!(sent.len(), 4, "{status}");
        for header in ["x-ms-date", "x-ms-client-request-id", "authorization"] {
            let values = sent.iter().map(|sent| sent.header(header).to_owned());
            assert_eq!(distinct(values), 4, "{status} {header}");
        }
        for sent in &sent {
            assert!(super::shared_key::is_signed(&sent.request, "acct", "c2VjcmV0"));
            let date = httpdate::parse_http_date(sent.header("x-ms-date")).unwrap();
            let written = date.duration_since(start()).unwrap();
            assert_eq!(written.as_secs(), sent.at.as_secs(), "dated when it was sent");
        }
    }
}

#[maybe_async]
#[test]
async fn permanent_failures_are_not_retried() {
    let cases = [
        (400, "InvalidHeaderValue", ErrorKind::Rejected),
        (401, "NoAuthenticationInformation", ErrorKind::AccessDenied),
        (403, "AuthenticationFailed", ErrorKind::AccessDenied),
        (404, "ContainerNotFound", ErrorKind::ContainerNotFound),
        (404, "", ErrorKind::Rejected),
        (409, "LeaseAlreadyPresent", ErrorKind::Rejected),
        (412, "ConditionNotMet", ErrorKind::ConditionNotMet),
        (412, "LeaseIdMissing", ErrorKind::Rejected),
        (501, "NotImplemented", ErrorKind::Service),
        (505, "", ErrorKind::Service),
        (302, "", ErrorKind::InvalidResponse),
    ];
    for (status, code, kind) in cases {
        let script = always(move || match code {
            "" => Reply::new(status),
            code => error_reply(status, code, "no"),
        });
        let error = script.store().update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        assert_eq!((error.code().unwrap_or_default(), script.sent().len()), (code, 1));
        assert!(script.slept().is_empty());
    }
    let script = Script::new(|_| Step::failed(TransportError::unsupported("never")));
    let error = script.store().list_checkpoints(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Configuration, 1));
}

#[maybe_async]
#[test]
async fn waits_double_are_random_and_can_be_set() {
    let script = always(|| Reply::new(500));
    let error = script.store().list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    let slept = script.slept();
    assert_eq!((script.sent().len(), slept.len()), (4, 3));
    for (wait, full) in slept.iter().zip([400, 800, 1600]) {
        let full = Duration::from_millis(full);
        assert!((full / 2..=full).contains(wait), "{wait:?} of {full:?}");
    }

    let options = RetryOptions::default()
        .with_max_retries(9)
        .with_max_delay(Duration::from_millis(900))
        .and_then(|options| options.with_base_delay(Duration::from_millis(10)))
        .unwrap();
    let script = always(|| Reply::new(500));
    let store = script.builder().retry(options).build().unwrap();
    store.list_ownership(&group()).await.unwrap_err();
    let slept = script.slept();
    assert_eq!(slept.len(), 9);
    assert!(slept[0] <= Duration::from_millis(10));
    assert!(slept[8] <= Duration::from_millis(900) && slept[8] >= Duration::from_millis(450));
}

#[maybe_async]
#[test]
async fn callers_do_not_retry_in_step() {
    for retry_after in [None, Some("5")] {
        let script = always(move || match retry_after {
            Some(after) => Reply::new(429).header("Retry-After", after),
            None => Reply::new(503),
        });
        // The waits of all callers add up in the one virtual clock.
        let options =
            CallOptions::new().with_max_retries(1).with_timeout(Duration::from_secs(3600));
        let store = &script.store().with_options(options);
        let errors = at_once((0..16).collect(), |_: i32| async move {
            store.list_ownership(&group()).await.unwrap_err().is_transient()
        })
        .await;
        assert_eq!(errors, [true; 16]);
        let slept = script.slept();
        assert_eq!(slept.len(), 16);
        assert!(distinct(slept.iter().map(|wait| wait.as_micros().to_string())) >= 15, "{slept:?}");
        let least = Duration::from_secs(if retry_after.is_some() { 5 } else { 0 });
        assert!(slept.iter().all(|wait| *wait >= least));
    }
}

#[maybe_async]
#[test]
async fn retry_after_is_honoured_as_seconds_and_as_a_date() {
    // The server's clock is an hour ahead of ours; only its difference to the date counts.
    let server = start() + Duration::from_secs(3600);
    let forms = ["7".to_owned(), http_date(server + Duration::from_secs(7))];
    for form in forms {
        for status in [429, 503] {
            let form = form.clone();
            let script = failing(1, move || {
                Step::reply_now(
                    Reply::new(status).date(server).header("Retry-After", form.as_str()),
                )
            });
            script.store().list_ownership(&group()).await.unwrap();
            let slept = script.slept();
            assert_eq!(slept.len(), 1);
            let expected = Duration::from_secs(7)..Duration::from_millis(7400);
            assert!(expected.contains(&slept[0]), "{slept:?}");
        }
    }
}

#[maybe_async]
#[test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    for after in ["21", "4294967295", "99999999999999999999", "Sun, 22 Nov 2099 10:00:00 GMT"] {
        let script = always(move || Reply::new(429).header("Retry-After", after));
        let error = script.store().list_ownership(&group()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Throttled, Some(429)));
        assert_eq!((script.sent().len(), script.passed()), (1, Duration::ZERO), "{after}");
    }
}

#[maybe_async]
#[test]
async fn all_attempts_together_keep_the_deadline() {
    let script = Script::new(Step::silence);
    let store =
        script.builder().retry(RetryOptions::default().with_max_retries(99)).build().unwrap();
    let error = store.list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(script.passed() <= Duration::from_secs(20), "{:?}", script.passed());
    let timeouts: Vec<_> = script.sent().iter().map(|sent| sent.timeout).collect();
    assert_eq!(timeouts[..2], [Duration::from_secs(8); 2]);
    assert!(timeouts[2] < Duration::from_secs(4), "{timeouts:?}");

    let script = Script::new(|_| Step::broken().after(Duration::from_secs(3)));
    let store =
        script.builder().retry(RetryOptions::default().with_max_retries(99)).build().unwrap();
    let limited = store.with_options(CallOptions::new().with_timeout(Duration::from_secs(5)));
    let error = limited.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert!(error.is_outcome_unknown());
    assert_eq!(script.sent().len(), 2);
    assert_eq!(script.sent()[0].timeout, Duration::from_secs(5));
}

#[maybe_async]
#[test]
async fn the_number_of_retries_can_be_set_for_a_call() {
    for max_retries in [0, 1, 6] {
        let script = always(|| Reply::new(503));
        let options = CallOptions::new().with_max_retries(max_retries);
        script.store().with_options(options).list_ownership(&group()).await.unwrap_err();
        assert_eq!(script.sent().len() as u32, max_retries + 1);
    }
}

#[maybe_async]
#[test]
async fn the_outcome_of_a_request_that_was_not_sent_is_known() {
    let refused = || TransportError::network("refused").not_sent();
    let script = Script::new(move |_| Step::failed(refused()));
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Network, false));
    assert_eq!(script.sent().len(), 4);

    let script = Script::new(move |sent| match sent.request.index {
        1 => Step::broken(),
        _ => Step::failed(refused()),
    });
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    assert!(error.is_outcome_unknown(), "the second attempt may have been applied");
}

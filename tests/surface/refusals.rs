//! The service's reason for a refusal is in the error and in the log: on one line, bounded, without signatures.

use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::{CallOptions, ErrorKind};
use log::Level;

use super::script::{Script, Step};
use super::support::blob_service::BlobService;
use super::support::capture_log;
use super::support::loopback::Reply;
use super::{checkpoint, group, maybe_async, ownership, test};

fn refusal(status: u16, code: &str, details: &str) -> Reply {
    let body = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error><Code>{code}</Code>{details}</Error>"
    );
    Reply::new(status)
        .header("x-ms-error-code", code)
        .header("x-ms-request-id", "r-1")
        .header("Content-Type", "application/xml")
        .body(body)
}

#[maybe_async]
#[test]
async fn the_reason_is_in_the_error_and_in_the_log() {
    capture_log::start();
    let expired = "<Message>Server failed to authenticate the request.\nRequestId:r-1\nTime:now</Message>\
                   <AuthenticationErrorDetail>Signature not valid in the specified time frame: Expiry \
                   [Sat, 28 Nov 2026 09:00:00 GMT]</AuthenticationErrorDetail>";
    let header = "<Message>The value for one of the HTTP headers is not in the correct format.</Message>\
                  <HeaderName>x-ms-version</HeaderName><HeaderValue>2099-01-01</HeaderValue>";
    let query = "<Message>Value for one of the query parameters is invalid.</Message>\
                 <QueryParameterName>sig</QueryParameterName>\
                 <QueryParameterValue>c2VjcmV0c2lnbmF0dXJl</QueryParameterValue><Reason>Not base64</Reason>";
    for (status, code, details, kind, expected) in [
        (
            403,
            "AuthenticationFailed",
            expired,
            ErrorKind::AccessDenied,
            "Expiry [Sat, 28 Nov 2026 09:00:00 GMT]",
        ),
        (400, "InvalidHeaderValue", header, ErrorKind::Rejected, "HeaderName: x-ms-version"),
        (400, "InvalidQueryParameterValue", query, ErrorKind::Rejected, "Reason: Not base64"),
    ] {
        let script = Script::new(move |_| Step::reply_now(refusal(status, code, details)));
        let store = script.store();
        let claims = store.claim_ownership(&[ownership(code, "a")]).await;
        let (_, claim) = claims.failed().next().unwrap();
        let list = store.list_checkpoints(&group()).await.unwrap_err();
        for error in [claim, &list] {
            let text = error.to_string();
            assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{text}");
            assert!(text.contains(expected) && !text.contains("c2Vjcm"), "{text}");
            assert!(!text.contains('\n') && !text.contains("RequestId"), "{text}");
        }
        let lines = capture_log::lines_with(&format!("ownership/{code}"));
        let is_told =
            |(level, line): &(Level, String)| *level == Level::Warn && line.contains(expected);
        assert!(lines.iter().any(is_told), "{lines:?}");
    }
}

#[maybe_async]
#[test]
async fn the_reason_of_an_attempt_that_is_retried_is_in_the_log() {
    capture_log::start();
    let service = BlobService::new("checkpoints");
    let script = Script::new(move |sent| match sent.request.index {
        0 => Step::reply_now(refusal(
            503,
            "ServerBusy",
            "<Message>Ingress is over the limit.</Message>",
        )),
        _ => Step::reply(sent, service.handle(&sent.request)),
    });
    script.store().update_checkpoint(&checkpoint("busy-once", "1", 1)).await.unwrap();
    let lines = capture_log::lines_with("busy-once");
    let is_told = |(level, line): &(Level, String)| {
        *level == Level::Debug && line.contains("Ingress is over")
    };
    assert!(lines.iter().any(is_told), "{lines:?}");
}

#[maybe_async]
#[test]
async fn no_signature_comes_back_in_an_error() {
    // The service repeats what it was sent.
    let script = Script::new(|sent| {
        let signature = sent.header("authorization").to_owned();
        let details = format!(
            "<AuthenticationErrorDetail>The MAC signature found in the HTTP request '{}' is not the same as any computed \
             signature. Server used following string to sign: 'PUT\n\n{}'.</AuthenticationErrorDetail>",
            signature.rsplit(':').next().unwrap_or_default(),
            "x".repeat(100_000),
        );
        Step::reply_now(refusal(403, "AuthenticationFailed", &details))
    });
    let error = script.store().update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    let sent = script.sent();
    let signature = sent[0].header("authorization").rsplit(':').next().unwrap().to_owned();
    assert_eq!(signature.len(), 44);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(&signature[..20]), "{text}");
    assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
}

#[maybe_async]
#[test]
async fn a_clock_outside_the_range_of_http_dates_is_an_error() {
    let epoch = SystemTime::UNIX_EPOCH;
    let far = Duration::from_secs(253_402_300_800);
    for clock in [epoch - Duration::from_secs(1), epoch + far] {
        let script = Script::over(&BlobService::new("checkpoints")).with_clock(clock);
        let store = script.store().with_options(CallOptions::new());
        let error = store.list_ownership(&group()).await.unwrap_err();
        assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Configuration, 0), "{error}");
        assert!(error.to_string().contains("clock"), "{error}");
    }
    let script = Script::over(&BlobService::new("checkpoints")).with_clock(epoch);
    script.store().list_ownership(&group()).await.unwrap();
}

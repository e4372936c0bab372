//! A write that waits in the network while the call goes on: its outcome is unknown until the call ends.

use super::script::Script;
use super::support::blob_service::{BlobService, Fault, error_reply};
use super::support::loopback::Reply;
use super::unknown_outcomes::{BLOB, claim_of};
use super::{checkpoint, group, maybe_async, ownership, test};

const CHECKPOINT: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/0";

/// The first claim waits in the network; the second attempt meets a rival, whose record is gone when it is looked at.
fn held_first_claim(service: &BlobService, mut then: impl FnMut() -> Fault + Send + 'static) {
    let other = service.clone();
    let mut count = 0;
    service.inject(move |_| {
        count += 1;
        match count {
            1 => return Fault::Hold,
            2 => drop(other.put(BLOB, &[("ownerid", "rival")])),
            3 => assert!(other.delete(BLOB)),
            4 => return then(),
            _ => {}
        }
        Fault::None
    });
}

#[maybe_async]
#[test]
async fn an_unknown_outcome_lasts_for_the_whole_claim() {
    // The held claim arrives before the last one, which meets it without a lost response of its own.
    let service = BlobService::new("checkpoints");
    let network = service.clone();
    held_first_claim(&service, move || {
        assert_eq!(network.apply_held()[0].status(), Some(201));
        Fault::None
    });
    let script = Script::over(&service);
    let claims = script.store().claim_ownership(&[ownership("0", "a")]).await;
    assert_eq!(script.operations(), ["PUT", "PUT", "HEAD", "PUT", "HEAD", "PUT metadata"]);
    assert!(claims.all_claimed(), "the record is ours: {claims:?}");

    // The last one is refused, but the held one may still arrive.
    for (status, code) in [(403, "AuthorizationFailure"), (400, "InvalidHeaderValue")] {
        let service = BlobService::new("checkpoints");
        held_first_claim(&service, move || Fault::Respond(error_reply(status, code, "no")));
        let store = Script::over(&service).store();
        let claims = store.claim_ownership(&[ownership("0", "a")]).await;
        let (_, error) = claims.failed().next().unwrap();
        assert_eq!((error.status(), error.is_outcome_unknown()), (Some(status), true), "{error}");
        assert_eq!(service.apply_held()[0].status(), Some(201), "as it does here");
    }
}

/// The first write of a blob waits in the network, the blob vanishes, and what is written instead is refused.
fn held_and_refused(service: &BlobService, blob: &'static str, refusal: fn() -> Reply) {
    let other = service.clone();
    let mut count = 0;
    service.inject(move |request| {
        count += usize::from(request.method == "PUT");
        match (request.method.as_str(), count) {
            ("PUT", 1) => Fault::Hold,
            ("PUT", 2) => {
                other.delete(blob);
                Fault::None
            }
            ("PUT", _) => Fault::Respond(refusal()),
            _ => Fault::None,
        }
    });
}

#[maybe_async]
#[test]
async fn an_unknown_first_write_stays_unknown_when_the_second_is_refused() {
    let refusals: [fn() -> Reply; 3] = [
        || error_reply(403, "AuthorizationFailure", "no"),
        || error_reply(503, "ServerBusy", "later"),
        || Reply::new(429).header("Retry-After", "60"),
    ];
    for refusal in refusals {
        let service = BlobService::new("checkpoints");
        service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
        held_and_refused(&service, CHECKPOINT, refusal);
        let store = Script::over(&service).store();
        let error = store.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");

        service.clear_faults();
        service.put(CHECKPOINT, &[("offset", "1"), ("sequencenumber", "1")]);
        let fenced = store.fenced();
        fenced.get_checkpoint(&group(), "0").await.unwrap();
        held_and_refused(&service, CHECKPOINT, refusal);
        let error = fenced.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "fenced: {error}");

        service.clear_faults();
        let claim = claim_of(&service, Some("a"));
        held_and_refused(&service, BLOB, refusal);
        let claims = store.claim_ownership(&[claim]).await;
        let (_, error) = claims.failed().next().unwrap();
        assert!(error.is_outcome_unknown(), "claim: {error}");
    }
}

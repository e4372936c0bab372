//! How requests are authorized: account key, SAS, token, or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhub_checkpointstore::{AccessToken, CallOptions, ErrorKind, SasToken, TokenRequest};

use super::script::{HOST, SECONDARY, Script, Step};
use super::subject::{BlobCheckpointStore, Credential, TokenCredential};
use super::support::blob_service::{BlobService, error_reply};
use super::{at_once, checkpoint, group, maybe_async, ownership, pause, test};

const SAS: &str = "sv=2019-07-07&sp=rwcl&se=2030-01-01T00%3A00%3A00Z&sig=a%2Bb%2Fc%3D";

#[maybe_async]
#[test]
async fn a_sas_is_sent_as_it_is_given_and_nothing_is_signed() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let with_url = format!("{}/?{SAS}", loopback.url());
    let connection_string = format!("BlobEndpoint={};SharedAccessSignature=?{SAS}", loopback.url());
    let stores = [
        BlobCheckpointStore::new(&with_url, "checkpoints", Credential::anonymous()),
        BlobCheckpointStore::new(&loopback.url(), "checkpoints", SasToken::new(SAS).unwrap()),
        BlobCheckpointStore::from_connection_string(&connection_string, "checkpoints"),
        // A credential that is given counts more than one in the URL.
        BlobCheckpointStore::new(
            &format!("{}/?sig=other", loopback.url()),
            "checkpoints",
            Credential::sas(&format!("?{SAS}")).unwrap(),
        ),
    ];
    for store in stores {
        let store = store.unwrap();
        store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
        store.list_checkpoints(&group()).await.unwrap();
        store.get_checkpoint(&group(), "0").await.unwrap();
        for request in loopback.requests() {
            let separator = if request.method == "HEAD" || !request.target.contains("comp=") {
                '?'
            } else {
                '&'
            };
            assert!(request.target.ends_with(&format!("{separator}{SAS}")), "{}", request.target);
            assert_eq!(request.target.matches("sig=").count(), 1);
            assert_eq!(request.header("authorization"), None);
        }
        loopback.clear();
    }
}

#[maybe_async]
#[test]
async fn anonymous_requests_carry_nothing() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store =
        BlobCheckpointStore::new(&loopback.url(), "checkpoints", Credential::anonymous()).unwrap();
    store.list_ownership(&group()).await.unwrap();
    let request = &loopback.requests()[0];
    assert_eq!(request.header("authorization"), None);
    assert!(request.target.ends_with("include=metadata"), "{}", request.target);
}

#[maybe_async]
#[test]
async fn anonymous_wins_over_a_connection_string() {
    let script = Script::over(&BlobService::new("checkpoints"));
    for secret in ["AccountKey=c2VjcmV0", "SharedAccessSignature=sv=1&sig=abc"] {
        let text = format!("BlobEndpoint=https://{HOST};AccountName=acct;{secret}");
        let builder = BlobCheckpointStore::builder_from_connection_string(&text, "checkpoints")
            .transport(script.clone());
        let store = builder.credential(Credential::anonymous()).build().unwrap();
        store.list_ownership(&group()).await.unwrap();
    }
    for sent in script.sent() {
        assert_eq!((sent.header("authorization"), sent.request.query("sig")), ("", None));
    }
    assert_eq!(script.sent().len(), 2);
}

#[maybe_async]
#[test]
async fn a_wrong_key_is_access_denied() {
    let service = BlobService::new("checkpoints")
        .with_authorizer(|request| super::shared_key::is_signed(request, "acct", "b3RoZXI="));
    let error = Script::over(&service).store().list_ownership(&group()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::AccessDenied, Some("AuthenticationFailed"))
    );
}

/// Tokens `t1`, `t2` … by the virtual clock of a script.
#[derive(Clone, Default)]
struct Issuer {
    issued: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
    fails: Arc<Mutex<bool>>,
}

impl Issuer {
    fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    fn begin(&self) -> usize {
        let running = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(running, Ordering::SeqCst);
        self.issued.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn end(
        &self,
        number: usize,
        script: &Script,
        life: Duration,
    ) -> Result<AccessToken, &'static str> {
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if *self.fails.lock().unwrap() {
            return Err("the identity service is down");
        }
        Ok(AccessToken::new(format!("t{number}"), super::script::start() + script.passed() + life))
    }

    /// A closure is enough. Each token takes 20 ms to get, so that callers meet.
    fn credential(&self, script: &Script, life: Duration) -> Credential {
        let (issuer, script) = (self.clone(), script.clone());
        credential_of(move || {
            let (issuer, script) = (issuer.clone(), script.clone());
            get(issuer, script, life)
        })
    }
}

#[maybe_async]
async fn get(issuer: Issuer, script: Script, life: Duration) -> Result<AccessToken, &'static str> {
    let number = issuer.begin();
    pause(Duration::from_millis(20)).await;
    issuer.end(number, &script, life)
}

use super::credential_of;

fn store(script: &Script, credential: Credential) -> BlobCheckpointStore {
    script.builder().credential(credential).build().unwrap()
}

fn tokens(script: &Script) -> Vec<String> {
    script.sent().iter().map(|sent| sent.header("authorization").to_owned()).collect()
}

const HOUR: Duration = Duration::from_secs(3600);
/// Between two early renewals.
const PAUSE: Duration = Duration::from_secs(30);

#[maybe_async]
#[test]
async fn a_token_is_cached_and_renewed_five_minutes_early() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let issuer = Issuer::default();
    let store = store(&script, issuer.credential(&script, HOUR));
    for _ in 0..3 {
        store.list_ownership(&group()).await.unwrap();
    }
    script.advance(HOUR - Duration::from_secs(301));
    store.clone().list_ownership(&group()).await.unwrap();
    assert_eq!(tokens(&script), ["Bearer t1"; 4]);
    script.advance(Duration::from_secs(2));
    store.list_ownership(&group()).await.unwrap();
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(tokens(&script)[4..], ["Bearer t2"; 2]);
    assert_eq!(issuer.issued(), 2);
    assert!(script.sent().iter().all(|sent| !sent.request.target.contains("t1")));
}

#[maybe_async]
#[test]
async fn concurrent_callers_share_one_renewal() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let issuer = Issuer::default();
    let store = store(&script, issuer.credential(&script, HOUR));
    // Without a token all wait for the one; with an aging one the others use it meanwhile.
    for (round, passed) in [(1, Duration::ZERO), (2, HOUR - Duration::from_secs(60)), (3, 2 * HOUR)]
    {
        script.advance(passed);
        let store = &store;
        let listed = at_once((0..16).collect(), |_: i32| async move {
            store.list_ownership(&group()).await.is_ok()
        })
        .await;
        assert_eq!(listed, [true; 16]);
        assert_eq!(issuer.issued(), round);
    }
    assert_eq!(issuer.most_at_once.load(Ordering::SeqCst), 1);
    let sent = tokens(&script);
    assert!(sent[..16].iter().all(|token| token == "Bearer t1"));
    assert!(sent[16..32].iter().all(|token| token == "Bearer t1" || token == "Bearer t2"));
    assert!(sent[32..].iter().all(|token| token == "Bearer t3"));
}

#[maybe_async]
#[test]
async fn an_early_renewal_that_fails_keeps_the_old_token() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let issuer = Issuer::default();
    let store = store(&script, issuer.credential(&script, HOUR));
    store.list_ownership(&group()).await.unwrap();
    *issuer.fails.lock().unwrap() = true;
    script.advance(HOUR - Duration::from_secs(200));
    store.list_ownership(&group()).await.unwrap();
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(tokens(&script), ["Bearer t1"; 3]);
    assert_eq!(issuer.issued(), 2, "the next early renewal is tried after a pause");
    script.advance(Duration::from_secs(31));
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(issuer.issued(), 3);

    script.advance(Duration::from_secs(170));
    let sent = script.sent().len();
    let error = store.list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credential);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!((cause.as_str(), script.sent().len()), ("the identity service is down", sent));
    *issuer.fails.lock().unwrap() = false;
    store.list_ownership(&group()).await.unwrap();
}

#[maybe_async]
#[test]
async fn callers_that_waited_for_a_failed_renewal_do_not_retry_it_one_by_one() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let issuer = Issuer::default();
    *issuer.fails.lock().unwrap() = true;
    let store = store(&script, issuer.credential(&script, HOUR));
    let store = &store;
    let kinds = at_once((0..16).collect(), |_: i32| async move {
        store.list_ownership(&group()).await.unwrap_err().kind()
    })
    .await;
    assert_eq!(kinds, [ErrorKind::Credential; 16]);
    // A caller that comes only after the failure tries anew; 20 ms are enough for most to meet.
    assert!(issuer.issued() <= 8, "{}", issuer.issued());
}

/// Takes all the time that it is told, by the virtual clock, and does not deliver.
#[derive(Clone)]
struct Hanging {
    script: Script,
    limits: Arc<Mutex<Vec<Duration>>>,
    /// Asked this often, it still responds at once.
    delivers: usize,
}

impl Hanging {
    fn new(script: &Script, delivers: usize) -> Self {
        Self { script: script.clone(), limits: Arc::default(), delivers }
    }

    fn limits(&self) -> Vec<Duration> {
        self.limits.lock().unwrap().clone()
    }
}

#[maybe_async]
impl TokenCredential for Hanging {
    async fn get_token(
        &self,
        request: TokenRequest,
    ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
        let mut limits = self.limits.lock().unwrap();
        limits.push(request.limit);
        if limits.len() > self.delivers {
            self.script.advance(request.limit);
            return Err("no response".into());
        }
        Ok(AccessToken::new("t1", super::script::start() + self.script.passed() + HOUR))
    }
}

#[maybe_async]
#[test]
async fn a_batch_of_claims_waits_for_a_token_within_its_deadline() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let hanging = Hanging::new(&script, 0);
    let store = store(&script, Credential::token(hanging.clone()));
    let claims: Vec<_> = (0..64).map(|id| ownership(&id.to_string(), "a")).collect();
    let claims = store.claim_ownership(&claims).await;
    assert_eq!((claims.failed().count(), script.sent().len()), (64, 0));
    let unknown = claims.failed().filter(|(_, error)| error.is_outcome_unknown());
    assert_eq!(unknown.count(), 0);
    let limit = Duration::from_secs(20);
    assert_eq!((script.passed(), hanging.limits()), (limit, vec![limit]));
}

#[maybe_async]
#[test]
async fn a_credential_is_told_how_long_the_call_can_wait() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let hanging = Hanging::new(&script, 1);
    let store = store(&script, Credential::token(hanging.clone()));
    let limited = |seconds| {
        let options = CallOptions::new().with_timeout(Duration::from_secs(seconds));
        store.with_options(options)
    };
    limited(7).list_ownership(&group()).await.unwrap();
    for (number, seconds, limit) in [(2, 7, 5), (3, 3, 3)] {
        script.advance(if number == 2 { HOUR - Duration::from_secs(200) } else { PAUSE });
        let listed = limited(seconds).list_ownership(&group()).await;
        assert_eq!(listed.is_ok(), limit < seconds, "the old token serves while there is time");
        assert_eq!(hanging.limits()[number - 1], Duration::from_secs(limit));
    }
}

/// Uses up a short limit in vain, and delivers under any other.
struct Slow(Script);

const SHORT: Duration = Duration::from_secs(2);

#[maybe_async]
impl TokenCredential for Slow {
    async fn get_token(
        &self,
        request: TokenRequest,
    ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
        // So that callers meet.
        pause(Duration::from_millis(20)).await;
        if request.limit <= SHORT {
            self.0.advance(request.limit);
            return Err("no response".into());
        }
        Ok(AccessToken::new("t1", super::script::start() + self.0.passed() + HOUR))
    }
}

#[maybe_async]
#[test]
async fn a_caller_with_little_time_does_not_fail_those_who_have_more() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let store = store(&script, Credential::token(Slow(script.clone())));
    let store = &store;
    let listed = at_once(vec![SHORT, 10 * SHORT, 10 * SHORT], |limit| async move {
        let store = store.with_options(CallOptions::new().with_timeout(limit));
        store.list_ownership(&group()).await.is_ok()
    })
    .await;
    assert_eq!(listed[1..], [true; 2]);
}

#[maybe_async]
#[test]
async fn a_token_that_does_not_live_long_is_not_asked_for_with_every_request() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let issuer = Issuer::default();
    let store = store(&script, issuer.credential(&script, Duration::from_secs(240)));
    for _ in 0..3 {
        store.list_ownership(&group()).await.unwrap();
    }
    assert_eq!(issuer.issued(), 1);
    script.advance(PAUSE);
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(issuer.issued(), 2, "renewed early all the same");

    // One that lives even shorter than the pause is not sent after its end.
    let issuer = Issuer::default();
    let store = self::store(&script, issuer.credential(&script, PAUSE / 3));
    store.list_ownership(&group()).await.unwrap();
    script.advance(PAUSE / 3);
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(issuer.issued(), 2);
}

#[maybe_async]
#[test]
async fn a_refused_token_is_replaced_once() {
    let unauthorized = || error_reply(401, "InvalidAuthenticationInfo", "expired");
    // Revoked before its time: the first token only.
    let service = BlobService::new("checkpoints")
        .with_authorizer(|request| request.header("authorization") != Some("Bearer t1"));
    let refuses = service.clone();
    let script = Script::new(move |sent| match sent.header("authorization") {
        "Bearer t1" => Step::reply_now(unauthorized()),
        _ => Step::reply(sent, refuses.handle(&sent.request)),
    })
    .patient();
    let issuer = Issuer::default();
    let builder = script.builder().credential(issuer.credential(&script, HOUR));
    let first = builder.secondary_hostname(SECONDARY).build().unwrap();
    first.list_ownership(&group()).await.unwrap();
    first.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let sent = tokens(&script);
    assert_eq!(sent[..3], ["Bearer t1", "Bearer t2", "Bearer t2"]);
    assert_eq!(script.hosts(), ["primary"; 4], "a refusal is no failure of the primary");
    assert!(script.slept().iter().all(Duration::is_zero));

    // All of them: one replacement, then the refusal is the result.
    let script = Script::new(move |_| Step::reply_now(unauthorized())).patient();
    let issuer = Issuer::default();
    let store = store(&script, issuer.credential(&script, HOUR));
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    assert_eq!((error.kind(), error.status()), (ErrorKind::AccessDenied, Some(401)));
    assert_eq!(
        (tokens(&script), issuer.issued()),
        (vec!["Bearer t1".into(), "Bearer t2".into()], 2)
    );
}

#[maybe_async]
#[test]
async fn a_token_that_has_expired_already_is_not_sent() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let store = store(&script, Issuer::default().credential(&script, Duration::ZERO));
    let error = store.list_ownership(&group()).await.unwrap_err();
    assert_eq!((error.kind(), script.sent().len()), (ErrorKind::Credential, 0));
}

#[maybe_async]
#[test]
async fn a_token_never_goes_over_http() {
    let script = Script::over(&BlobService::new("checkpoints")).patient();
    let credential = Issuer::default().credential(&script, HOUR);
    let http = format!("http://{HOST}");
    let refused = BlobCheckpointStore::new(&http, "checkpoints", credential.clone()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
    let own_transport = BlobCheckpointStore::builder(&http, "checkpoints")
        .credential(credential.clone())
        .transport(script.clone())
        .build();
    assert_eq!(own_transport.unwrap_err().kind(), ErrorKind::Configuration);
    // A secondary without TLS behind a primary with TLS.
    let mixed = format!("BlobEndpoint=https://{HOST};BlobSecondaryEndpoint=http://{SECONDARY}");
    let mixed = BlobCheckpointStore::builder_from_connection_string(&mixed, "checkpoints")
        .credential(credential)
        .transport(script.clone())
        .build();
    assert_eq!(mixed.unwrap_err().kind(), ErrorKind::Configuration);
    assert!(script.sent().is_empty());
}

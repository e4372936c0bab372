//! Keys, SAS and tokens stay out of every log line, error and `Debug`.
//!
//! The lines of the HTTP clients count, too, down to `debug`. At `trace`, `ureq` logs whole URLs on a target of its own;
//! that is documented and not covered here.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::{
    AccessToken, AccountKey, CallOptions, ConsumerGroup, Error, ProxyOptions, RetryOptions,
    SasToken,
};

use super::script::{Script, Step};
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault, error_reply};
use super::support::capture_log;
use super::support::loopback::{Loopback, Reply};
use super::{IS_BLOCKING, at_once, checkpoint, credential_of, group, maybe_async, ownership, test};

/// Unlike anything that another test sends: the log is shared by all of them.
const KEY: &str = "S0VZLXRoYXQtbm9ib2R5LW1heS1zZWU=";
const SIGNATURE: &str = "SIGNATUREthatNobodyMaySee";
const TOKEN: &str = "TOKENthatNobodyMaySee";
const PASSWORD: &str = "PASSWORDthatNobodyMaySee";
const HEADER: &str = "HEADERthatNobodyMaySee";
const SECRETS: [&str; 6] = [KEY, "KEY-that-nobody-may-see", SIGNATURE, TOKEN, PASSWORD, HEADER];

/// The text of an error in every form, with all its causes.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, " {error} {error:?}");
        cause = error.source();
    }
    text
}

fn check(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // The value of an Authorization header begins so.
    assert!(!text.contains("SharedKey acct:") && !text.contains("Bearer "), "{text}");
}

/// Runs every operation and returns what its errors show.
#[maybe_async]
async fn errors_of(store: &BlobCheckpointStore) -> String {
    let mut text = format!("{store:?}");
    let mut add = |error: Option<Error>| {
        if let Some(error) = error {
            text.push_str(&shown(&error));
        }
    };
    let listed = store.list_ownership(&group()).await;
    add(listed.err());
    let listed = store.list_checkpoints(&group()).await;
    add(listed.err());
    let read = store.get_checkpoint(&group(), "0").await;
    add(read.err());
    let updated = store.update_checkpoint(&checkpoint("0", "1", 1)).await;
    add(updated.err());
    let deleted = store.delete_checkpoint(&group(), "0").await;
    add(deleted.err());
    let created = store.create_container_if_not_exists().await;
    add(created.err());
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    for (_, error) in claims.failed() {
        text.push_str(&shown(error));
    }
    let _ = write!(text, "{claims:?}");
    text
}

/// Servers that make every kind of error.
fn servers() -> Vec<Loopback> {
    let service = || BlobService::new("checkpoints");
    let faulty = |fault: fn() -> Fault| {
        let service = service();
        service.inject(move |_| fault());
        service.serve()
    };
    vec![
        service().serve(),
        faulty(|| Fault::DropAfterProcessing),
        faulty(|| Fault::TruncateResponse(10)),
        faulty(|| Fault::HangBefore),
        faulty(|| Fault::Respond(Reply::raw("garbage\r\n\r\n").close_after())),
        faulty(|| Fault::Respond(error_reply(403, "AuthorizationFailure", "no"))),
        faulty(|| Fault::Respond(error_reply(500, "InternalError", "no"))),
        faulty(|| Fault::Respond(Reply::new(302).header("Location", "http://127.0.0.1:1/"))),
        faulty(|| Fault::Respond(Reply::new(200).body("<html/>"))),
    ]
}

fn options() -> CallOptions {
    CallOptions::new().with_max_retries(1).with_header("x-own", HEADER).unwrap()
}

#[maybe_async]
#[test]
async fn no_key_and_no_sas_is_ever_shown() {
    capture_log::start();
    let sas = format!("sv=2019-07-07&sig={SIGNATURE}");
    let quick = RetryOptions::default().with_base_delay(Duration::from_millis(1)).unwrap();
    let refused = format!("http://127.0.0.1:{}", Loopback::refusing_port());
    let servers = servers();
    let mut urls: Vec<_> = servers.iter().map(Loopback::url).collect();
    urls.push(refused);
    for url in urls {
        let builders = [
            BlobCheckpointStore::builder(&url, "checkpoints")
                .credential(Credential::account_key("acct", KEY).unwrap()),
            BlobCheckpointStore::builder(&url, "checkpoints")
                .credential(SasToken::new(&sas).unwrap()),
            BlobCheckpointStore::builder(&format!("{url}/?{sas}"), "checkpoints"),
            BlobCheckpointStore::builder_from_connection_string(
                &format!("BlobEndpoint={url};AccountName=acct;AccountKey={KEY}"),
                "checkpoints",
            ),
            BlobCheckpointStore::builder_from_connection_string(
                &format!("BlobEndpoint={url};SharedAccessSignature={sas}"),
                "checkpoints",
            ),
        ];
        // Those that wait for a limit do so together.
        at_once(builders.into(), |builder| async move {
            let builder = builder.attempt_timeout(Duration::from_millis(60)).retry(quick);
            check(&format!("{builder:?} {builder:#?}"));
            let store = builder.build().unwrap().with_options(options());
            let text = errors_of(&store).await;
            check(&text);
        })
        .await;
    }
    let logged = capture_log::text();
    let client = if IS_BLOCKING { "DEBUG ureq" } else { "DEBUG reqwest" };
    assert!(logged.contains(client), "{client} was not captured");
    assert!(logged.contains("list blobs") && logged.contains("put blob"), "nothing was logged");
    check(&logged);
}

#[maybe_async]
#[test]
async fn no_token_is_ever_shown() {
    capture_log::start();
    let expiry = super::script::start() + Duration::from_secs(3600);
    for status in [200, 401, 403, 500] {
        let service = BlobService::new("checkpoints");
        let script = Script::new(move |sent| match status {
            200 => Step::reply(sent, service.handle(&sent.request)),
            status => Step::reply_now(Reply::new(status)),
        });
        let credential = credential_of(move || issue(expiry));
        check(&format!("{credential:?}"));
        let store = script.builder().credential(credential).build().unwrap();
        let text = errors_of(&store).await;
        check(&text);
        let sent = script.sent();
        assert!(sent.iter().all(|sent| sent.header("authorization") == format!("Bearer {TOKEN}")));
    }
    check(&capture_log::text());
}

#[maybe_async]
async fn issue(expiry: SystemTime) -> Result<AccessToken, &'static str> {
    Ok(AccessToken::new(TOKEN, expiry))
}

#[maybe_async]
#[test]
async fn refused_secrets_are_not_shown_either() {
    let mut text = String::new();
    let mut add = |error: Option<Error>| text.push_str(&shown(&error.expect("it is refused")));
    add(AccountKey::new("acct", &format!("{PASSWORD}!")).err());
    add(AccountKey::new("Not Allowed", KEY).err());
    add(AccountKey::new(KEY, "acct").err());
    add(Credential::account_key(KEY, "acct").err());
    add(SasToken::new(&format!("sig={SIGNATURE} x")).err());
    add(SasToken::new(&format!("sg={SIGNATURE}")).err());
    add(CallOptions::new().with_header("x-own", &format!("{HEADER}\r\n")).err());
    for url in [
        format!("https://u:{PASSWORD}@h/"),
        format!("https://h/?sg={SIGNATURE}"),
        format!("https://h/#sig={SIGNATURE}"),
        format!("https://a b/?sig={SIGNATURE}"),
        format!("ftp://h/?sig={SIGNATURE}"),
        format!("https://u:a?{PASSWORD}@h/"),
        format!("https://h/;AccountKey={KEY}"),
        format!("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY}"),
        format!("BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig={SIGNATURE}"),
        format!("?sv=1&sig={SIGNATURE}"),
        KEY.to_owned(),
    ] {
        let builder = BlobCheckpointStore::builder(&url, "checkpoints");
        check(&format!("{builder:?}"));
        add(builder.build().err());
    }
    for connection_string in [
        format!("AccountName=acct;{PASSWORD}"),
        format!("AccountKey={KEY}"),
        format!("AccountName=acct;AccountKey={KEY}!"),
        format!("BlobEndpoint=https://h/;SharedAccessSignature=sg={SIGNATURE}"),
        format!("BlobEndpoint=nonsense?sig={SIGNATURE}"),
        format!("BlobEndpoint={KEY}"),
        format!("AccountName={KEY}"),
        // Other separators than semicolons, and none.
        format!("UseDevelopmentStorage=true,AccountKey={KEY}"),
        format!("AccountName=acct;DefaultEndpointsProtocol=https,AccountKey={KEY}"),
        format!("AccountName=acct;EndpointSuffix=core.windows.net AccountKey={KEY}"),
    ] {
        add(BlobCheckpointStore::from_connection_string(&connection_string, "checkpoints").err());
        add(BlobCheckpointStore::from_connection_string("AccountName=a", &connection_string).err());
        add(ConsumerGroup::new(format!("{connection_string}/"), "hub", "group").err());
        let builder = BlobCheckpointStore::builder("https://h", "checkpoints")
            .credential(Credential::anonymous());
        add(builder.secondary_hostname(&connection_string).build().err());
    }
    add(BlobCheckpointStore::from_connection_string("AccountName=a", KEY).err());
    check(&text);

    let proxy =
        ProxyOptions::Url(format!("http://u:{PASSWORD}@127.0.0.1:{}", Loopback::refusing_port()));
    let builder = BlobCheckpointStore::builder("http://127.0.0.1:1", "checkpoints")
        .credential(Credential::anonymous())
        .proxy(proxy);
    check(&format!("{builder:?}"));
    let store = builder.build().unwrap().with_options(options());
    let text = errors_of(&store).await;
    check(&text);
    check(&format!("{:?} {:#?}", options(), AccessToken::new(TOKEN, SystemTime::now())));
    let parts = (AccountKey::new("acct", KEY).unwrap(), SasToken::new(&format!("sig={SIGNATURE}")));
    check(&format!("{parts:?}"));
}

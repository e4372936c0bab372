//! Configurations that look right and are not: each is refused before it asks another host, writes under another name or
//! fails hours later, and its error names the mistake but no secret.

use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::{
    AccessToken, ApiVersion, CallOptions, ConsumerGroup, Error, ErrorKind, PartitionOwnership,
    SasToken,
};

use super::script::{HOST, Script, Step};
use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential};
use super::support::blob_service::{BlobService, error_reply};
use super::support::capture_log;
use super::{checkpoint, credential_of, group, maybe_async, ownership, test};

/// In the form of a key, and in none of the other tests.
const SECRET: &str = "S0VZLW9mLWEtbWlzdGFrZW4tY29uZmlndXJhdGlvbg==";

fn from_string(text: &str) -> BlobCheckpointStoreBuilder {
    BlobCheckpointStore::builder_from_connection_string(text, "checkpoints")
}

/// The refusal of a builder, which shows no secret, nor does the builder.
fn refusal(builder: BlobCheckpointStoreBuilder) -> Error {
    let shown = format!("{builder:?} {builder:#?}");
    let error = builder.build().unwrap_err();
    let shown = format!("{shown} {error} {error:?} {error:#?}");
    assert!(!shown.contains("S0VZ") && !shown.contains("secret"), "{shown}");
    error
}

#[maybe_async]
#[test]
async fn a_connection_string_in_a_wrapping_asks_no_other_host() {
    let good = format!(
        "BlobEndpoint=http://azurite.example:10000/acct;AccountName=acct;AccountKey={SECRET}"
    );
    let sovereign = format!(
        "EndpointSuffix=core.usgovcloudapi.net;AccountName=acct;SharedAccessSignature=sig={SECRET}"
    );
    for text in [good, sovereign] {
        from_string(&text).build().unwrap();
        for wrapped in [
            format!("\"{text}\""),
            format!("'{text}'"),
            format!("\u{feff}{text}"),
            format!("\u{200b}{text}"),
            format!("AZURE_STORAGE_CONNECTION_STRING={text}"),
            format!("CONNECTION={text}"),
            format!("export CONNECTION={text}"),
            format!("export CONNECTION=\"{text}\""),
            format!("{{\"connectionString\": \"{text}\"}}"),
            text.replace("BlobEndpoint", "BlobEndpont").replace("EndpointSuffix", "EndpointSufix"),
            text.replace("BlobEndpoint", "StorageEndpoint").replace("EndpointSuffix", "Host"),
            text.replace("suffix=", "suffix=.")
                .replace("Suffix=", "Suffix=.")
                .replace("http://", "http://."),
        ] {
            let error = refusal(from_string(&wrapped));
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }
}

#[maybe_async]
#[test]
async fn the_url_of_a_container_is_that_of_its_account() {
    let service = BlobService::new("checkpoints");
    for url in [
        format!("https://{HOST}/checkpoints?sv=1&sr=c&sig=a"),
        format!("https://{HOST}/checkpoints/?sv=1&sr=c&sig=a"),
    ] {
        for builder in [
            BlobCheckpointStore::builder(&url, "checkpoints"),
            from_string(&format!("BlobEndpoint={url}")),
            from_string(&format!(
                "BlobEndpoint=https://{HOST}/checkpoints;SharedAccessSignature=sv=1&sr=c&sig=a"
            )),
        ] {
            let script = Script::over(&service);
            let store = builder.transport(script.clone()).build().unwrap();
            store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
            let listed = store.list_checkpoints(&group()).await.unwrap();
            assert_eq!(listed.len(), 1);
            for sent in script.sent() {
                assert_eq!(sent.request.target.matches("checkpoints").count(), 1);
            }
        }
    }
    for url in [
        format!("https://{HOST}/other?sv=1&sr=c&sig={SECRET}"),
        format!("https://{HOST}/checkpoints/blob?sv=1&sr=b&sig={SECRET}"),
        format!("http://127.0.0.1:10000/acct/other?sv=1&sr=c&sig={SECRET}"),
    ] {
        let error = refusal(BlobCheckpointStore::builder(&url, "checkpoints"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("\"checkpoints\""), "{error}");
        let error = refusal(from_string(&format!("BlobEndpoint={url}")));
        assert!(error.to_string().contains("BlobEndpoint"), "{error}");
    }
}

#[maybe_async]
#[test]
async fn secrets_in_the_wrong_place_are_not_shown() {
    const URL: &str = "https://acct.blob.core.windows.net";
    let key = || Credential::account_key("acct", SECRET).unwrap();
    let sas = format!("sv=1&sig={SECRET}");
    let string = format!("AccountName=acct;AccountKey={SECRET}");
    let cut = SECRET.trim_end_matches('=');
    for secret in [SECRET, cut, &sas, &string] {
        let new = |name: &str| BlobCheckpointStore::builder(URL, name).credential(key());
        refusal(new(secret));
        refusal(new("checkpoints").secondary_hostname(format!("{secret}/")));
        refusal(new("checkpoints").user_agent_prefix(format!("{secret}\u{e9}")));
        refusal(new("checkpoints").user_agent_prefix(format!("{secret} ")));
        refusal(from_string(&format!("AccountName=acct;EndpointSuffix={secret}/x")));
        let accepted = new("checkpoints").secondary_hostname(cut).user_agent_prefix(secret);
        let shown = format!("{accepted:?} {accepted:#?}");
        assert!(!shown.contains("S0VZ"), "{shown}");

        let with = |after: &str| format!("{secret}{after}");
        let errors = [
            PartitionOwnership::new(&group(), "0", with("\u{e9}")).unwrap_err(),
            PartitionOwnership::new(&group(), "0", with(" ")).unwrap_err(),
            PartitionOwnership::new(&group(), with("\n"), "a").unwrap_err(),
            ConsumerGroup::new(with(" "), "hub", "group").unwrap_err(),
            ConsumerGroup::new("ns.example", with("/"), "group").unwrap_err(),
            CallOptions::new().with_client_request_id(&with("\n")).unwrap_err(),
            CallOptions::new().with_header(&with("\n"), "a").unwrap_err(),
            secret.parse::<ApiVersion>().unwrap_err(),
        ];
        for error in errors {
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains("S0VZ"), "{shown}");
        }
    }
}

#[maybe_async]
#[test]
async fn texts_beyond_ascii_are_refused_before_anything_is_sent() {
    for token in ["\u{feff}secret", "secr\u{e9}t", "sec\u{200b}ret", "sec\nret", " "] {
        let script = Script::over(&BlobService::new("checkpoints"));
        let expiry = super::script::start() + Duration::from_secs(3600);
        let credential = credential_of(move || issue(token, expiry));
        let store = script.builder().credential(credential).build().unwrap();
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Credential, false));
        let text = format!("{error} {error:?}");
        assert!(text.contains("header") && !text.contains("sec"), "{text}");
        assert_eq!(text.contains("byte order mark"), token.starts_with('\u{feff}'), "{text}");
        assert!(script.sent().is_empty(), "nothing was sent");
    }
    for value in ["\u{feff}a", "caf\u{e9}", "a\u{80}"] {
        let error = CallOptions::new().with_header("x-own", value).unwrap_err();
        assert!(error.to_string().contains("U+"), "{error}");
    }
}

#[maybe_async]
async fn issue(token: &'static str, expiry: SystemTime) -> Result<AccessToken, &'static str> {
    Ok(AccessToken::new(token, expiry))
}

/// The endpoint of an IoT hub names its event hub so, and Python's store writes it as it is.
#[maybe_async]
#[test]
async fn an_event_hub_may_have_slashes_in_its_name() {
    let group =
        ConsumerGroup::new("NS.servicebus.windows.net", "messages/events", "$Default").unwrap();
    let script = Script::over(&BlobService::new("checkpoints"));
    let store = script.store();
    let claims = store.claim_ownership(&[PartitionOwnership::new(&group, "0", "a").unwrap()]).await;
    assert!(claims.all_claimed());
    assert_eq!(
        script.sent()[0].request.target,
        "/checkpoints/ns.servicebus.windows.net/messages/events/%24default/ownership/0"
    );
    let listed = store.list_ownership(&group).await.unwrap();
    assert_eq!(listed.items()[0].group(), &group);
    let outer = ConsumerGroup::new("NS.servicebus.windows.net", "messages", "events").unwrap();
    let listed = store.list_ownership(&outer).await.unwrap();
    assert_eq!((listed.len(), listed.skipped().len()), (0, 0), "it is another group's");
}

#[maybe_async]
#[test]
async fn an_error_about_the_container_names_it() {
    let script = Script::new(|_| Step::reply_now(error_reply(404, "ContainerNotFound", "secret")));
    let store = script.store();
    let error = store.list_ownership(&group()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContainerNotFound);
    assert_eq!(error.container(), Some("checkpoints"));
    let text = error.to_string();
    assert!(text.contains("container checkpoints"), "{text}");
    assert!(text.contains("create_container_if_not_exists"), "{text}");
    let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
    assert_eq!(error.container(), Some("checkpoints"));
}

#[maybe_async]
#[test]
async fn a_store_without_a_credential_is_not_made() {
    for builder in [
        BlobCheckpointStore::builder("https://acct.blob.core.windows.net", "checkpoints"),
        from_string("AccountName=acct"),
        // Cut before the key, and before its text.
        from_string("DefaultEndpointsProtocol=https;AccountName=acct;"),
        from_string("DefaultEndpointsProtocol=https;AccountName=acct;AccountKey="),
        from_string("BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature="),
    ] {
        let error = refusal(builder);
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("Credential::anonymous()"), "{error}");
    }
    from_string("AccountName=acct").credential(Credential::anonymous()).build().unwrap();
    BlobCheckpointStore::builder("https://acct.blob.core.windows.net?sig=a", "checkpoints")
        .build()
        .unwrap();
}

#[maybe_async]
#[test]
async fn misplaced_arguments_are_refused_by_name() {
    let hub = format!(
        "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={SECRET}"
    );
    let error = refusal(from_string(&hub)).to_string();
    assert!(error.contains("connection string of Event Hubs"), "{error}");
    let error = refusal(from_string(&format!("{hub};EntityPath=hub"))).to_string();
    assert!(error.contains("connection string of Event Hubs"), "{error}");

    let url = "https://ns.servicebus.windows.net";
    let builder = BlobCheckpointStore::builder(url, "checkpoints");
    let error = refusal(builder.credential(Credential::anonymous())).to_string();
    assert!(error.contains("namespace of Event Hubs"), "{error}");

    let url = format!("https://acct.blob.core.windows.net/checkpoints?sv=1&sig={SECRET}");
    let error = SasToken::new(&url).unwrap_err().to_string();
    assert!(error.contains("whole URL") && !error.contains("S0VZ"), "{error}");

    for name in [" a.example", "a.example ", "a.example\n", "\u{feff}a.example", "a.example\u{a0}"]
    {
        assert!(ConsumerGroup::new(name, "hub", "group").is_err(), "{name:?}");
        assert!(ConsumerGroup::new("ns.example", name, "group").is_err(), "{name:?}");
        assert!(ConsumerGroup::new("ns.example", "hub", name).is_err(), "{name:?}");
    }
}

#[maybe_async]
#[test]
async fn a_namespace_without_a_dot_is_warned_of_once() {
    capture_log::start();
    let name = format!("nodot{}", if super::IS_BLOCKING { "blocking" } else { "aio" });
    for _ in 0..3 {
        ConsumerGroup::new(name.as_str(), "hub", "group").unwrap();
        ConsumerGroup::new("localhost", "hub", "group").unwrap();
    }
    let logged = capture_log::text();
    assert_eq!(logged.matches(&format!("namespace {name:?}")).count(), 1);
    assert!(!logged.contains("namespace \"localhost\""));
}

/// A cut at a multiple of four characters leaves Base64, and the service only says that the signature is wrong.
#[maybe_async]
#[test]
async fn a_key_that_was_cut_is_warned_of() {
    capture_log::start();
    let whole = "QUJD".repeat(21) + "QQ==";
    for (key, host, warnings) in [
        (&whole[..84], "core.windows.net", 1),
        (&whole[..40], "core.usgovcloudapi.net", 1),
        (&whole, "core.windows.net", 0),
        (&whole[..84], "azurite.example", 0),
    ] {
        let account = format!("cut-{}-{}", key.len(), host.replace('.', "-"));
        let text = format!("AccountName={account};AccountKey={key};EndpointSuffix={host}");
        from_string(&text).build().unwrap();
        let lines = capture_log::lines_with(&format!("account key of {account:?}"));
        assert_eq!(lines.len(), warnings, "{lines:?}");
        assert!(lines.iter().all(|(_, line)| !line.contains("QUJD")), "{lines:?}");
    }
}

#[maybe_async]
#[test]
async fn a_refused_sas_says_what_is_wrong_with_it() {
    let refused =
        || Script::new(|_| Step::reply_now(error_reply(403, "AuthenticationFailed", "no")));
    let builder = |fields: &str| {
        let sas = SasToken::new(&format!("sv=1&{fields}&sig={SECRET}")).unwrap();
        refused().builder().credential(sas).build().unwrap()
    };
    // The script begins on 22 November 2026.
    let error = builder("sp=rwcl&se=2026-11-21T10%3A00%3A00Z").list_ownership(&group()).await;
    let text = format!("{:?}", error.unwrap_err());
    assert!(text.contains("the SAS expired at 2026-11-21T10:00:00Z"), "{text}");
    assert!(!text.contains("S0VZ"), "{text}");

    let store = builder("sp=rl&se=2030-01-01");
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    let text = error.to_string();
    assert!(text.contains("permissions 'rl' (sp), but 'put blob' needs 'c' or 'w'"), "{text}");
    let error = store.delete_checkpoint(&group(), "0").await.unwrap_err().to_string();
    assert!(error.contains("needs 'd'"), "{error}");
    let error = store.list_ownership(&group()).await.unwrap_err().to_string();
    assert!(!error.contains("SAS"), "nothing is wrong with it: {error}");
    let store = builder("sr=c&sp=rwcl&se=2030-01-01");
    let error = store.create_container_if_not_exists().await.unwrap_err().to_string();
    assert!(error.contains("needs a SAS of the account"), "{error}");
}

/// As `fn main() -> Result<(), Box<dyn std::error::Error>>` prints it.
#[maybe_async]
#[test]
async fn an_error_that_main_returns_is_readable() {
    let script = Script::new(|_| Step::reply_now(error_reply(403, "AuthorizationFailure", "no")));
    let error = script.store().list_ownership(&group()).await.unwrap_err();
    let text = error.to_string();
    let boxed: Box<dyn std::error::Error> = Box::new(error);
    assert_eq!(format!("{boxed:?}"), text);
    assert!(!text.contains("None"), "{text}");
}

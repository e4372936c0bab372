//! Connection strings as they are pasted, mistakes included.

use base64::Engine;
use hmac::Mac;
use proptest::prelude::*;

use super::faults::distance;
use super::*;

fn parse(text: &str) -> ConnectionString {
    ConnectionString::parse(text).expect(text)
}

#[test]
fn an_account_with_a_key() {
    let parsed = parse(
        "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0PQ==;EndpointSuffix=core.chinacloudapi.cn;",
    );
    assert_eq!(parsed.endpoint.to_string(), "https://acct.blob.core.chinacloudapi.cn");
    assert!(
        matches!(parsed.credential, StringCredential::AccountKey(key) if key.account_name() == "acct")
    );
}

#[test]
fn keys_ignore_case_and_the_last_one_wins() {
    let parsed = parse("ACCOUNTNAME=one;accountname=two;blobsecondaryendpoint=https://s.example/");
    assert_eq!(parsed.endpoint.to_string(), "https://two.blob.core.windows.net");
    assert_eq!(parsed.secondary.unwrap().to_string(), "https://s.example");
    assert!(matches!(parsed.credential, StringCredential::Missing));
}

#[test]
fn a_sas_and_an_endpoint() {
    let parsed = parse("BlobEndpoint=http://127.0.0.1:1/acct;SharedAccessSignature=sv=1&sig=a%3D");
    assert_eq!(parsed.endpoint.to_string(), "http://127.0.0.1:1/acct");
    assert!(matches!(parsed.credential, StringCredential::Sas(_)));
    let parsed = parse("BlobEndpoint=https://a.example/?sv=1&sig=a");
    assert!(matches!(parsed.credential, StringCredential::Sas(_)));
}

#[test]
fn the_emulator() {
    let parsed = parse("UseDevelopmentStorage=true");
    assert_eq!(parsed.endpoint.to_string(), "http://127.0.0.1:10000/devstoreaccount1");
    let parsed = parse("UseDevelopmentStorage=True;DevelopmentStorageProxyUri=http://emulator");
    assert_eq!(parsed.endpoint.to_string(), "http://emulator:10000/devstoreaccount1");
    for host in ["[::1]", "[::1]:80"] {
        let parsed =
            parse(&format!("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://{host}"));
        assert_eq!(parsed.endpoint.to_string(), "http://[::1]:10000/devstoreaccount1");
    }
}

#[test]
fn each_fault_has_its_own_text() {
    let mut texts = std::collections::HashSet::new();
    for text in [
        " ",
        "nonsense-secret",
        "=secret",
        "BlobSecondaryEndpoint=https://a/",
        "BlobEndpoint=https://a/;AccountKey=c2VjcmV0",
        "QueueEndpoint=https://a/",
        "AccountName=a;AccountKey=*secret*",
        "AccountName=A/B",
        "AccountName=acct;DefaultEndpointsProtocol=ftp",
        "AccountName=acct;SharedAccessSignature=secret",
        "BlobEndpoint=secret",
        "UseDevelopmentStorage=false",
        "AccountName=acct;EndpointSuffix=a.example,AccountKey=secret",
    ] {
        let error = ConnectionString::parse(text).expect_err(text).to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(texts.insert(error), "{text}");
    }
}

const GOOD: &str = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0a2V5;EndpointSuffix=core.usgovcloudapi.net";

/// Each of them would leave the public cloud, or another account, in place of the host that is meant.
#[test]
fn wrapped_connection_strings_are_refused() {
    for (wrapped, part) in [
        (format!("\"{GOOD}\""), "quote"),
        (format!("'{GOOD}'"), "quote"),
        (format!("“{GOOD}”"), "quote"),
        (format!("\u{feff}{GOOD}"), "invisible"),
        (format!("\u{200b}{GOOD}"), "invisible"),
        (format!(" \u{feff} {GOOD}"), "invisible"),
        (format!("AZURE_STORAGE_CONNECTION_STRING={GOOD}"), ".env"),
        (format!("export CONNECTION={GOOD}"), ".env"),
        (format!("CONNECTION={GOOD}"), ".env"),
        (format!("CONNECTION=\"{GOOD}\""), ".env"),
        (format!("$env:CONNECTION='{GOOD}'"), ".env"),
        (format!("{{\"connection\": \"{GOOD}\"}}"), "JSON"),
        (format!("connection: {GOOD}"), ".env"),
        ("Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0".into(), "Event Hubs"),
    ] {
        let error = ConnectionString::parse(&wrapped).expect_err(&wrapped).to_string();
        assert!(error.contains("part 1") && error.contains(part), "{wrapped}: {error}");
        assert!(!error.contains("c2Vj"), "{error}");
    }
}

#[test]
fn pairs_that_run_together_are_refused() {
    for text in [
        "AccountName=a;AccountKey=c2VjcmV0EndpointSuffix=a.example",
        "AccountName=a;SharedAccessSignature=sig=c2VjcmV0 endpointsuffix=a.example",
        "QueueEndpoint=https://a/ BlobEndpoint=https://c2VjcmV0.example;AccountName=a",
    ] {
        let error = ConnectionString::parse(text).expect_err(text).to_string();
        assert!(error.contains("a pair Name=Value in it") && !error.contains("c2Vj"), "{error}");
    }
}

#[test]
fn misspelt_names_are_refused() {
    for (key, meant) in [
        ("BlobEndpint", "BlobEndpoint"),
        ("BlobEndpoints", "BlobEndpoint"),
        ("BlobServiceUri", "BlobEndpoint"),
        ("PrimaryBlobEndpoint", "BlobEndpoint"),
        ("BlobSecondaryEndpont", "BlobSecondaryEndpoint"),
        ("EndpointSufix", "EndpointSuffix"),
        ("EndpointsSuffix", "EndpointSuffix"),
        ("StorageSuffix", "EndpointSuffix"),
        ("DefaultEndpointProtocol", "DefaultEndpointsProtocol"),
        ("AcountName", "AccountName"),
        ("AccuontKey", "AccountKey"),
        ("SharedAccessSignatur", "SharedAccessSignature"),
        ("StorageEndpoint", "BlobEndpoint"),
        ("ServiceEndpoint", "BlobEndpoint"),
        ("AccountEndpoint", "BlobEndpoint"),
        ("PrimaryEndpoint", "BlobEndpoint"),
        ("EndpointUrl", "BlobEndpoint"),
        ("Endpoints", "BlobEndpoint"),
        ("AccountUrl", "BlobEndpoint"),
        ("BaseUrl", "BlobEndpoint"),
        ("Url", "BlobEndpoint"),
        ("URI", "BlobEndpoint"),
        ("Host", "BlobEndpoint"),
        ("HostName", "BlobEndpoint"),
        ("Server", "BlobEndpoint"),
        ("SecondaryEndpoint", "BlobSecondaryEndpoint"),
        ("SecondaryUri", "BlobSecondaryEndpoint"),
    ] {
        let text = format!("AccountName=acct;AccountKey=c2VjcmV0;{key}=https://c2VjcmV0.example");
        let error = ConnectionString::parse(&text).expect_err(key).to_string();
        assert!(
            error.contains("part 3") && error.contains(&format!("did you mean {meant}?")),
            "{key}: {error}"
        );
        assert!(!error.contains("c2Vj"), "{error}");
    }
    for key in [
        "QueueEndpoint",
        "TableSecondaryEndpoint",
        "FileEndpoint",
        "DfsEndpoint",
        "WebEndpoint",
        "queuesecondaryendpoint",
        "Whatever",
    ] {
        let text = format!("AccountName=acct;AccountKey=c2VjcmV0;{key}=https://other.example/");
        let endpoint = parse(&text).endpoint.to_string();
        assert_eq!(endpoint, "https://acct.blob.core.windows.net", "{key}");
    }
}

#[test]
fn a_suffix_is_the_end_of_a_host_name() {
    for suffix in
        ["core.usgovcloudapi.net", "core.usgovcloudapi.net/", "localhost:10000", "a_b.example"]
    {
        assert!(ConnectionString::parse(&format!("AccountName=a;EndpointSuffix={suffix}")).is_ok());
    }
    for suffix in [
        ".core.windows.net",
        "core..windows.net",
        "core.windows.net.",
        "https://core.windows.net",
        "core.windows.net/path",
        "core.windows.net\u{200b}",
        "S0VZc2VjcmV0S0VZ+/8=",
        &format!("c2VjcmV0{}", "x".repeat(80)),
        "a:b",
        "a?sig=c2VjcmV0",
    ] {
        let text = format!("AccountName=a;EndpointSuffix={suffix}");
        let error = ConnectionString::parse(&text).expect_err(suffix).to_string();
        assert!(error.contains("EndpointSuffix must be") && !error.contains("c2Vj"), "{error}");
    }
}

#[test]
fn distances_between_names() {
    for (one, other, expected) in
        [("", "", 0), ("a", "", 1), ("ab", "ba", 2), ("kitten", "sitting", 3), ("abc", "abc", 0)]
    {
        assert_eq!((distance(one, other), distance(other, one)), (expected, expected));
    }
}

proptest! {
    /// Whatever stands before the first name, no other host than the one that is meant is ever asked.
    #[test]
    fn text_before_a_key_never_changes_the_host(before in "\\PC{1,12}") {
        if let Ok(parsed) = ConnectionString::parse(&format!("{before}{GOOD}")) {
            prop_assert_eq!(parsed.endpoint.to_string(), "https://acct.blob.core.usgovcloudapi.net");
        }
        let moved = GOOD.replace("EndpointSuffix", &format!("{before}EndpointSuffix"));
        if let Ok(parsed) = ConnectionString::parse(&moved) {
            let host = parsed.endpoint.to_string();
            prop_assert_eq!(host, "https://acct.blob.core.usgovcloudapi.net");
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,80}") {
        let _ = ConnectionString::parse(&text);
    }

    #[test]
    fn no_refusal_shows_a_secret(
        at in any::<prop::sample::Index>(),
        fault in prop::sample::select(vec!["", ";", "=", "\"", "#", "?", "@", "/", " ", "\n", "é"]),
        cut: bool,
        key_first: bool,
    ) {
        const KEY: &str = "AccountKey=S0VZc2VjcmV0S0VZ";
        const SAS: &str = "SharedAccessSignature=sv=1&sig=SIGsecretSIG";
        const REST: &str = "AccountName=acct;BlobEndpoint=https://a.example/?sig=SIGsecretSIG";
        let mut text =
            if key_first { format!("{KEY};{SAS};{REST}") } else { format!("{REST};{SAS};{KEY}") };
        let at = at.index(text.len());
        text.replace_range(at..=at, fault);
        if cut {
            text.truncate(at);
        }
        if let Err(error) = ConnectionString::parse(&text) {
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains("c2VjcmV0") && !shown.contains("secret"), "{}", shown);
        }
    }

    /// Order, the case of keys, duplicates, foreign keys, blanks and a trailing ';' do not matter.
    #[test]
    fn written_values_are_read_back(
        account in "[a-z0-9]{3,24}",
        key in prop::option::of(prop::collection::vec(any::<u8>(), 1..70)),
        sas in prop::option::of("[a-zA-Z0-9]{1,8}=[a-zA-Z0-9%=]{0,20}&sig=[a-zA-Z0-9%=]{1,20}"),
        endpoint in prop::option::of("[a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?(/[a-z0-9]{3,10})?"),
        suffix in prop::option::of("[a-z]{1,8}\\.example"),
        insecure: bool,
        secondary in prop::option::of("[a-z]{1,8}\\.example"),
        style in styles(),
    ) {
        let key = key.map(|key| base64::engine::general_purpose::STANDARD.encode(key));
        let scheme = if insecure { "http" } else { "https" };
        let mut fields = vec![
            ("AccountName", account.clone()),
            ("DefaultEndpointsProtocol", scheme.to_owned()),
            ("QueueEndpoint", "https://queue.example/".to_owned()),
        ];
        fields.extend(key.clone().map(|key| ("AccountKey", key)));
        fields.extend(sas.clone().map(|sas| ("SharedAccessSignature", sas)));
        fields.extend(endpoint.clone().map(|url| ("BlobEndpoint", format!("http://{url}/"))));
        fields.extend(suffix.clone().map(|suffix| ("EndpointSuffix", suffix)));
        fields.extend(
            secondary.clone().map(|host| ("BlobSecondaryEndpoint", format!("https://{host}"))),
        );

        let parsed = parse(&style.write(&fields));

        let suffix = suffix.as_deref().unwrap_or("core.windows.net");
        let expected = endpoint.map_or_else(
            || format!("{scheme}://{account}.blob.{suffix}"),
            |url| format!("http://{url}"),
        );
        prop_assert_eq!(parsed.endpoint.to_string(), expected);
        prop_assert_eq!(
            parsed.secondary.map(|endpoint| endpoint.to_string()),
            secondary.map(|host| format!("https://{host}"))
        );
        match parsed.credential {
            StringCredential::AccountKey(read) => {
                let given = AccountKey::new(&account, &key.unwrap()).unwrap();
                let told = |key: &AccountKey| {
                    (key.account_name().to_owned(), key.mac().finalize().into_bytes())
                };
                prop_assert_eq!(told(&read), told(&given));
            }
            StringCredential::Sas(read) => {
                prop_assert_eq!((Some(read.as_query()), key), (sas.as_deref(), None));
            }
            StringCredential::Missing => prop_assert_eq!((sas, key), (None, None)),
        }
    }
}

/// How a connection string is written, beside what it says.
#[derive(Debug)]
struct Style {
    order: Vec<usize>,
    /// Bits: a key in upper case.
    upper: u16,
    /// Bits: a key that stands there once before, with another value.
    twice: u16,
    blanks: bool,
    ends: &'static str,
}

fn styles() -> impl Strategy<Value = Style> {
    let order = Just((0..8).collect::<Vec<_>>()).prop_shuffle();
    let ends = prop_oneof![Just(""), Just(";"), Just(";;")];
    (order, any::<u16>(), any::<u16>(), any::<bool>(), ends)
        .prop_map(|(order, upper, twice, blanks, ends)| Style { order, upper, twice, blanks, ends })
}

impl Style {
    fn write(&self, fields: &[(&str, String)]) -> String {
        let order = self.order.iter().filter(|index| **index < fields.len());
        let (mut before, mut pairs) = (Vec::new(), Vec::new());
        for &index in order {
            let (key, value) = &fields[index];
            if self.twice >> index & 1 == 1 {
                before.push(format!("{key}=overwritten"));
            }
            let is_upper = self.upper >> index & 1 == 1;
            let key = if is_upper { key.to_ascii_uppercase() } else { (*key).to_owned() };
            pairs.push(format!("{key}={value}"));
        }
        before.extend(pairs);
        before.join(if self.blanks { " ; " } else { ";" }) + self.ends
    }
}

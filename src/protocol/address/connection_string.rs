//! Connection strings of storage accounts.

use zeroize::Zeroizing;

use super::Endpoint;
use crate::error::{Error, Result};
use crate::model::is_invisible;
use crate::protocol::auth::{AccountKey, SasToken, check_account_name};

/// The [well-known account](https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key)
/// of the storage emulator. Its name and key are public.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_PORT: u16 = 10000;

/// The blob service that a storage connection string names.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    pub(crate) endpoint: Endpoint,
    pub(crate) secondary: Option<Endpoint>,
    pub(crate) credential: StringCredential,
}

/// The credential that a connection string contains.
#[derive(Debug)]
pub(crate) enum StringCredential {
    AccountKey(AccountKey),
    Sas(SasToken),
    /// The string has no credential. The caller must provide one, if only an anonymous one.
    Missing,
}

/// The keys that this crate reads, as Azure writes them.
const NAMES: [&str; 9] = [
    "AccountName",
    "AccountKey",
    "SharedAccessSignature",
    "BlobEndpoint",
    "BlobSecondaryEndpoint",
    "DefaultEndpointsProtocol",
    "EndpointSuffix",
    "UseDevelopmentStorage",
    "DevelopmentStorageProxyUri",
];

/// Keys of Event Hubs, Service Bus and IoT Hub. Connection strings of storage accounts have none of them.
const EVENT_HUBS: [&str; 4] = ["Endpoint", "EntityPath", "SharedAccessKey", "SharedAccessKeyName"];

/// The values of these keys. Azure's other keys, such as `QueueEndpoint`, are ignored.
#[derive(Default)]
struct Settings<'a> {
    account_name: Option<&'a str>,
    account_key: Option<&'a str>,
    sas: Option<&'a str>,
    blob_endpoint: Option<&'a str>,
    blob_secondary_endpoint: Option<&'a str>,
    protocol: Option<&'a str>,
    suffix: Option<&'a str>,
    development: Option<&'a str>,
    development_proxy: Option<&'a str>,
}

impl ConnectionString {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let settings = Settings::split(text)?;
        match settings.development {
            Some(flag) if flag.eq_ignore_ascii_case("true") => settings.emulator(),
            // The value is not shown, because it may be a whole connection string with other separators.
            Some(_) => Err(refused("UseDevelopmentStorage must be \"true\"")),
            None => settings.account(),
        }
    }
}

impl<'a> Settings<'a> {
    /// A value is the text after the first `=`. If a key is repeated, the last one takes precedence, as in Python.
    fn split(text: &'a str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(refused("it is blank"));
        }
        let mut settings = Self::default();
        for (index, pair) in text.split(';').map(str::trim).enumerate() {
            if pair.is_empty() {
                continue;
            }
            // The part is not shown, because it may be a fragment of a key.
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                refused(format!("part {} is not of the form Name=Value", index + 1))
            })?;
            let (key, value) = (key.trim(), value.trim());
            let fault = match settings.slot(key) {
                Some(slot) => {
                    *slot = (!value.is_empty()).then_some(value);
                    None
                }
                // If it were ignored, requests might go to the default host instead of the intended one.
                None => fault_of_key(key),
            };
            if let Some(fault) = fault.or_else(|| fault_of_value(value)) {
                return Err(refused(format!("part {}: {fault}", index + 1)));
            }
        }
        Ok(settings)
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<&'a str>> {
        Some(match key.to_ascii_lowercase().as_str() {
            "accountname" => &mut self.account_name,
            "accountkey" => &mut self.account_key,
            "sharedaccesssignature" => &mut self.sas,
            "blobendpoint" => &mut self.blob_endpoint,
            "blobsecondaryendpoint" => &mut self.blob_secondary_endpoint,
            "defaultendpointsprotocol" => &mut self.protocol,
            "endpointsuffix" => &mut self.suffix,
            "usedevelopmentstorage" => &mut self.development,
            "developmentstorageproxyuri" => &mut self.development_proxy,
            _ => return None,
        })
    }

    fn emulator(&self) -> Result<ConnectionString> {
        let base = self.development_proxy.unwrap_or("http://127.0.0.1").trim_end_matches('/');
        let (host, _) = Endpoint::parse("DevelopmentStorageProxyUri", base)?;
        let url = format!("{}://{}:{EMULATOR_PORT}/{EMULATOR_ACCOUNT}", host.scheme(), host.host());
        let (endpoint, _) = Endpoint::parse("DevelopmentStorageProxyUri", &url)?;
        let credential =
            StringCredential::AccountKey(AccountKey::new(EMULATOR_ACCOUNT, EMULATOR_KEY)?);
        Ok(ConnectionString { endpoint, secondary: None, credential })
    }

    fn account(&self) -> Result<ConnectionString> {
        let (endpoint, url_sas) = match (self.blob_endpoint, self.account_name) {
            (Some(url), _) => Endpoint::parse("BlobEndpoint", url)?,
            (None, Some(account)) => self.default_endpoint(account)?,
            (None, None) if self.blob_secondary_endpoint.is_some() => {
                return Err(refused("it has a BlobSecondaryEndpoint but no BlobEndpoint"));
            }
            (None, None) => {
                return Err(refused("it has neither BlobEndpoint nor AccountName"));
            }
        };
        let secondary = match self.blob_secondary_endpoint {
            Some(url) => Some(Endpoint::parse("BlobSecondaryEndpoint", url)?.0),
            None => None,
        };
        Ok(ConnectionString { endpoint, secondary, credential: self.credential(url_sas)? })
    }

    fn default_endpoint(&self, account: &str) -> Result<(Endpoint, Option<SasToken>)> {
        check_account_name(account)?;
        let protocol = self.protocol.unwrap_or("https").to_ascii_lowercase();
        if protocol != "https" && protocol != "http" {
            return Err(refused("DefaultEndpointsProtocol must be \"https\" or \"http\""));
        }
        let suffix = self.suffix.unwrap_or("core.windows.net").trim_end_matches('/');
        // The value is not shown, because it may be the key.
        if !is_suffix(suffix) {
            return Err(refused(
                "EndpointSuffix must be the end of a host name, as in core.windows.net, without a dot before it",
            ));
        }
        Endpoint::parse("EndpointSuffix", &format!("{protocol}://{account}.blob.{suffix}"))
    }

    fn credential(&self, url_sas: Option<SasToken>) -> Result<StringCredential> {
        match (self.account_name, self.account_key, self.sas) {
            (Some(name), Some(key), _) => {
                let key = Zeroizing::new(key.to_owned());
                Ok(StringCredential::AccountKey(AccountKey::new(name, &key)?))
            }
            (None, Some(_), _) => Err(refused("it has an AccountKey but no AccountName")),
            (_, None, Some(sas)) => Ok(StringCredential::Sas(SasToken::new(sas)?)),
            (_, None, None) => Ok(url_sas.map_or(StringCredential::Missing, StringCredential::Sas)),
        }
    }
}

const ENV_FILE: &str = "it looks like a line NAME=… of an .env file or a shell; give only the text after its first '='";

/// Returns the fault of an unknown key. Azure's keys for other services consist of letters.
fn fault_of_key(key: &str) -> Option<String> {
    if key.is_empty() {
        return Some("it has no name before '='".to_owned());
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Some(fault_of_letters(key).to_owned());
    }
    if EVENT_HUBS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
        return Some(
            "this is a connection string of Event Hubs; the store needs that of the storage account, which begins \
             with DefaultEndpointsProtocol or BlobEndpoint"
                .to_owned(),
        );
    }
    // The name is not shown, because it may be a fragment of a key.
    misspelt(key).map(|name| format!("its name is not one of Azure's; is {name} meant?"))
}

fn fault_of_letters(key: &str) -> &'static str {
    match key.chars().next() {
        Some('"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’') => {
            "it begins with a quote; give the text without quotes"
        }
        Some('{' | '[') => "it looks like JSON; give only the connection string in it",
        _ if key.contains(is_invisible) => {
            "its name contains an invisible character, such as the byte order mark of a file; remove it"
        }
        _ if key.contains(['_', ' ', '$']) => ENV_FILE,
        _ => "its name contains characters other than letters",
    }
}

/// Returns the fault of a value that contains a pair: the key is the name of a variable, or a ';' is missing between two
/// pairs.
fn fault_of_value(value: &str) -> Option<String> {
    let (inner, _) = value.rsplit_once('=')?;
    let inner = inner.to_ascii_lowercase();
    let begins = |name: &str| inner.split('=').any(|part| part.ends_with(name));
    let has_pair = NAMES.iter().any(|name| begins(&name.to_ascii_lowercase()));
    // The pairs of a SAS have other names.
    has_pair.then(|| {
        format!("its value contains a pair Name=Value; {ENV_FILE}, or put a ';' before the pair")
    })
}

/// Returns the known key that an unknown one resembles.
fn misspelt(key: &str) -> Option<&'static str> {
    const NEAR: usize = 2;
    if is_endpoint_of_another(key) {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let near = |name: &&&str| distance(&key, &name.to_ascii_lowercase()) <= NEAR;
    // Words that occur only in keys that determine the host.
    let words = [
        ("blob", "BlobEndpoint"),
        ("suffix", "EndpointSuffix"),
        ("protocol", "DefaultEndpointsProtocol"),
    ];
    let by_word = || words.into_iter().find(|(word, _)| key.contains(word)).map(|(_, name)| name);
    NAMES.iter().find(near).copied().or_else(by_word)
}

/// Returns whether it is `QueueEndpoint` or a similar key, which resembles ours.
fn is_endpoint_of_another(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let service =
        key.strip_suffix("endpoint").map(|key| key.strip_suffix("secondary").unwrap_or(key));
    service.is_some_and(|service| ["queue", "table", "file", "dfs", "web"].contains(&service))
}

/// Returns the Levenshtein distance: the number of letters to insert, remove or replace.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, of_other) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != of_other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Returns whether the text consists of labels of a host name, with an optional port.
fn is_suffix(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn refused(fault: impl AsRef<str>) -> Error {
    Error::invalid_input(format!("connection string: {}", fault.as_ref()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use hmac::Mac;
    use proptest::prelude::*;

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
    fn keys_in_any_case_and_the_last_one_counts() {
        let parsed =
            parse("ACCOUNTNAME=one;accountname=two;blobsecondaryendpoint=https://s.example/");
        assert_eq!(parsed.endpoint.to_string(), "https://two.blob.core.windows.net");
        assert_eq!(parsed.secondary.unwrap().to_string(), "https://s.example");
        assert!(matches!(parsed.credential, StringCredential::Missing));
    }

    #[test]
    fn a_sas_and_an_endpoint() {
        let parsed =
            parse("BlobEndpoint=http://127.0.0.1:1/acct;SharedAccessSignature=sv=1&sig=a%3D");
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
            let parsed = parse(&format!(
                "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://{host}"
            ));
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

    /// If one of these were ignored, requests would go to the public cloud or to another account instead of the intended
    /// host.
    #[test]
    fn what_wraps_a_connection_string_is_refused() {
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
            assert!(
                error.contains("contains a pair Name=Value") && !error.contains("c2Vj"),
                "{error}"
            );
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
        ] {
            let text =
                format!("AccountName=acct;AccountKey=c2VjcmV0;{key}=https://c2VjcmV0.example");
            let error = ConnectionString::parse(&text).expect_err(key).to_string();
            assert!(error.contains("part 3") && error.contains(meant), "{key}: {error}");
            assert!(!error.contains("c2Vj"), "{error}");
        }
        for key in
            ["QueueEndpoint", "TableSecondaryEndpoint", "FileEndpoint", "DfsEndpoint", "Whatever"]
        {
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
            assert!(
                ConnectionString::parse(&format!("AccountName=a;EndpointSuffix={suffix}")).is_ok()
            );
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
        for (one, other, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("ab", "ba", 2),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (expected, expected));
        }
    }

    proptest! {
        /// Whatever precedes the first name, no request goes to a host other than the intended one.
        #[test]
        fn what_stands_before_the_first_name_asks_no_other_host(before in "\\PC{1,12}") {
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
        fn what_is_written_is_what_is_read(
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

    /// How a connection string is written, apart from its content.
    #[derive(Debug)]
    struct Style {
        order: Vec<usize>,
        /// Bits: the keys in upper case.
        upper: u16,
        /// Bits: the keys that also occur earlier, with another value.
        twice: u16,
        blanks: bool,
        ends: &'static str,
    }

    fn styles() -> impl Strategy<Value = Style> {
        let order = Just((0..8).collect::<Vec<_>>()).prop_shuffle();
        let ends = prop_oneof![Just(""), Just(";"), Just(";;")];
        (order, any::<u16>(), any::<u16>(), any::<bool>(), ends).prop_map(
            |(order, upper, twice, blanks, ends)| Style { order, upper, twice, blanks, ends },
        )
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
}

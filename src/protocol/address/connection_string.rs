//! Connection strings of storage accounts.

use zeroize::Zeroizing;

use super::Endpoint;
use crate::error::{Error, Result};
use crate::protocol::auth::{AccountKey, SasToken, check_account_name};

/// The [well-known account](https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key)
/// of the storage emulator; public, so no secret.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_PORT: u16 = 10000;

/// What a storage connection string says about the blob service.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    pub(crate) endpoint: Endpoint,
    pub(crate) secondary: Option<Endpoint>,
    pub(crate) credential: StringCredential,
}

/// The credential that stands in a connection string.
#[derive(Debug)]
pub(crate) enum StringCredential {
    AccountKey(AccountKey),
    Sas(SasToken),
    Anonymous,
}

/// The keys that count; the others, such as `QueueEndpoint`, are other services' business.
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
            // No value is named: it may be a whole string with other separators.
            Some(_) => Err(refused("UseDevelopmentStorage must be \"true\"")),
            None => settings.account(),
        }
    }
}

impl<'a> Settings<'a> {
    /// Values are all that follows the first `=`; of a key given twice the last one counts, as in Python.
    fn split(text: &'a str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(refused("it is blank"));
        }
        let mut settings = Self::default();
        for (index, pair) in text.split(';').map(str::trim).enumerate() {
            if pair.is_empty() {
                continue;
            }
            // The part is not named: it may be a key that was cut.
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                refused(format!("part {} is not of the form Name=Value", index + 1))
            })?;
            if key.trim().is_empty() {
                return Err(refused(format!("part {} has no name before '='", index + 1)));
            }
            if let Some(slot) = settings.slot(key.trim()) {
                let value = value.trim();
                *slot = (!value.is_empty()).then_some(value);
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
        let suffix = self.suffix.unwrap_or("core.windows.net");
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
            (_, None, None) => {
                Ok(url_sas.map_or(StringCredential::Anonymous, StringCredential::Sas))
            }
        }
    }
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
        assert!(matches!(parsed.credential, StringCredential::Anonymous));
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

    proptest! {
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
                StringCredential::Anonymous => prop_assert_eq!((sas, key), (None, None)),
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

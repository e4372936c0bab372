//! Connection strings of storage accounts.

mod faults;

use zeroize::Zeroizing;

use self::faults::{fault_of_key, fault_of_value};
use super::Endpoint;
use super::pairs::{Pair, pairs};
use crate::error::{Error, Result};
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

/// The values of the keys that are read. Other keys of Azure, such as `QueueEndpoint`, are ignored.
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
        let mut settings = Self::default();
        for pair in pairs(text) {
            let Pair { part, key, value } = pair.map_err(refused)?;
            let fault = match settings.slot(key) {
                Some(slot) => {
                    *slot = (!value.is_empty()).then_some(value);
                    None
                }
                // If it were ignored, requests might go to the default host instead of the intended one.
                None => fault_of_key(key),
            };
            if let Some(fault) = fault.or_else(|| fault_of_value(value)) {
                return Err(refused(format!("part {part}: {fault}")));
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
mod tests;

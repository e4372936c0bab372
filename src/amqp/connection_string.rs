//! Connection strings of Event Hubs, as the portal shows them.

use std::fmt;

use zeroize::Zeroizing;

use super::sas::{SharedAccessKey, SharedAccessSignature};
use crate::error::{Error, Result};
use crate::model::shown;
use crate::protocol::{Pair, fault_of_letters, pairs};

/// The parts of a connection string.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    /// The host name as given, without a change of case.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// The string is for the emulator, which does not use TLS.
    pub(crate) emulator: bool,
    pub(crate) entity_path: Option<String>,
    pub(crate) credential: StringCredential,
}

/// The credential in a connection string. `Debug` never shows it.
pub(crate) enum StringCredential {
    Key(SharedAccessKey),
    Signature(SharedAccessSignature),
}

impl fmt::Debug for StringCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(..)",
            Self::Signature(_) => "Signature(..)",
        })
    }
}

/// The values by key. Azure's other keys are not needed here and are ignored.
#[derive(Default)]
struct Settings<'a> {
    endpoint: Option<&'a str>,
    key_name: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    entity_path: Option<&'a str>,
    emulator: Option<&'a str>,
}

impl ConnectionString {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Settings::split(text)?.read()
    }

    /// Returns the name of the event hub: the requested one, otherwise the string's own.
    pub(crate) fn eventhub_name(&self, asked: Option<&str>) -> Result<String> {
        match (asked, self.entity_path.as_deref()) {
            (Some(asked), Some(own)) if !asked.eq_ignore_ascii_case(own) => {
                Err(Error::invalid_input(format!(
                    "event hub{}: the connection string is for another one{} (EntityPath); \
                     use that name, or a connection string of the namespace",
                    shown(asked),
                    shown(own)
                )))
            }
            (Some(name), _) | (None, Some(name)) => Ok(name.to_owned()),
            (None, None) => {
                Err(refused("it has no EntityPath, so the name of the event hub must be given"))
            }
        }
    }
}

impl<'a> Settings<'a> {
    fn split(text: &'a str) -> Result<Self> {
        let mut settings = Self::default();
        for pair in pairs(text) {
            let Pair { part, key, value } = pair.map_err(refused)?;
            if let Some(fault) = fault_of_letters(key) {
                return Err(refused(format!("part {part}: {fault}")));
            }
            settings.set(key, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, key: &str, value: &'a str) -> Result<()> {
        let slot = match key.to_ascii_lowercase().as_str() {
            "endpoint" => &mut self.endpoint,
            "sharedaccesskeyname" => &mut self.key_name,
            "sharedaccesskey" => &mut self.key,
            "sharedaccesssignature" => &mut self.signature,
            "entitypath" => &mut self.entity_path,
            "usedevelopmentemulator" => &mut self.emulator,
            "accountname"
            | "accountkey"
            | "blobendpoint"
            | "defaultendpointsprotocol"
            | "usedevelopmentstorage" => {
                return Err(refused(format!(
                    "{key} belongs to a storage account; the string of an Event Hubs namespace \
                     begins with Endpoint=sb://"
                )));
            }
            "hostname" | "deviceid" => {
                return Err(refused(format!(
                    "{key} belongs to an IoT hub; use the Event Hub-compatible endpoint of its \
                     built-in endpoints"
                )));
            }
            _ => return Ok(()),
        };
        if value.is_empty() {
            return Err(refused(format!("{key} is empty")));
        }
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(refused(format!("{key} is given twice"))),
        }
    }

    fn read(&self) -> Result<ConnectionString> {
        let emulator = match self.emulator {
            None => false,
            Some(flag) if flag.eq_ignore_ascii_case("true") => true,
            Some(flag) if flag.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(refused("UseDevelopmentEmulator must be \"true\" or \"false\"")),
        };
        let endpoint = self.endpoint.ok_or_else(|| refused("it has no Endpoint"))?;
        let (host, port) = endpoint_of(endpoint)?;
        Ok(ConnectionString {
            host,
            port,
            emulator,
            entity_path: self.entity_path.map(str::to_owned),
            credential: self.credential()?,
        })
    }

    fn credential(&self) -> Result<StringCredential> {
        match (self.key_name, self.key, self.signature) {
            (Some(name), Some(key), None) => {
                let key = Zeroizing::new(key.to_owned());
                Ok(StringCredential::Key(SharedAccessKey::new(name, &key)?))
            }
            (None, None, Some(signature)) => {
                Ok(StringCredential::Signature(SharedAccessSignature::parse(signature)?))
            }
            (None, Some(_), _) => {
                Err(refused("it has a SharedAccessKey but no SharedAccessKeyName"))
            }
            (Some(_), None, _) => {
                Err(refused("it has a SharedAccessKeyName but no SharedAccessKey"))
            }
            (Some(_), Some(_), Some(_)) => {
                Err(refused("it has both a SharedAccessKey and a SharedAccessSignature"))
            }
            (None, None, None) => {
                Err(refused("it has neither a SharedAccessKey nor a SharedAccessSignature"))
            }
        }
    }
}

/// Returns the host and the port of `sb://host:port/`.
fn endpoint_of(endpoint: &str) -> Result<(String, Option<u16>)> {
    const FORM: &str = "Endpoint must be of the form sb://contoso.servicebus.windows.net/";
    let (scheme, host, port) = split_url(endpoint).ok_or_else(|| refused(FORM))?;
    if !["sb", "amqps", "amqp", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(refused(FORM));
    }
    if host.to_ascii_lowercase().contains(".blob.") {
        return Err(refused("Endpoint is a blob service; it must be an Event Hubs namespace"));
    }
    Ok((host.to_owned(), port))
}

/// Splits a custom endpoint. Returns its host, its port, and whether it uses TLS.
pub(crate) fn split_endpoint(url: &str) -> Result<(String, Option<u16>, bool)> {
    let form = || {
        // A password would stand before the '@'.
        let shown = if url.contains('@') { String::new() } else { shown(url) };
        Error::invalid_input(format!(
            "custom endpoint{shown}: it must be of the form amqps://host:port, or amqp://host:port without TLS"
        ))
    };
    let (scheme, host, port) = split_url(url).ok_or_else(form)?;
    match scheme.to_ascii_lowercase().as_str() {
        "amqps" | "sb" => Ok((host.to_owned(), port, true)),
        "amqp" => Ok((host.to_owned(), port, false)),
        _ => Err(form()),
    }
}

fn split_url(url: &str) -> Option<(&str, &str, Option<u16>)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let (host, port) = split_port(rest.strip_suffix('/').unwrap_or(rest))?;
    Some((scheme, host, port))
}

/// Splits an authority into a host name or address, and the port if there is one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address in brackets do not precede a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = bare.len() != host.len() && bare.parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    (is_address || is_name).then_some((bare, port)).filter(|(_, port)| *port != Some(0))
}

fn refused(fault: impl AsRef<str>) -> Error {
    Error::invalid_input(format!("Event Hubs connection string: {}", fault.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SharedAccessKeyName=listen;SharedAccessKey=s3cr3tKey=";

    fn parse(text: &str) -> ConnectionString {
        ConnectionString::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn error(text: &str) -> String {
        match ConnectionString::parse(text) {
            Ok(parsed) => panic!("{text} was taken as {parsed:?}"),
            Err(error) => format!("{error} {error:?}"),
        }
    }

    #[test]
    fn a_namespace_with_a_key() {
        let parsed = parse(&format!("Endpoint=sb://contoso.servicebus.windows.net/;{KEY}"));
        assert_eq!(parsed.host, "contoso.servicebus.windows.net");
        assert_eq!(
            (parsed.port, parsed.emulator, parsed.entity_path.as_deref()),
            (None, false, None)
        );
        assert!(matches!(parsed.credential, StringCredential::Key(_)));
        assert!(!format!("{parsed:?}").contains("s3cr3t"));
    }

    #[test]
    fn keys_in_any_case_with_blanks_and_foreign_ones_between() {
        let parsed = parse(&format!(
            " ENDPOINT = sb://a.example ; TransportType=Amqp; entitypath = Hub ;{KEY};;"
        ));
        assert_eq!(
            (parsed.host.as_str(), parsed.entity_path.as_deref()),
            ("a.example", Some("Hub"))
        );
    }

    #[test]
    fn a_signature_is_its_own_credential() {
        let parsed = parse(
            "Endpoint=sb://a.example/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y%3D&se=1700000000&skn=k",
        );
        assert!(matches!(parsed.credential, StringCredential::Signature(_)));
    }

    #[test]
    fn the_emulator_names_its_port() {
        let parsed =
            parse(&format!("Endpoint=sb://localhost:5673;{KEY};UseDevelopmentEmulator=true;"));
        assert_eq!(
            (parsed.host.as_str(), parsed.port, parsed.emulator),
            ("localhost", Some(5673), true)
        );
        let parsed = parse(&format!("Endpoint=sb://[::1]:5673;{KEY};UseDevelopmentEmulator=True"));
        assert_eq!((parsed.host.as_str(), parsed.port), ("::1", Some(5673)));
    }

    #[test]
    fn each_mistake_has_a_text_of_its_own_and_no_secret() {
        let cases = [
            ("", "blank"),
            ("s3cr3t", "part 1 is not of the form"),
            ("\"Endpoint=sb://a/;SharedAccessKey=s3cr3t", "part 1: it begins with a quote"),
            ("\u{feff}Endpoint=sb://a/", "byte order mark"),
            ("export X=Endpoint=sb://a/", "part 1: it looks like a NAME="),
            ("Endpoint=sb://a/;Shared_Access_Key=s3cr3t", "part 2: it looks like a NAME="),
            ("SharedAccessKeyName=n;SharedAccessKey=s3cr3t", "no Endpoint"),
            ("Endpoint=;SharedAccessKey=s3cr3t", "Endpoint is empty"),
            ("Endpoint=sb://a/;Endpoint=sb://b/", "Endpoint is given twice"),
            (
                "Endpoint=a.example;SharedAccessKeyName=n;SharedAccessKey=s3cr3t",
                "of the form sb://",
            ),
            ("Endpoint=ftp://a;SharedAccessKeyName=n;SharedAccessKey=s3cr3t", "of the form sb://"),
            (
                "Endpoint=sb://a/hub;SharedAccessKeyName=n;SharedAccessKey=s3cr3t",
                "of the form sb://",
            ),
            (
                "Endpoint=sb://a:port;SharedAccessKeyName=n;SharedAccessKey=s3cr3t",
                "of the form sb://",
            ),
            ("Endpoint=sb://;SharedAccessKeyName=n;SharedAccessKey=s3cr3t", "of the form sb://"),
            ("Endpoint=sb://a/;SharedAccessKeyName=n", "no SharedAccessKey"),
            ("Endpoint=sb://a/;SharedAccessKey=s3cr3t", "no SharedAccessKeyName"),
            ("Endpoint=sb://a/", "neither"),
            (
                "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=s3cr3t;SharedAccessSignature=s3cr3t",
                "both",
            ),
            ("Endpoint=sb://a/;SharedAccessSignature=s3cr3t", "SharedAccessSignature"),
            (
                "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=s3cr3t",
                "UseDevelopmentEmulator",
            ),
            ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=s3cr3t", "storage account"),
            ("UseDevelopmentStorage=true", "storage account"),
            (
                "HostName=a.azure-devices.net;SharedAccessKeyName=n;SharedAccessKey=s3cr3t",
                "IoT hub",
            ),
            (
                "Endpoint=https://a.blob.core.windows.net/;SharedAccessKeyName=n;SharedAccessKey=s3cr3t",
                "blob service",
            ),
        ];
        for (text, part) in cases {
            let error = error(text);
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("s3cr3t"), "{text}: {error}");
        }
    }

    #[test]
    fn the_name_of_the_hub_and_the_entity_path_must_agree() {
        let hub = parse(&format!("Endpoint=sb://a.example/;EntityPath=telemetry;{KEY}"));
        assert_eq!(hub.eventhub_name(None).unwrap(), "telemetry");
        assert_eq!(hub.eventhub_name(Some("Telemetry")).unwrap(), "Telemetry");
        assert!(hub.eventhub_name(Some("other")).unwrap_err().to_string().contains("EntityPath"));
        let namespace = parse(&format!("Endpoint=sb://a.example/;{KEY}"));
        assert_eq!(namespace.eventhub_name(Some("telemetry")).unwrap(), "telemetry");
        assert!(namespace.eventhub_name(None).unwrap_err().to_string().contains("no EntityPath"));
    }
}

//! Shared access signatures of Event Hubs, made from a key or given by the user.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The characters to percent-encode: all except the unreserved characters of a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A shared access key: its name, and its text as a prepared HMAC state that is cleared on drop.
#[derive(Clone)]
pub(crate) struct SharedAccessKey {
    name: Box<str>,
    mac: Hmac<Sha256>,
}

/// A signature that somebody else made. It cannot be renewed.
#[derive(Clone)]
pub(crate) struct SharedAccessSignature {
    text: Zeroizing<String>,
    expires_on: SystemTime,
}

/// A token for `$cbs`.
pub(crate) struct SasToken {
    pub(crate) text: Zeroizing<String>,
    pub(crate) expires_on: SystemTime,
}

impl SharedAccessKey {
    pub(crate) fn new(name: &str, key: &str) -> Result<Self> {
        // The text itself is the key. Unlike a storage key, it is not decoded.
        let mac = Hmac::new_from_slice(key.as_bytes())
            .map_err(|_| Error::invalid_input("shared access key: it cannot be used for HMAC"))?;
        Ok(Self { name: name.into(), mac })
    }

    /// Makes a [signature](https://learn.microsoft.com/rest/api/eventhub/generate-sas-token) for a resource.
    pub(crate) fn sign(&self, resource: &str, now: SystemTime, life: Duration) -> SasToken {
        let expiry =
            now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(life).as_secs();
        let resource = utf8_percent_encode(resource, ENCODED).to_string();
        let mut mac = self.mac.clone();
        mac.update(format!("{resource}\n{expiry}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let text = format!(
            "SharedAccessSignature sr={resource}&sig={}&se={expiry}&skn={}",
            utf8_percent_encode(&signature, ENCODED),
            utf8_percent_encode(&self.name, ENCODED),
        );
        SasToken { text: Zeroizing::new(text), expires_on: after_epoch(expiry) }
    }
}

impl SharedAccessSignature {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refused = |fault: &str| Error::invalid_input(format!("SharedAccessSignature: {fault}"));
        let fields = text
            .strip_prefix("SharedAccessSignature ")
            .ok_or_else(|| refused("it must begin with \"SharedAccessSignature sr=\""))?;
        let field = |name: &str| {
            fields.split('&').filter_map(|field| field.split_once('=')).find_map(|(key, value)| {
                (key.trim() == name && !value.is_empty()).then_some(value.trim())
            })
        };
        for name in ["sr", "sig", "skn"] {
            field(name).ok_or_else(|| refused(&format!("it has no {name}")))?;
        }
        let expiry = field("se").and_then(|seconds| seconds.parse::<u64>().ok());
        let expiry =
            expiry.ok_or_else(|| refused("its se is not a number of seconds since 1970"))?;
        Ok(Self { text: Zeroizing::new(text.to_owned()), expires_on: after_epoch(expiry) })
    }

    pub(crate) fn token(&self) -> SasToken {
        SasToken { text: self.text.clone(), expires_on: self.expires_on }
    }
}

/// Converts seconds since 1970 to a time. Times after the year 9999 become its end: the system may not be able to
/// express them, and they are as good as never.
fn after_epoch(seconds: u64) -> SystemTime {
    const FAR: u64 = 253_402_300_799;
    UNIX_EPOCH + Duration::from_secs(seconds.min(FAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected signature was computed with Python's `hmac` and `quote_plus`, as azure-eventhub does.
    #[test]
    fn the_signature_is_that_of_the_other_sdks() {
        let key = SharedAccessKey::new("RootManageSharedAccessKey", "c2VjcmV0a2V5").unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let token = key.sign(
            "sb://contoso.servicebus.windows.net/telemetry",
            now,
            Duration::from_secs(3600),
        );
        assert_eq!(
            token.text.as_str(),
            "SharedAccessSignature sr=sb%3A%2F%2Fcontoso.servicebus.windows.net%2Ftelemetry\
             &sig=k8YihlnTcbXkPS4IiWMrNaKikXXQAZs1lSPVZ%2FovflA%3D&se=1700003600&skn=RootManageSharedAccessKey"
        );
        assert_eq!(token.expires_on, now + Duration::from_secs(3600));
    }

    #[test]
    fn a_given_signature_says_when_it_expires() {
        let text = "SharedAccessSignature sr=sb%3A%2F%2Fa&sig=b%3D&se=1700000000&skn=k";
        let token = SharedAccessSignature::parse(text).unwrap().token();
        assert_eq!(token.text.as_str(), text);
        assert_eq!(token.expires_on, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn a_wrong_signature_is_refused_without_being_shown() {
        for (text, fault) in [
            ("sr=a&sig=s3cr3t&se=1&skn=k", "must begin"),
            ("SharedAccessSignature sr=a&se=1&skn=s3cr3t", "no sig"),
            ("SharedAccessSignature sig=s3cr3t&se=1&skn=k", "no sr"),
            ("SharedAccessSignature sr=a&sig=s3cr3t&se=1", "no skn"),
            ("SharedAccessSignature sr=a&sig=s3cr3t&se=soon&skn=k", "its se"),
            ("SharedAccessSignature sr=a&sig=s3cr3t&skn=k", "its se"),
        ] {
            let Err(error) = SharedAccessSignature::parse(text) else { panic!("{text} was taken") };
            let error = error.to_string();
            assert!(error.contains(fault) && !error.contains("s3cr3t"), "{error}");
        }
    }
}

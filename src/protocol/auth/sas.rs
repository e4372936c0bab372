//! Shared access signatures.

use std::fmt;
use std::time::SystemTime;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::protocol::date::parse_iso8601;

/// A shared access signature: the query that grants access. Cleared on drop and never shown.
///
/// The store needs the permissions `rwcl` on the container's blobs, and also `d` to delete checkpoints.
///
/// ```
/// use eventhub_checkpointstore::SasToken;
///
/// let sas = SasToken::new("?sv=2019-07-07&sp=rwcl&sig=abc%3D")?;
/// assert_eq!(format!("{sas:?}"), "SasToken(..)");
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SasToken(Zeroizing<String>);

impl SasToken {
    /// Creates a credential from a SAS, with or without the leading `?`. The SAS is sent unchanged.
    ///
    /// ```
    /// use eventhub_checkpointstore::SasToken;
    ///
    /// assert_eq!(SasToken::new("?sp=rwcl&sig=abc%3D")?, SasToken::new("sp=rwcl&sig=abc%3D")?);
    /// assert!(SasToken::new("https://contoso.blob.core.windows.net/checkpoints?sp=rwcl&sig=abc").is_err());
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the text has no `sig`, cannot be part of a URL, or is
    /// a whole URL. The error never contains the text.
    pub fn new(token: &str) -> Result<Self> {
        let token = token.trim().trim_start_matches(['?', '&']);
        match fault(token) {
            None => Ok(Self(Zeroizing::new(token.to_owned()))),
            Some(fault) => Err(Error::invalid_input(format!("SAS token: {fault}"))),
        }
    }

    pub(in crate::protocol) fn as_query(&self) -> &str {
        &self.0
    }

    /// Returns a percent-decoded field if it is plain text such as a date or letters. Never returns the signature.
    fn field(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').filter_map(|pair| pair.split_once('=')).rev();
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        let value = percent_decode_str(value).decode_utf8().ok()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte);
        (value.len() <= 40 && value.bytes().all(is_plain)).then(|| value.into_owned())
    }

    /// Returns whether it grants access to a single container or blob instead of the account.
    pub(in crate::protocol) fn is_of_one_container(&self) -> bool {
        self.field("sr").is_some()
    }

    /// Explains a refusal by the service, as far as the fields tell. The operation needs one of the permissions.
    pub(crate) fn explain_refusal(
        &self,
        operation: &str,
        permissions: &str,
        now: SystemTime,
    ) -> Option<String> {
        let time = |name| self.field(name).and_then(|text| Some((parse_iso8601(&text)?, text)));
        if let Some((_, text)) = time("se").filter(|(expiry, _)| *expiry <= now) {
            return Some(format!("the SAS expired at {text} (se)"));
        }
        if let Some((_, text)) = time("st").filter(|(start, _)| *start > now) {
            return Some(format!("the SAS is not valid before {text} (st)"));
        }
        if permissions.is_empty() {
            return self.is_of_one_container().then(|| {
                format!(
                    "'{operation}' needs a SAS of the account, but this is a SAS of a container"
                )
            });
        }
        // Without `sp`, a stored access policy grants them, which only the service knows.
        let granted = self.field("sp")?;
        (!granted.contains(|letter| permissions.contains(letter))).then(|| {
            let needed = permissions.chars().map(|letter| format!("'{letter}'"));
            let needed = needed.collect::<Vec<_>>().join(" or ");
            format!(
                "the SAS has the permissions '{granted}' (sp), but '{operation}' needs {needed}"
            )
        })
    }
}

fn fault(token: &str) -> Option<&'static str> {
    let fits = |byte: u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'#' | b'"' | b'<' | b'>');
    let begins_with = |start: &str| {
        token.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    if begins_with("https://") || begins_with("http://") {
        return Some(
            "it is a whole URL; pass only the part after '?', or pass the URL as the account URL",
        );
    }
    if begins_with("SharedAccessSignature ") {
        return Some("it is for Event Hubs or Service Bus, not for a storage account");
    }
    if begins_with("SharedAccessSignature=") || begins_with("BlobEndpoint=") {
        return Some(
            "it is part of a connection string; pass only the text after 'SharedAccessSignature='",
        );
    }
    if !token.bytes().all(fits) || token.starts_with('\'') || token.ends_with('\'') {
        return Some("only percent-encoded query text is allowed, without quotes around it");
    }
    let has_signature = token.split('&').any(|pair| pair.len() > 4 && pair.starts_with("sig="));
    (!has_signature).then_some("it has no signature (sig=…)")
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_token_is_refused_without_being_named() {
        for token in [
            "",
            "sv=1",
            "sig=",
            "sig=se cret",
            "sig=secret#x",
            "sig=secret\n&a",
            "\u{feff}sig=secret",
            "'sv=1&sig=secret'",
            "https://acct.blob.core.windows.net/con?sv=1&sig=secret",
            "HTTPS://acct.blob.core.windows.net/con?sv=1&sig=secret",
            "SharedAccessSignature=sv=1&sig=secret",
            "SharedAccessSignature sr=sb%3a&sig=secret&se=1&skn=k",
        ] {
            let error = SasToken::new(token).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
        }
        assert_eq!(SasToken::new("?a=b&sig=c").unwrap().as_query(), "a=b&sig=c");
    }

    #[test]
    fn a_refusal_is_explained_by_what_the_token_says() {
        let now = parse_iso8601("2026-11-22T10:00:00Z").unwrap();
        let explained = |token: &str| {
            SasToken::new(&format!("{token}&sig=secret")).unwrap().explain_refusal(
                "list blobs",
                "l",
                now,
            )
        };
        for (token, expected) in [
            ("se=2026-11-22T09%3A59%3A59Z", Some("expired at 2026-11-22T09:59:59Z")),
            ("se=2026-11-21", Some("expired at 2026-11-21 (se)")),
            (
                "st=2026-11-22T10:00:01Z&se=2027-01-01",
                Some("not valid before 2026-11-22T10:00:01Z"),
            ),
            ("sp=rw&se=2027-01-01", Some("permissions 'rw' (sp), but 'list blobs' needs 'l'")),
            ("sp=rwl&se=2027-01-01", None),
            ("si=policy&sr=c", None),
            ("se=tomorrow", None),
            // A text that is not a date is never shown.
            ("se=secret%20secret", None),
        ] {
            let explained = explained(token);
            assert_eq!(explained.is_some(), expected.is_some(), "{token}: {explained:?}");
            let text = explained.unwrap_or_default();
            assert!(
                text.contains(expected.unwrap_or_default()) && !text.contains("secret"),
                "{text}"
            );
        }
        let create = |token: &str| {
            SasToken::new(token).unwrap().explain_refusal("create container", "", now)
        };
        assert!(create("sr=c&sp=rwcl&sig=a").unwrap().contains("SAS of the account"));
        assert_eq!(create("ss=b&srt=sco&sp=rl&sig=a"), None);
    }
}

//! Account keys, and the SharedKey state prepared from one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// The name and a key of a storage account: the SharedKey credential.
///
/// The key is kept as a prepared HMAC state, which is cleared on drop and never shown.
///
/// ```
/// use eventhub_checkpointstore::AccountKey;
///
/// let key = AccountKey::new("contoso", "c2VjcmV0")?;
/// assert_eq!(format!("{key:?}"), "AccountKey { account: \"contoso\", .. }");
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Clone)]
pub struct AccountKey {
    account: Box<str>,
    mac: Hmac<Sha256>,
    /// The number of bytes of the key.
    length: usize,
}

impl AccountKey {
    /// Creates a credential from the account's name and one of its keys, in Base64 as the portal shows it.
    ///
    /// ```
    /// use eventhub_checkpointstore::AccountKey;
    ///
    /// assert!(AccountKey::new("contoso", "c2VjcmV0").is_ok());
    /// assert!(AccountKey::new("c2VjcmV0", "contoso").is_err(), "they are swapped");
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name contains characters other than lower-case
    /// letters, digits and hyphens, or if the key is not Base64. The error shows neither value, because they may be
    /// swapped.
    pub fn new(account_name: &str, key: &str) -> Result<Self> {
        check_account_name(account_name)?;
        let decoded = Zeroizing::new(
            STANDARD
                .decode(key.trim())
                .map_err(|_| Error::invalid_input("account key: it must be Base64"))?,
        );
        if decoded.is_empty() {
            return Err(Error::invalid_input("account key: it must not be empty"));
        }
        let mac = Hmac::new_from_slice(&decoded)
            .map_err(|_| Error::invalid_input("account key: it cannot be used for HMAC"))?;
        Ok(Self { account: account_name.into(), mac, length: decoded.len() })
    }

    /// Returns the name of the account.
    ///
    /// ```
    /// use eventhub_checkpointstore::AccountKey;
    ///
    /// assert_eq!(AccountKey::new("contoso", "c2VjcmV0")?.account_name(), "contoso");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn account_name(&self) -> &str {
        &self.account
    }

    /// Returns the number of bytes of the key. A key that was cut has fewer, and may still be Base64.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Returns a copy of the HMAC state after the key. The string-to-sign follows.
    pub(in crate::protocol) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

/// Azure's rule, plus the hyphen that Azure Stack Hub and emulators allow.
pub(in crate::protocol) fn check_account_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    // The name is not shown, because it may be the key.
    Err(Error::invalid_input(format!(
        "account name of {} bytes: lower-case letters, digits and hyphens are allowed, 63 at most",
        name.len()
    )))
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_refused_without_being_named() {
        for key in ["", "no base64!", "c2VjcmV0X"] {
            let error = AccountKey::new("acct", key).unwrap_err();
            assert!(key.is_empty() || !format!("{error} {error:?}").contains(key), "{error}");
        }
        assert!(AccountKey::new("ACCT", "c2VjcmV0").is_err());
        assert!(AccountKey::new("", "c2VjcmV0").is_err());
        let swapped = AccountKey::new("c2VjcmV0", "acct").unwrap_err().to_string();
        assert!(!swapped.contains("c2VjcmV0") && swapped.contains("8 bytes"), "{swapped}");
    }
}

//! Shared access signatures.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A shared access signature: the query that grants access, cleared on drop and never shown.
///
/// The store needs the permissions `rwcl` on the container's blobs (`d` too to delete checkpoints).
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
    /// Takes a SAS, with or without the leading `?`. It is sent as it is given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it has no `sig` or cannot stand in a URL. The
    /// text is never part of the error.
    pub fn new(token: &str) -> Result<Self> {
        let token = token.trim().trim_start_matches(['?', '&']);
        let fits =
            |byte: u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'#' | b'"' | b'<' | b'>');
        if !token.bytes().all(fits) {
            return Err(Error::invalid_input(
                "SAS token: only percent-encoded query text is allowed",
            ));
        }
        if !token.split('&').any(|pair| pair.len() > 4 && pair.starts_with("sig=")) {
            return Err(Error::invalid_input("SAS token: it has no signature (sig=…)"));
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    pub(in crate::protocol) fn as_query(&self) -> &str {
        &self.0
    }
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
        for token in ["", "sv=1", "sig=", "sig=se cret", "sig=secret#x", "sig=secret\n&a"] {
            let error = SasToken::new(token).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("cret"), "{error}");
        }
        assert_eq!(SasToken::new("?a=b&sig=c").unwrap().as_query(), "a=b&sig=c");
    }
}

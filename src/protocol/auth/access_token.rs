//! Tokens of Microsoft Entra ID.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// What a token is asked for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The scope, `https://storage.azure.com/.default`.
    pub scope: &'static str,
    /// How long the call that needs the token can wait. A blocking credential that takes longer makes it late.
    pub limit: Duration,
}

impl TokenRequest {
    pub(crate) fn storage(limit: Duration) -> Self {
        Self { scope: "https://storage.azure.com/.default", limit }
    }
}

/// A token and when it expires; cleared on drop and never shown.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use eventhub_checkpointstore::AccessToken;
///
/// let token = AccessToken::new("eyJ0…", SystemTime::now() + Duration::from_secs(3600));
/// assert_eq!(format!("{token:?}").find("eyJ0"), None);
/// ```
#[derive(Clone)]
pub struct AccessToken {
    secret: Zeroizing<String>,
    expires_on: SystemTime,
}

impl AccessToken {
    /// Takes a token as the identity service gave it.
    pub fn new(secret: impl Into<String>, expires_on: SystemTime) -> Self {
        Self { secret: Zeroizing::new(secret.into()), expires_on }
    }

    /// When it expires, by the local clock.
    pub fn expires_on(&self) -> SystemTime {
        self.expires_on
    }

    /// The `Authorization` value.
    pub(crate) fn bearer(&self) -> Result<HeaderValue> {
        let text = Zeroizing::new(format!("Bearer {}", self.secret.trim()));
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Error::new(ErrorKind::Credential, "the token cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

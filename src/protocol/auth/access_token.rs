//! Tokens of Microsoft Entra ID.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// The request for a token.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The scope: `https://storage.azure.com/.default` for a store, `https://eventhubs.azure.net/.default` for an event
    /// hub.
    pub scope: &'static str,
    /// How long the call that needs the token can wait. A blocking credential that takes longer delays the call.
    pub limit: Duration,
}

impl TokenRequest {
    /// Creates a request for the scope of Event Hubs.
    #[cfg(feature = "amqp")]
    pub(crate) fn event_hubs(limit: Duration) -> Self {
        Self { scope: "https://eventhubs.azure.net/.default", limit }
    }

    pub(crate) fn storage(limit: Duration) -> Self {
        Self { scope: "https://storage.azure.com/.default", limit }
    }
}

/// A token and its expiry. Cleared on drop and never shown.
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
    /// Creates a token from the text of the identity service. Leading and trailing blanks and line breaks are removed.
    ///
    /// A token that is blank or contains characters other than printable ASCII, such as the byte order mark of a file, is
    /// refused with [`ErrorKind::Credential`] before anything is sent.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use eventhub_checkpointstore::AccessToken;
    ///
    /// let token = AccessToken::new("eyJ0…", SystemTime::now() + Duration::from_secs(3600));
    /// assert!(token.expires_on() > SystemTime::now());
    /// ```
    pub fn new(secret: impl Into<String>, expires_on: SystemTime) -> Self {
        Self { secret: Zeroizing::new(secret.into()), expires_on }
    }

    /// Returns when the token expires, by the local clock.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use eventhub_checkpointstore::AccessToken;
    ///
    /// let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    /// assert_eq!(AccessToken::new("eyJ0…", expiry).expires_on(), expiry);
    /// ```
    pub fn expires_on(&self) -> SystemTime {
        self.expires_on
    }

    /// Returns the token itself.
    #[cfg(feature = "amqp")]
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns the `Authorization` value.
    ///
    /// The clients disagree on non-ASCII bytes: one sends them, the other fails and may have sent some of the request.
    pub(crate) fn bearer(&self) -> Result<HeaderValue> {
        let refused = |fault: &str| {
            Error::new(
                ErrorKind::Credential,
                format!("the token cannot be sent in a header: {fault}"),
            )
        };
        let secret = self.secret.trim();
        if secret.is_empty() {
            return Err(refused("it is blank"));
        }
        if let Some(found) = crate::model::unprintable(secret) {
            return Err(refused(&found));
        }
        let text = Zeroizing::new(format!("Bearer {secret}"));
        let mut value = HeaderValue::from_str(&text).map_err(|_| refused("it is not ASCII"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

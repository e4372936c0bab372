//! Tokens for the service: made from a key, given as a signature, or issued by Microsoft Entra ID.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::connection_string::StringCredential;
use super::sas::{SharedAccessKey, SharedAccessSignature};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{AccessToken, TokenRequest};

/// The lifetime of signatures that are made here. They are renewed after two thirds of it.
const SIGNATURE_LIFE: Duration = Duration::from_secs(60 * 60);

/// Asks the credential of a surface for a token.
pub(crate) type GetToken =
    Arc<dyn Fn(TokenRequest) -> BoxFuture<'static, Result<AccessToken>> + Send + Sync>;

/// The source of tokens. `Debug` never shows its secrets.
#[derive(Clone)]
pub(crate) enum TokenSource {
    Key(SharedAccessKey),
    Signature(SharedAccessSignature),
    Credential(GetToken),
}

/// A token in the form that `$cbs` accepts.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: Zeroizing<String>,
    /// The type of the token, as the service calls it.
    pub(super) kind: &'static str,
    pub(super) expires_on: SystemTime,
    pub(super) made: SystemTime,
}

impl TokenSource {
    /// Returns a new token for the event hub.
    pub(super) async fn token(
        &self,
        audience: &str,
        now: SystemTime,
        limit: Duration,
    ) -> Result<Token> {
        let (text, kind, expires_on) = match self {
            Self::Key(key) => {
                let token = key.sign(audience, now, SIGNATURE_LIFE);
                (token.text, "servicebus.windows.net:sastoken", token.expires_on)
            }
            Self::Signature(signature) => {
                let token = signature.token();
                (token.text, "servicebus.windows.net:sastoken", token.expires_on)
            }
            Self::Credential(get_token) => {
                let request = TokenRequest::event_hubs(limit);
                // A credential that panics must not end the task of the connection.
                let asked = AssertUnwindSafe(get_token(request)).catch_unwind();
                let token = match tokio::time::timeout(limit, asked).await {
                    Ok(Ok(token)) => token?,
                    Ok(Err(_)) => {
                        return Err(Error::new(
                            ErrorKind::Credential,
                            "the token credential panicked",
                        ));
                    }
                    Err(_) => {
                        return Err(Error::new(
                            ErrorKind::Timeout,
                            "the token credential took too long",
                        ));
                    }
                };
                (Zeroizing::new(token.secret().trim().to_owned()), "jwt", token.expires_on())
            }
        };
        if expires_on <= now {
            let message = match self {
                Self::Signature(_) => "the SharedAccessSignature has expired; create a new one",
                Self::Key(_) | Self::Credential(_) => "the token has already expired",
            };
            return Err(Error::new(ErrorKind::Credential, message));
        }
        Ok(Token { text, kind, expires_on, made: now })
    }

    /// Returns whether another token can be obtained later.
    pub(super) fn can_renew(&self) -> bool {
        !matches!(self, Self::Signature(_))
    }
}

impl Token {
    /// Returns the time until two thirds of the token's life are over.
    pub(super) fn renew_in(&self, now: SystemTime) -> Duration {
        let life = self.expires_on.duration_since(self.made).unwrap_or_default();
        let due = self.made.checked_add(life / 3 * 2).unwrap_or(self.expires_on);
        due.duration_since(now).unwrap_or_default()
    }

    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        !self.renew_in(now).is_zero()
    }
}

impl From<StringCredential> for TokenSource {
    fn from(credential: StringCredential) -> Self {
        match credential {
            StringCredential::Key(key) => Self::Key(key),
            StringCredential::Signature(signature) => Self::Signature(signature),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(..)",
            Self::Signature(_) => "Signature(..)",
            Self::Credential(_) => "Credential(..)",
        })
    }
}

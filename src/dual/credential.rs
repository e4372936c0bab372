//! Credentials, and the cache that keeps a token until it must be refreshed.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;

use super::runtime::{Lock, within};
use super::{AccessToken, TokenRequest, Transport, maybe_async};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{AccountKey, Authorization, Endpoint, SasToken, StringCredential};

/// A token is refreshed this long before it expires, while other calls still use the cached one.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// The pause between two early refreshes, if one failed or returned a token that expires soon.
const PAUSE: Duration = Duration::from_secs(30);
/// The maximum time that an early refresh may add to the call that performs it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gets tokens of Microsoft Entra ID. A closure without arguments that returns an [`AccessToken`] also implements it.
///
/// The store caches the token. It calls the credential when no token is cached, and again five minutes before expiry;
/// concurrent calls share one refresh. While a refresh fails, or takes longer than five seconds, the cached token stays in
/// use. The async surface enforces these limits itself; a blocking credential is told them by [`TokenRequest::limit`].
///
/// # Example
///
/// A closure, and a type that uses the request:
///
#[doc = example!("credential/token_credential")]
#[maybe_async]
pub trait TokenCredential: Send + Sync {
    /// Gets a new token for the scope of Azure Storage.
    ///
    /// # Errors
    ///
    /// Any error. It becomes the source of an [`ErrorKind::Credential`](crate::ErrorKind::Credential).
    async fn get_token(
        &self,
        request: TokenRequest,
    ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>>;
}

/// How the store authenticates. `Debug` shows the kind and no secret.
#[derive(Clone)]
pub struct Credential(Kind);

#[derive(Clone)]
enum Kind {
    Anonymous,
    AccountKey(AccountKey),
    Sas(SasToken),
    Token(Arc<TokenCache>),
}

impl Credential {
    /// Uses no credential: to read public containers, or behind a proxy or transport that signs.
    ///
    #[doc = example!("credential/anonymous")]
    pub fn anonymous() -> Self {
        Self(Kind::Anonymous)
    }

    /// Uses a key of the storage account, in Base64 as the portal shows it.
    ///
    #[doc = example!("credential/account_key")]
    ///
    /// # Errors
    ///
    /// As [`AccountKey::new`].
    pub fn account_key(account_name: &str, key: &str) -> Result<Self> {
        Ok(AccountKey::new(account_name, key)?.into())
    }

    /// Uses a shared access signature, with or without the leading `?`.
    ///
    #[doc = example!("credential/sas")]
    ///
    /// # Errors
    ///
    /// As [`SasToken::new`].
    pub fn sas(token: &str) -> Result<Self> {
        Ok(SasToken::new(token)?.into())
    }

    /// Uses tokens of Microsoft Entra ID, which are only sent over https.
    ///
    #[cfg_attr(not(doctest), doc = example!("credential/token_credential"))]
    pub fn token(credential: impl TokenCredential + 'static) -> Self {
        Self(Kind::Token(Arc::new(TokenCache {
            credential: Box::new(credential),
            cached: Mutex::default(),
            renewal: Lock::default(),
            failures: AtomicUsize::new(0),
        })))
    }

    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.0, Kind::Anonymous)
    }

    /// Returns the account of the key.
    pub(super) fn account_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::AccountKey(key) => Some(key.account_name()),
            _ => None,
        }
    }

    /// Warns of a key that Azure has not made. Each request would be refused as if the key were another account's.
    pub(super) fn warn_if_cut(&self, endpoint: &Endpoint) {
        /// The bytes of every key of Azure's.
        const WHOLE: usize = 64;
        if let Kind::AccountKey(key) = &self.0
            && key.length() != WHOLE
            && endpoint.is_azures()
        {
            log::warn!(
                target: super::LOG,
                "account key of {:?}: it has {} bytes, and Azure's have {WHOLE}; it was probably cut when it was copied",
                key.account_name(),
                key.length()
            );
        }
    }

    pub(super) fn as_sas(&self) -> Option<&SasToken> {
        match &self.0 {
            Kind::Sas(sas) => Some(sas),
            _ => None,
        }
    }

    pub(super) fn is_token(&self) -> bool {
        matches!(self.0, Kind::Token(_))
    }

    pub(super) fn token_cache(&self) -> Option<&TokenCache> {
        match &self.0 {
            Kind::Token(cache) => Some(cache),
            _ => None,
        }
    }

    /// Returns the credential for tokens of another service, which are not cached here.
    #[cfg(feature = "amqp")]
    pub(in super::super) fn shared_cache(&self) -> Option<Arc<TokenCache>> {
        match &self.0 {
            Kind::Token(cache) => Some(Arc::clone(cache)),
            _ => None,
        }
    }

    /// Returns how a request is authorized. `bearer` is set for a token credential.
    pub(super) fn authorization<'a>(
        &'a self,
        bearer: Option<&'a HeaderValue>,
    ) -> Authorization<'a> {
        match (&self.0, bearer) {
            (Kind::AccountKey(key), _) => Authorization::SharedKey(key),
            (Kind::Sas(sas), _) => Authorization::Sas(sas),
            (Kind::Token(_), Some(bearer)) => Authorization::Bearer(bearer),
            (Kind::Anonymous | Kind::Token(_), _) => Authorization::Anonymous,
        }
    }
}

impl From<AccountKey> for Credential {
    fn from(key: AccountKey) -> Self {
        Self(Kind::AccountKey(key))
    }
}

impl From<SasToken> for Credential {
    fn from(sas: SasToken) -> Self {
        Self(Kind::Sas(sas))
    }
}

impl From<StringCredential> for Credential {
    fn from(credential: StringCredential) -> Self {
        match credential {
            StringCredential::AccountKey(key) => key.into(),
            StringCredential::Sas(sas) => sas.into(),
            StringCredential::Missing => Self::anonymous(),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Anonymous => "Credential(anonymous)",
            Kind::AccountKey(_) => "Credential(account key)",
            Kind::Sas(_) => "Credential(SAS)",
            Kind::Token(_) => "Credential(token)",
        })
    }
}

/// The cached token, and the lock of those who refresh it.
pub(in super::super) struct TokenCache {
    credential: Box<dyn TokenCredential>,
    cached: Mutex<Option<Cached>>,
    renewal: Lock<()>,
    /// Counts failed refreshes, so that callers who waited for one do not each retry it.
    failures: AtomicUsize,
}

struct Cached {
    token: Arc<AccessToken>,
    renew_at: SystemTime,
}

/// The state of the cached token.
enum State {
    Fresh(Arc<AccessToken>),
    /// Still valid, but due for a refresh.
    Aging(Arc<AccessToken>),
    Missing,
}

#[maybe_async]
impl TokenCache {
    /// Returns the token to send now, for a call with this deadline.
    pub(super) async fn token(
        &self,
        transport: &dyn Transport,
        deadline: Instant,
    ) -> Result<Arc<AccessToken>> {
        match self.state(transport.clock().system_time()) {
            State::Fresh(token) => Ok(token),
            State::Aging(token) => Ok(self.renew_early(transport, deadline).await.unwrap_or(token)),
            State::Missing => {
                let limit = time_left(transport, deadline)?;
                let result =
                    within(transport, limit, self.wait_or_renew(transport, deadline)).await;
                result.unwrap_or_else(|| Err(too_slow()))
            }
        }
    }

    /// Refreshes the token early. Returns `None` if the old token stays in use.
    async fn renew_early(
        &self,
        transport: &dyn Transport,
        deadline: Instant,
    ) -> Option<Arc<AccessToken>> {
        // Another caller refreshes it already; the cached one is still valid.
        let _renewal = self.renewal.try_lock()?;
        if let State::Fresh(token) = self.state(transport.clock().system_time()) {
            return Some(token);
        }
        let limit = time_left(transport, deadline).ok()?.min(PATIENCE);
        let result = within(transport, limit, self.renew(transport, limit)).await;
        let error = match result {
            Some(Ok(renewed)) => return Some(renewed),
            Some(Err(error)) => error,
            None => too_slow(),
        };
        log::warn!(target: super::LOG, "could not refresh the token early: {error}");
        self.pause(transport.clock().system_time());
        None
    }

    async fn wait_or_renew(
        &self,
        transport: &dyn Transport,
        deadline: Instant,
    ) -> Result<Arc<AccessToken>> {
        let failures = self.failures.load(Ordering::Acquire);
        let limit = time_left(transport, deadline)?;
        let renewal = self.renewal.lock_within(limit).await;
        let _renewal = renewal.ok_or_else(too_slow)?;
        // While this caller waited, another one may have refreshed the token, or failed to.
        match self.state(transport.clock().system_time()) {
            State::Fresh(token) | State::Aging(token) => Ok(token),
            State::Missing if self.failures.load(Ordering::Acquire) != failures => Err(Error::new(
                ErrorKind::Credential,
                "the token credential just failed for another caller",
            )),
            State::Missing => {
                let result = self.renew(transport, time_left(transport, deadline)?).await;
                // A refresh that ran out of this caller's time may succeed for one that has more.
                if result.is_err() && time_left(transport, deadline).is_ok() {
                    self.failures.fetch_add(1, Ordering::Release);
                }
                result
            }
        }
    }

    async fn renew(&self, transport: &dyn Transport, limit: Duration) -> Result<Arc<AccessToken>> {
        let result = self.credential.get_token(TokenRequest::storage(limit)).await;
        let token = result.map_err(|error| {
            Error::new(ErrorKind::Credential, "the token credential failed").with_source(error)
        })?;
        let now = transport.clock().system_time();
        if token.expires_on() <= now {
            return Err(Error::new(
                ErrorKind::Credential,
                "the token credential returned a token that has already expired",
            ));
        }
        // A token that cannot be sent in a header is not cached.
        token.bearer()?;
        let token = Arc::new(token);
        let early = token.expires_on().checked_sub(EARLY).unwrap_or(now);
        // Some services return the same token until it expires.
        let renew_at = early.max(after_pause(now));
        *self.lock() = Some(Cached { token: Arc::clone(&token), renew_at });
        Ok(token)
    }
}

#[cfg(feature = "amqp")]
#[maybe_async]
impl TokenCache {
    /// Requests a token for a service other than storage.
    pub(in super::super) async fn ask(&self, request: TokenRequest) -> Result<AccessToken> {
        let asked = self.credential.get_token(request).await;
        asked.map_err(|error| {
            Error::new(ErrorKind::Credential, "the token credential failed").with_source(error)
        })
    }
}

impl TokenCache {
    fn state(&self, now: SystemTime) -> State {
        match &*self.lock() {
            Some(cached) if now >= cached.token.expires_on() => State::Missing,
            Some(cached) if now < cached.renew_at => State::Fresh(Arc::clone(&cached.token)),
            Some(cached) => State::Aging(Arc::clone(&cached.token)),
            None => State::Missing,
        }
    }

    fn pause(&self, now: SystemTime) {
        if let Some(cached) = &mut *self.lock() {
            cached.renew_at = after_pause(now);
        }
    }

    /// Drops a token that the service refused, unless it was replaced meanwhile.
    pub(super) fn reject(&self, token: &Arc<AccessToken>) {
        let mut cached = self.lock();
        if cached.as_ref().is_some_and(|cached| Arc::ptr_eq(&cached.token, token)) {
            *cached = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn after_pause(now: SystemTime) -> SystemTime {
    now.checked_add(PAUSE).unwrap_or(now)
}

/// Returns the time until the deadline of a call, or an error if it has passed.
pub(super) fn time_left(transport: &dyn Transport, deadline: Instant) -> Result<Duration> {
    let remaining = deadline.saturating_duration_since(transport.clock().now());
    if remaining.is_zero() {
        return Err(Error::new(ErrorKind::Timeout, "the call's deadline has passed"));
    }
    Ok(remaining)
}

fn too_slow() -> Error {
    Error::new(ErrorKind::Timeout, "the token credential took too long")
}

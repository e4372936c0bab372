//! The options of a store that do not depend on the surface.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use crate::error::{Error, Result};
use crate::protocol::{ApiVersion, RetryOptions};
use crate::records::naming::NameCase;
use crate::transport::TransportOptions;

/// Shorter than the shortest life of an ownership in any fleet, 60 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
pub(crate) const MAX_CALL_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an owner counts as running after its last renewal: four times the longest default interval of another SDK
/// (Python, .NET, Java, official Rust: 30 s).
pub(crate) const OWNER_RUNS_FOR: Duration = Duration::from_secs(120);
pub(crate) const CLAIM_CONCURRENCY: usize = 16;
const MAX_CLAIM_CONCURRENCY: usize = 256;

/// The options of a store over any container.
#[derive(Debug, Clone)]
pub(crate) struct StoreOptions {
    pub(crate) name_case: NameCase,
    pub(crate) read_fallback: bool,
    pub(crate) strict: bool,
    pub(crate) list_checkpoints_from_secondary: bool,
    pub(crate) call_timeout: Duration,
    pub(crate) claim_concurrency: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            name_case: NameCase::default(),
            read_fallback: false,
            strict: false,
            list_checkpoints_from_secondary: false,
            call_timeout: CALL_TIMEOUT,
            claim_concurrency: CLAIM_CONCURRENCY,
        }
    }
}

/// The options of a store over the REST protocol.
#[derive(Clone, Default)]
pub(crate) struct RestOptions {
    pub(crate) api_version: ApiVersion,
    pub(crate) secondary_hostname: Option<String>,
    pub(crate) retry: RetryOptions,
    pub(crate) user_agent_prefix: Option<String>,
    pub(crate) transport: TransportOptions,
}

/// Free text is not shown, because it may be a secret in the wrong place.
impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions")
            .field("api_version", &self.api_version)
            .field("has_secondary_hostname", &self.secondary_hostname.is_some())
            .field("retry", &self.retry)
            .field("has_user_agent_prefix", &self.user_agent_prefix.is_some())
            .field("attempt_timeout", &self.transport.attempt_timeout)
            .field("connect_timeout", &self.transport.connect_timeout)
            .field("idle_timeout", &self.transport.idle_timeout)
            .field("proxy", &self.transport.proxy)
            .field("tls_backend", &self.transport.tls_backend)
            .field("root_certificates", &self.transport.root_certificates.len())
            .finish()
    }
}

impl StoreOptions {
    pub(crate) fn check(&self) -> Result<()> {
        check_duration("call timeout", self.call_timeout)?;
        if (1..=MAX_CLAIM_CONCURRENCY).contains(&self.claim_concurrency) {
            return Ok(());
        }
        Err(Error::invalid_input(format!(
            "claim concurrency {}: 1 to {MAX_CLAIM_CONCURRENCY} are allowed",
            self.claim_concurrency
        )))
    }
}

impl RestOptions {
    pub(crate) fn check(&self) -> Result<()> {
        check_duration("attempt timeout", self.transport.attempt_timeout)?;
        check_duration("connect timeout", self.transport.connect_timeout)?;
        check_duration("idle timeout", self.transport.idle_timeout)?;
        check_duration("connection lifetime", self.transport.connection_lifetime)
    }

    /// `{prefix} eventhub-checkpointstore/{version} ({os}; {architecture})`
    pub(crate) fn user_agent(&self) -> Result<HeaderValue> {
        const OWN: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        let system = format!("({}; {})", std::env::consts::OS, std::env::consts::ARCH);
        let text = match &self.user_agent_prefix {
            Some(prefix) => {
                crate::model::check_header_text("user-agent prefix", prefix)?;
                format!("{prefix} {OWN} {system}")
            }
            None => format!("{OWN} {system}"),
        };
        HeaderValue::try_from(text.trim_start())
            .map_err(|error| Error::invalid_input("user-agent prefix").with_source(error))
    }
}

/// Zero would fail every request, and more than a day would overflow in some clients.
fn check_duration(what: &str, duration: Duration) -> Result<()> {
    let allowed = Duration::from_millis(1)..=MAX_CALL_TIMEOUT;
    if allowed.contains(&duration) {
        return Ok(());
    }
    Err(Error::invalid_input(format!("{what} {duration:?}: 1 ms to 24 h are allowed")))
}

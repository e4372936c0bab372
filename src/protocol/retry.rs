//! Retry decisions: whether a failed attempt is retried, and when.

use std::fmt;
use std::time::Duration;

use crate::error::{Applied, Error, ErrorKind, Result};
use crate::protocol::status::ServiceFailure;
use crate::protocol::xml::XmlFault;
use crate::transport::{TransportError, TransportErrorKind};

/// Longer than any process would wait, and far below the limits of a clock.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 3600);

/// How often a request is retried, and the pauses in between.
///
/// The default is 4 attempts with pauses of less than 3 s in total. The deadline of the call ends them earlier: no retry
/// starts that could not finish in time.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::RetryOptions;
///
/// let patient = RetryOptions::default().with_max_retries(5).with_base_delay(Duration::from_secs(1))?;
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    max_retries: u32,
    base_delay: Duration,
    max_delay: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            max_retries: 3,
            base_delay: Duration::from_millis(400),
            max_delay: Duration::from_secs(8),
        }
    }
}

impl RetryOptions {
    /// Sets the maximum number of retries; 0 makes a single attempt. Default: 3.
    ///
    #[doc = shared_example!("protocol/retry_options")]
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// Sets the pause before the first retry. It doubles for each further retry; half of it is random. Default: 400 ms.
    ///
    /// If the first attempt fails because its connection broke, the connection was most likely an old one. The pause before
    /// the retry is then at most an eighth of this.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("protocol/retry_options"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is longer than the maximum delay.
    pub fn with_base_delay(mut self, base_delay: Duration) -> Result<Self> {
        if base_delay > self.max_delay {
            return Err(Error::invalid_input(format!(
                "base delay {base_delay:?}: at most the maximum delay of {:?} is allowed",
                self.max_delay
            )));
        }
        self.base_delay = base_delay;
        Ok(self)
    }

    /// Sets the longest pause before a retry. A longer `Retry-After` is honored. Default: 8 s.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("protocol/retry_options"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is shorter than the base delay, or longer than a
    /// day.
    pub fn with_max_delay(mut self, max_delay: Duration) -> Result<Self> {
        if max_delay < self.base_delay {
            return Err(Error::invalid_input(format!(
                "maximum delay {max_delay:?}: at least the base delay of {:?} is allowed",
                self.base_delay
            )));
        }
        if max_delay > LONGEST_DELAY {
            return Err(Error::invalid_input(format!(
                "maximum delay {max_delay:?}: at most {LONGEST_DELAY:?} is allowed"
            )));
        }
        self.max_delay = max_delay;
        Ok(self)
    }

    /// Returns the maximum number of retries.
    pub fn max_retries(&self) -> u32 {
        self.max_retries
    }

    /// Decides what to do after a failed attempt (1 is the first), with this much time left.
    ///
    /// `pause` is the wait that the host of the next attempt asked for; `random` is uniform in `0.0..1.0`.
    pub(crate) fn decide(
        &self,
        attempt: u32,
        max_retries: u32,
        failure: &Failure,
        pause: Option<Duration>,
        remaining: Duration,
        random: f64,
    ) -> Decision {
        if attempt > max_retries || !failure.is_retryable() {
            return Decision::GiveUp;
        }
        let after = match (failure, pause) {
            (Failure::RefusedToken(_), _) => Duration::ZERO,
            // All callers got the same `Retry-After`, so jitter keeps them from returning in step.
            (_, Some(pause)) => pause.saturating_add(self.base_delay.mul_f64(random)),
            // The primary is another host, so it is asked at once.
            _ if failure.is_refusal_of_secondary() => Duration::ZERO,
            // Usually a pooled connection that the server had closed. A new one works at once.
            (Failure::Transport(error), _)
                if attempt == 1 && error.kind() != TransportErrorKind::Timeout =>
            {
                (self.base_delay / 8).mul_f64(random)
            }
            _ => self.backoff(attempt, random),
        };
        if after < remaining { Decision::RetryAfter(after) } else { Decision::GiveUp }
    }

    fn backoff(&self, attempt: u32, random: f64) -> Duration {
        let factor = 1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        let full = self.base_delay.saturating_mul(factor).min(self.max_delay);
        full / 2 + (full / 2).mul_f64(random)
    }
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    RetryAfter(Duration),
    GiveUp,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Service(ServiceFailure),
    /// The service refused a cached token. A new one is tried once.
    RefusedToken(ServiceFailure),
    Transport(TransportError),
    /// A success whose body is not readable.
    Unreadable(XmlFault),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) | Self::RefusedToken(service) => {
                service.kind().fmt(f)?;
                match service.reason().as_str() {
                    "" => Ok(()),
                    reason => write!(f, ": {reason}"),
                }
            }
            Self::Transport(error) => error.fmt(f),
            Self::Unreadable(fault) => write!(f, "{UNREADABLE}: {fault}"),
        }
    }
}

const UNREADABLE: &str = "the list cannot be read";

impl Failure {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Service(service) => service.is_retryable(),
            Self::RefusedToken(_) => true,
            Self::Transport(error) => !error.is_permanent(),
            // A truncated body: the connection broke, although the transport did not notice. Other faults would come again.
            Self::Unreadable(fault) => matches!(fault, XmlFault::Truncated),
        }
    }

    /// Returns how long the host asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Service(service) => service.retry_after,
            Self::RefusedToken(_) | Self::Transport(_) | Self::Unreadable(_) => None,
        }
    }

    pub(crate) fn is_refusal_of_secondary(&self) -> bool {
        matches!(self, Self::Service(service) if service.is_refusal_of_secondary())
    }

    /// Returns whether the request may have been applied anyway.
    pub(crate) fn applied(&self) -> Applied {
        match self {
            Self::Service(service) | Self::RefusedToken(service) => service.applied(),
            Self::Transport(error) => Applied::unknown_if(error.may_have_been_sent()),
            Self::Unreadable(_) => Applied::Unknown,
        }
    }

    /// Converts it into the error of an attempt at this host.
    pub(crate) fn into_error(self, host: &str) -> Error {
        match self {
            Self::Service(service) | Self::RefusedToken(service) => service.into_error(),
            Self::Transport(error) => {
                let kind = match error.kind() {
                    TransportErrorKind::Timeout => ErrorKind::Timeout,
                    TransportErrorKind::Network => ErrorKind::Network,
                    TransportErrorKind::InvalidResponse => ErrorKind::InvalidResponse,
                    TransportErrorKind::Unsupported => ErrorKind::Configuration,
                };
                let is_permanent = error.is_permanent();
                Error::new(kind, error.told_of(host)).with_source(error).permanent_if(is_permanent)
            }
            Self::Unreadable(fault) => {
                Error::new(ErrorKind::InvalidResponse, UNREADABLE).with_source(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn network() -> Failure {
        Failure::Transport(TransportError::network("reset"))
    }

    fn timeout() -> Failure {
        Failure::Transport(TransportError::timeout("slow"))
    }

    fn wait(options: RetryOptions, attempt: u32, failure: &Failure, random: f64) -> Duration {
        match options.decide(attempt, options.max_retries, failure, None, LONG, random) {
            Decision::RetryAfter(after) => after,
            Decision::GiveUp => panic!("gave up"),
        }
    }

    #[test]
    fn waits_double_and_half_is_random() {
        let options = RetryOptions::default();
        assert_eq!(wait(options, 1, &timeout(), 0.0), Duration::from_millis(200));
        assert_eq!(wait(options, 1, &timeout(), 1.0), Duration::from_millis(400));
        assert_eq!(wait(options, 3, &timeout(), 0.0), Duration::from_millis(800));
        let patient = options.with_max_retries(99);
        assert_eq!(wait(patient, 99, &timeout(), 1.0), Duration::from_secs(8));
    }

    #[test]
    fn a_broken_connection_is_replaced_quickly_once() {
        let options = RetryOptions::default();
        assert!(wait(options, 1, &network(), 1.0) <= Duration::from_millis(50));
        assert!(wait(options, 2, &network(), 0.0) >= Duration::from_millis(400));
    }

    #[test]
    fn retries_end_at_the_last_attempt_and_at_the_deadline() {
        let options = RetryOptions::default();
        let decide = |attempt, max_retries, pause, remaining| {
            options.decide(attempt, max_retries, &timeout(), pause, remaining, 0.5)
        };
        assert_eq!(decide(4, 3, None, LONG), Decision::GiveUp);
        assert_eq!(decide(1, 0, None, LONG), Decision::GiveUp);
        assert_eq!(decide(2, 3, None, Duration::from_millis(300)), Decision::GiveUp);
        assert_eq!(decide(1, 3, Some(Duration::MAX), LONG), Decision::GiveUp);
    }

    #[test]
    fn delays_that_contradict_each_other_are_refused() {
        let options = RetryOptions::default();
        assert!(options.with_base_delay(Duration::from_secs(9)).is_err());
        assert!(options.with_max_delay(Duration::from_millis(1)).is_err());
    }

    #[test]
    fn delays_of_more_than_a_day_are_refused() {
        let options = RetryOptions::default();
        assert!(options.with_max_delay(Duration::MAX).is_err());
        let patient = options
            .with_max_delay(LONGEST_DELAY)
            .and_then(|options| options.with_base_delay(LONGEST_DELAY))
            .unwrap();
        let wait = patient.decide(99, 99, &timeout(), Some(LONGEST_DELAY), Duration::MAX, 1.0);
        assert_eq!(wait, Decision::RetryAfter(LONGEST_DELAY * 2));
    }
}

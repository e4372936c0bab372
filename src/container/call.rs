//! The options of a single call.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// Options of a single call, given with `with_options` of a store.
///
/// ```
/// use std::time::{Duration, Instant};
/// use eventhub_checkpointstore::CallOptions;
///
/// let options = CallOptions::new()
///     .with_timeout(Duration::from_secs(5))
///     .with_max_retries(1)
///     .with_header("x-correlation", "abc")?;
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    timeout: Option<Duration>,
    max_retries: Option<u32>,
    headers: HeaderMap,
    client_request_id: Option<HeaderValue>,
    primary_only: bool,
}

/// Headers that the protocol sets itself; a second value would break the request or its signature.
const RESERVED: [&str; 15] = [
    "authorization",
    "proxy-authorization",
    "user-agent",
    "accept-encoding",
    "expect",
    "host",
    "date",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];
const RESERVED_PREFIX: &str = "x-ms-";

impl CallOptions {
    /// Options of which none is set: the store's own apply.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().timeout(), None);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits the whole call: all attempts, all pages of a list, all claims of a batch.
    ///
    /// ```
    /// use std::time::Duration;
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// let options = CallOptions::new().with_timeout(Duration::from_secs(2));
    /// assert_eq!(options.timeout(), Some(Duration::from_secs(2)));
    /// ```
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Limits how often a request is retried; 0 makes a single attempt.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().with_max_retries(0).max_retries(), Some(0));
    /// ```
    #[must_use]
    pub fn with_max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = Some(max_retries);
        self
    }

    /// Whether reads are only sent to the primary, also where the secondary could respond. Default: no.
    ///
    /// A secondary may lag by minutes. A list of ownerships from it has old ETags, so that claims by it are lost, and may
    /// not show yet what others have claimed.
    ///
    #[doc = shared_example!("container/primary_only")]
    #[must_use]
    pub fn with_primary_only(mut self, primary_only: bool) -> Self {
        self.primary_only = primary_only;
        self
    }

    /// Adds a header to every request of the call.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// let options = CallOptions::new().with_header("x-correlation", "abc")?;
    /// assert_eq!(options.headers()["x-correlation"], "abc");
    /// assert!(CallOptions::new().with_header("authorization", "abc").is_err());
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if no header can carry the name or the
    /// value, or if the store or its client sets the header itself (`Authorization`, `User-Agent`, conditions, lengths,
    /// `x-ms-…`).
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        let name = HeaderName::try_from(name).map_err(|_| {
            let shown = crate::model::shown(name);
            Error::invalid_input(format!("header name{shown}: it is not an HTTP token"))
        })?;
        if RESERVED.contains(&name.as_str()) || name.as_str().starts_with(RESERVED_PREFIX) {
            return Err(Error::invalid_input(format!(
                "header {:?}: the store sets it itself",
                name.as_str()
            )));
        }
        // The value may be a secret, so it is not named.
        let refused = |fault: &str| {
            Error::invalid_input(format!(
                "header {:?}: only printable ASCII is allowed{fault}",
                name.as_str()
            ))
        };
        // The clients do not agree on bytes beyond ASCII, and `HeaderValue` takes them.
        if let Some(found) = crate::model::unprintable(value) {
            return Err(refused(&format!(", but {found}")));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| refused(""))?;
        // `Debug` does not show it then.
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sends this as `x-ms-client-request-id` instead of a new id for each attempt.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// let options = CallOptions::new().with_client_request_id("order-4711")?;
    /// assert_eq!(options.client_request_id().unwrap(), "order-4711");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty, longer than
    /// [1,024 characters](https://learn.microsoft.com/rest/api/storageservices/common-request-and-response-headers),
    /// or not printable ASCII.
    pub fn with_client_request_id(mut self, id: &str) -> Result<Self> {
        crate::model::check_header_text("client request id", id)?;
        if id.is_empty() || id.len() > 1024 {
            return Err(Error::invalid_input(format!(
                "client request id of {} characters: 1 to 1,024 are allowed",
                id.len()
            )));
        }
        let value = HeaderValue::from_str(id)
            .map_err(|error| Error::invalid_input("client request id").with_source(error))?;
        self.client_request_id = Some(value);
        Ok(self)
    }

    /// The limit of the whole call, if one was set.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().timeout(), None);
    /// ```
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The limit of retries, if one was set.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().max_retries(), None);
    /// ```
    pub fn max_retries(&self) -> Option<u32> {
        self.max_retries
    }

    /// The additional headers.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert!(CallOptions::new().headers().is_empty());
    /// ```
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether reads are only sent to the primary.
    pub fn primary_only(&self) -> bool {
        self.primary_only
    }

    /// The client request id, if one was set.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().client_request_id(), None);
    /// ```
    pub fn client_request_id(&self) -> Option<&HeaderValue> {
        self.client_request_id.as_ref()
    }
}

/// The deadline and the options that every request carries.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CallContext<'a> {
    /// When the whole call must have ended, if it is limited.
    pub deadline: Option<Instant>,
    /// The options that the caller gave.
    pub options: &'a CallOptions,
}

impl<'a> CallContext<'a> {
    /// A context without a limit.
    ///
    #[doc = shared_example!("container/call_context")]
    pub fn new(options: &'a CallOptions) -> Self {
        Self { deadline: None, options }
    }

    /// Sets when the call must have ended.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/call_context"))]
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_protocol_cannot_be_given() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "User-Agent",
            "Accept-Encoding",
            "Expect",
            "x-ms-date",
            "If-Match",
            "content-length",
            "bad name",
            "",
        ] {
            let error = CallOptions::new().with_header(name, "v").unwrap_err();
            assert!(error.to_string().contains(&name.to_lowercase()), "{error}");
        }
        let error = CallOptions::new().with_header("x-a", "secret\r\n").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        for value in ["\u{feff}secret", "secré", "a\tb", "a\u{7f}"] {
            let error = CallOptions::new().with_header("x-a", value).unwrap_err().to_string();
            assert!(error.contains("U+") && !error.contains("secr"), "{error}");
        }
    }

    #[test]
    fn a_client_request_id_is_checked() {
        assert!(CallOptions::new().with_client_request_id("").is_err());
        assert!(CallOptions::new().with_client_request_id(&"x".repeat(1025)).is_err());
        assert!(CallOptions::new().with_client_request_id("abc").is_ok());
    }
}

//! Options of single calls.

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
const RESERVED: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "user-agent",
    "accept-encoding",
    "cookie",
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
    /// Creates options with nothing set; the store's own options apply.
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

    /// Sets whether reads go only to the primary, even if a secondary could respond. Default: no.
    ///
    /// A secondary may lag by minutes. Its list of ownerships may have outdated ETags, so that claims are lost, and may not
    /// show recent claims of other consumers.
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
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name or the value is not valid in a header, or if
    /// the store or its client sets the header itself (`Authorization`, `User-Agent`, `Cookie`, conditions, lengths, `x-ms-…`).
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
        // The value may be a secret, so it is not shown.
        let refused = |fault: &str| {
            Error::invalid_input(format!(
                "header {:?}: only printable ASCII is allowed{fault}",
                name.as_str()
            ))
        };
        // The clients disagree on non-ASCII bytes, which `HeaderValue` accepts.
        if let Some(found) = crate::model::unprintable(value) {
            return Err(refused(&format!(", but {found}")));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| refused(""))?;
        // `Debug` does not show the value then.
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sets `x-ms-client-request-id` for all requests, instead of a new id for each attempt.
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

    /// Returns the limit of the whole call, if set.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().timeout(), None);
    /// ```
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Returns the limit of retries, if set.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert_eq!(CallOptions::new().max_retries(), None);
    /// ```
    pub fn max_retries(&self) -> Option<u32> {
        self.max_retries
    }

    /// Returns the additional headers.
    ///
    /// ```
    /// use eventhub_checkpointstore::CallOptions;
    ///
    /// assert!(CallOptions::new().headers().is_empty());
    /// ```
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns whether reads go only to the primary.
    pub fn primary_only(&self) -> bool {
        self.primary_only
    }

    /// Returns the client request id, if set.
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
    /// The deadline of the whole call, if it is limited.
    pub deadline: Option<Instant>,
    /// The options that the caller gave.
    pub options: &'a CallOptions,
}

impl<'a> CallContext<'a> {
    /// Creates a context without a deadline.
    ///
    #[doc = shared_example!("container/call_context")]
    pub fn new(options: &'a CallOptions) -> Self {
        Self { deadline: None, options }
    }

    /// Sets the deadline of the call.
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
            "Cookie",
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

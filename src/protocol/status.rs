//! The meaning of error statuses.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::error::{Applied, Error, ErrorKind};
use crate::protocol::date::parse_date;
use crate::protocol::reason;
use crate::protocol::response::Response;

const ERROR_CODE: &str = "x-ms-error-code";

/// An error response of the service.
#[derive(Debug)]
pub(crate) struct ServiceFailure {
    kind: ErrorKind,
    status: u16,
    code: Option<String>,
    request_id: Option<String>,
    /// How long the service asked to wait.
    pub(crate) retry_after: Option<Duration>,
    from_secondary: bool,
    body: Bytes,
}

impl ServiceFailure {
    /// Reads the failure. `now` is the local clock, for a `Retry-After` date in a response without a `Date`.
    pub(crate) fn read(response: &Response, now: SystemTime) -> Self {
        // Responses to HEAD have no body, and old versions of the service send no header.
        let code = response
            .header(ERROR_CODE)
            .map(str::to_owned)
            .or_else(|| reason::code(response.body()));
        Self {
            kind: kind(response.status(), code.as_deref()),
            status: response.status(),
            code,
            request_id: response.request_id().map(str::to_owned),
            retry_after: retry_after(response, now),
            from_secondary: response.is_from_secondary(),
            body: response.body().clone(),
        }
    }

    /// An error response that another client got.
    #[cfg(feature = "azure_storage_blobs")]
    pub(crate) fn from_status(status: u16, code: Option<&str>) -> Self {
        Self {
            kind: kind(status, code),
            status,
            code: code.map(str::to_owned),
            request_id: None,
            retry_after: None,
            from_secondary: false,
            body: Bytes::new(),
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The service's explanation; empty if there is none.
    pub(crate) fn reason(&self) -> String {
        reason::reason(&self.body)
    }

    /// Returns whether another attempt may succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504) || self.is_refusal_of_secondary()
    }

    /// A secondary lags, and may not be readable at all. If it lacks a blob or refuses the request, that is not conclusive.
    pub(crate) fn is_refusal_of_secondary(&self) -> bool {
        self.from_secondary && !matches!(self.status, 408 | 429 | 500..)
    }

    /// Returns whether the service may have applied the request anyway. A busy service has not.
    pub(crate) fn applied(&self) -> Applied {
        Applied::unknown_if(match self.status {
            503 => self.code.as_deref() != Some("ServerBusy"),
            408 | 500.. => true,
            _ => false,
        })
    }

    pub(crate) fn into_error(self) -> Error {
        let reason = self.reason();
        let mut error = if self.is_refusal_of_secondary() {
            // Never "not found": only the primary can tell, and it did not respond.
            let said = "only the secondary responded, and it refused the request";
            let separator = if reason.is_empty() { "" } else { ": " };
            Error::new(ErrorKind::Service, format!("{said}{separator}{reason}"))
        } else {
            Error::new(self.kind, reason)
        };
        error = error.with_status(self.status);
        if let Some(code) = self.code {
            error = error.with_code(code);
        }
        if let Some(id) = self.request_id {
            error = error.with_request_id(id);
        }
        error
    }
}

fn kind(status: u16, code: Option<&str>) -> ErrorKind {
    match (status, code) {
        (404, Some("BlobNotFound")) => ErrorKind::BlobNotFound,
        (404, Some("ContainerNotFound" | "ResourceNotFound"))
        | (409, Some("ContainerBeingDeleted")) => ErrorKind::ContainerNotFound,
        // A 412 also has other reasons, such as a lease. A response to HEAD has no code.
        (409, Some("BlobAlreadyExists"))
        | (412, None | Some("ConditionNotMet" | "TargetConditionNotMet")) => {
            ErrorKind::ConditionNotMet
        }
        (409, Some("ContainerAlreadyExists")) => ErrorKind::ContainerAlreadyExists,
        (401 | 403, _) => ErrorKind::AccessDenied,
        (429, _) | (503, Some("ServerBusy")) => ErrorKind::Throttled,
        (408 | 500.., _) => ErrorKind::Service,
        (400..=499, _) => ErrorKind::Rejected,
        // Redirects are not followed, because the credential must not reach another host.
        _ => ErrorKind::InvalidResponse,
    }
}

/// Parses seconds or a date. A date is compared with the server's clock if the response has one.
fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit means forever.
        let seconds = text.parse::<u32>().unwrap_or(u32::MAX);
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = parse_date(text)?;
    let server_time = response.server_time().unwrap_or(now);
    Some(date.duration_since(server_time).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn failure(status: u16, headers: &[(&str, &str)], body: &'static str) -> ServiceFailure {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Bytes::from_static(body.as_bytes())).unwrap();
        ServiceFailure::read(&Response::new(response, false), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn kinds_by_status_and_code() {
        let cases = [
            (404, "BlobNotFound", ErrorKind::BlobNotFound),
            (404, "ContainerNotFound", ErrorKind::ContainerNotFound),
            (404, "", ErrorKind::Rejected),
            (409, "BlobAlreadyExists", ErrorKind::ConditionNotMet),
            (409, "ContainerAlreadyExists", ErrorKind::ContainerAlreadyExists),
            (409, "ContainerBeingDeleted", ErrorKind::ContainerNotFound),
            (409, "LeaseAlreadyPresent", ErrorKind::Rejected),
            (412, "ConditionNotMet", ErrorKind::ConditionNotMet),
            (412, "TargetConditionNotMet", ErrorKind::ConditionNotMet),
            (412, "", ErrorKind::ConditionNotMet),
            (412, "LeaseIdMissing", ErrorKind::Rejected),
            (403, "AuthorizationFailure", ErrorKind::AccessDenied),
            (429, "", ErrorKind::Throttled),
            (503, "ServerBusy", ErrorKind::Throttled),
            (500, "InternalError", ErrorKind::Service),
            (400, "InvalidHeaderValue", ErrorKind::Rejected),
            (302, "", ErrorKind::InvalidResponse),
        ];
        for (status, code, expected) in cases {
            let headers: &[(&str, &str)] =
                if code.is_empty() { &[] } else { &[("x-ms-error-code", code)] };
            assert_eq!(failure(status, headers, "").kind(), expected, "{status} {code}");
        }
    }

    #[test]
    fn the_code_may_be_in_the_body() {
        let body = "\u{feff}<?xml version=\"1.0\"?><Error><Message>m</Message><Code>BlobNotFound</Code></Error>";
        assert_eq!(failure(404, &[], body).kind(), ErrorKind::BlobNotFound);
        for body in
            ["<Error><Code>a b</Code></Error>", "<Error><Code/></Error>", "<Error>", "x", ""]
        {
            assert_eq!(failure(404, &[], body).kind(), ErrorKind::Rejected, "{body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |headers: &[(&str, &str)]| failure(503, headers, "").retry_after;
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        let date = [
            ("retry-after", "Sun, 22 Nov 2026 10:00:30 GMT"),
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ];
        assert_eq!(after(&date), Some(Duration::from_secs(30)));
        let past = [
            ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT"),
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
        ];
        assert_eq!(after(&past), Some(Duration::ZERO));
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[("retry-after", "")]), None);
        assert_eq!(after(&[("retry-after", "-1")]), None);
        let for_ever = Some(Duration::from_secs(u32::MAX.into()));
        assert_eq!(after(&[("retry-after", "99999999999999999999")]), for_ever);
        assert_eq!(after(&[]), None);
    }
}

//! Responses in the service's form: common headers, error codes, error bodies.

use super::super::loopback::{Recorded, Reply};
use super::state::State;

/// Every XML body of the service begins with a byte order mark.
pub(super) const XML_START: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// An error of the service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    pub(super) const INVALID_URI: Self = Self::of(
        400,
        "InvalidUri",
        "The requested URI does not represent any resource on the server.",
    );
    pub(super) const MISSING_REQUIRED_HEADER: Self = Self::of(
        400,
        "MissingRequiredHeader",
        "An HTTP header that's mandatory for this request is not specified.",
    );
    pub(super) const INVALID_METADATA: Self = Self::of(
        400,
        "InvalidMetadata",
        "The metadata specified is invalid. It has characters that are not permitted.",
    );
    pub(super) const EMPTY_METADATA_KEY: Self = Self::of(
        400,
        "EmptyMetadataKey",
        "The key for one of the metadata key-value pairs is empty.",
    );
    pub(super) const METADATA_TOO_LARGE: Self = Self::of(
        400,
        "MetadataTooLarge",
        "The size of the specified metadata exceeds the maximum size permitted.",
    );
    pub(super) const OUT_OF_RANGE_QUERY: Self = Self::of(
        400,
        "OutOfRangeQueryParameterValue",
        "One of the query parameters specified in the request URI is outside the permissible range.",
    );
    pub(super) const INVALID_QUERY: Self = Self::of(
        400,
        "InvalidQueryParameterValue",
        "Value for one of the query parameters specified in the request URI is invalid.",
    );
    pub(super) const AUTHENTICATION_FAILED: Self = Self::of(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly \
         including the signature.",
    );
    pub(super) const BLOB_NOT_FOUND: Self =
        Self::of(404, "BlobNotFound", "The specified blob does not exist.");
    pub(super) const CONTAINER_NOT_FOUND: Self =
        Self::of(404, "ContainerNotFound", "The specified container does not exist.");
    pub(super) const BLOB_ALREADY_EXISTS: Self =
        Self::of(409, "BlobAlreadyExists", "The specified blob already exists.");
    pub(super) const CONTAINER_ALREADY_EXISTS: Self =
        Self::of(409, "ContainerAlreadyExists", "The specified container already exists.");
    pub(super) const MISSING_CONTENT_LENGTH: Self =
        Self::of(411, "MissingContentLengthHeader", "The Content-Length header was not specified.");
    pub(super) const CONDITION_NOT_MET: Self = Self::of(
        412,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    );
    pub(super) const INVALID_RANGE: Self = Self::of(
        416,
        "InvalidRange",
        "The range specified is invalid for the current size of the resource.",
    );
    pub(super) const NOT_MODIFIED: Self = Self::of(304, "ConditionNotMet", "");
    /// Not the service's: this double does not know the request.
    pub(super) const NOT_IMPLEMENTED: Self = Self::of(
        501,
        "NotImplemented",
        "The double of the Blob service does not implement this request.",
    );

    const fn of(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    pub(super) fn reply(self, request: &Recorded) -> Reply {
        // A HEAD response has its error code in the header only.
        if request.method == "HEAD" {
            return Reply::new(self.status).header("x-ms-error-code", self.code);
        }
        error_reply(self.status, self.code, self.message)
    }
}

/// An error response as the service writes it, for [`Fault::Respond`](super::Fault::Respond).
pub fn error_reply(status: u16, code: &str, message: &str) -> Reply {
    let body = format!("{XML_START}<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Reply::new(status)
        .header("Content-Type", "application/xml")
        .header("x-ms-error-code", code)
        .body(body)
}

/// The headers of every response.
pub(super) fn with_common_headers(reply: Reply, state: &mut State, request: &Recorded) -> Reply {
    let version = request.header("x-ms-version").unwrap_or("2009-09-19");
    let reply = reply
        .date(state.now())
        .header("Server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0")
        .header("x-ms-request-id", state.new_request_id())
        .header("x-ms-version", version);
    match request.header("x-ms-client-request-id") {
        Some(id) => reply.header("x-ms-client-request-id", id),
        None => reply,
    }
}

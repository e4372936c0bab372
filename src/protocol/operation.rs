//! What every operation has in common, and how one becomes a request.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::endpoint::encode_query;
use super::{AccountKey, Answer, ApiVersion, ContainerName, Endpoint, SasToken, sign};
use crate::container::{CallContext, Condition};
use crate::error::{Error, ErrorKind, Result};

/// Names, lower case and unique, and values, not encoded.
pub(super) type Query<'a> = Vec<(&'static str, &'a str)>;

const VERSION: HeaderName = HeaderName::from_static("x-ms-version");
const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// One operation of the Blob service: what is sent, and how the answer is read.
pub(crate) trait Operation {
    /// What the answer says.
    type Output;

    /// The name in the REST reference, for logs and errors.
    fn name(&self) -> &'static str;

    fn method(&self) -> Method;

    /// The blob; `None` if it is about the container.
    fn blob(&self) -> Option<&str>;

    fn context(&self) -> CallContext<'_>;

    /// Whether it changes what is stored, so that a lost answer leaves its outcome unknown.
    fn is_write(&self) -> bool {
        true
    }

    /// Whether a lagging secondary may answer.
    fn allow_secondary(&self) -> bool {
        false
    }

    /// Whether only the secondary can answer, because it began the list.
    fn only_secondary(&self) -> bool {
        false
    }

    /// Whether a failure is an answer that the caller asked for, so that it deserves no warning.
    fn is_expected(&self, failure: ErrorKind) -> bool {
        matches!(
            failure,
            ErrorKind::ConditionNotMet
                | ErrorKind::BlobNotFound
                | ErrorKind::ContainerAlreadyExists
        )
    }

    fn query<'a>(&'a self, _query: &mut Query<'a>) {}

    /// The headers of this operation alone.
    ///
    /// # Errors
    ///
    /// A value that no header can carry.
    fn headers(&self, _headers: &mut HeaderMap) -> Result<()> {
        Ok(())
    }

    /// Reads the answer to a success.
    ///
    /// # Errors
    ///
    /// The answer lacks what the REST reference promises.
    fn read(&self, answer: Answer) -> Result<Self::Output>;
}

/// How a request proves who sends it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authorization<'a> {
    Anonymous,
    SharedKey(&'a AccountKey),
    Sas(&'a SasToken),
    /// A whole `Authorization` value.
    Bearer(&'a HeaderValue),
}

/// What a request is built from beside the operation; new for every attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestParts<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) container: &'a ContainerName,
    pub(crate) api_version: ApiVersion,
    pub(crate) user_agent: &'a HeaderValue,
    pub(crate) authorization: Authorization<'a>,
    pub(crate) now: SystemTime,
    /// Randomness for the client request id.
    pub(crate) random: u128,
}

/// Builds the signed request for one attempt at an operation.
pub(crate) fn build<O: Operation>(
    operation: &O,
    parts: RequestParts<'_>,
) -> Result<http::Request<Bytes>> {
    let path = parts.endpoint.path(parts.container, operation.blob());
    let mut query = Query::new();
    operation.query(&mut query);

    let options = operation.context().options;
    let mut headers = HeaderMap::with_capacity(16);
    headers.extend(options.get_headers().clone());
    operation.headers(&mut headers)?;
    headers.insert(VERSION, header_value("API version", parts.api_version.as_str())?);
    headers.insert(DATE, header_value("date", &httpdate::fmt_http_date(parts.now))?);
    let request_id = match options.get_client_request_id() {
        Some(id) => id.clone(),
        None => header_value("client request id", &uuid_v4(parts.random))?,
    };
    headers.insert(CLIENT_REQUEST_ID, request_id);
    headers.insert(http::header::USER_AGENT, parts.user_agent.clone());

    let method = operation.method();
    match parts.authorization {
        Authorization::SharedKey(key) => {
            let value = sign::authorization(key, &method, &path, &query, &headers)?;
            headers.insert(AUTHORIZATION, value);
        }
        Authorization::Bearer(value) => {
            headers.insert(AUTHORIZATION, value.clone());
        }
        Authorization::Sas(_) | Authorization::Anonymous => {}
    }

    let mut request = http::Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri(parts.endpoint, path, &query, parts.authorization)?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn uri(
    endpoint: &Endpoint,
    path: String,
    query: &Query<'_>,
    authorization: Authorization<'_>,
) -> Result<Uri> {
    let mut target = path;
    let mut separator = '?';
    for (name, value) in query {
        target.push(separator);
        target.push_str(name);
        target.push('=');
        target.extend(encode_query(value));
        separator = '&';
    }
    if let Authorization::Sas(sas) = authorization {
        target.push(separator);
        target.push_str(sas.as_query());
    }
    // The target may hold a SAS, so the cause is not passed on.
    Uri::builder()
        .scheme(endpoint.scheme())
        .authority(endpoint.authority().clone())
        .path_and_query(target)
        .build()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the request has no valid URL"))
}

/// A random UUID, the customary form of a client request id.
fn uuid_v4(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

pub(super) fn header_value(what: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value)
        .map_err(|_| Error::invalid_input(format!("{what} {value:?}: no header can carry it")))
}

/// `x-ms-meta-…` headers.
pub(super) fn insert_metadata(headers: &mut HeaderMap, metadata: &[(&str, &str)]) -> Result<()> {
    for (key, value) in metadata {
        let name = HeaderName::try_from(format!("x-ms-meta-{key}")).map_err(|_| {
            Error::invalid_input(format!("metadata key {key:?}: no header can carry it"))
        })?;
        crate::model::check_header_text("metadata value", value)?;
        headers.insert(name, header_value("metadata value", value)?);
    }
    Ok(())
}

pub(super) fn insert_condition(headers: &mut HeaderMap, condition: Condition<'_>) -> Result<()> {
    match condition {
        Condition::None => {}
        Condition::NotExists => {
            headers.insert(http::header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Condition::Matches(etag) => {
            headers.insert(http::header::IF_MATCH, header_value("ETag", etag.as_str())?);
        }
    }
    Ok(())
}

/// A PUT without a body still says so: the service answers 411 to one that does not, and clients send a chunked
/// body or no header at all when left alone.
pub(super) fn insert_empty_body(headers: &mut HeaderMap) {
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_4_uuids() {
        assert_eq!(uuid_v4(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid_v4(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}

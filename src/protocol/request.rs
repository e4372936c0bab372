//! Builds the signed request for one attempt at an operation.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue, Uri};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::address::{ApiVersion, ContainerName, Endpoint, encode_query};
use crate::protocol::auth::{Authorization, sign};
use crate::protocol::date::format_date;
use crate::protocol::headers::header_value;
use crate::protocol::operation::{Operation, Query};

const VERSION: HeaderName = HeaderName::from_static("x-ms-version");
const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// The parts of a request besides the operation. They are new for each attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestParts<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) container: &'a ContainerName,
    pub(crate) api_version: ApiVersion,
    pub(crate) user_agent: &'a HeaderValue,
    pub(crate) authorization: Authorization<'a>,
    pub(crate) now: SystemTime,
    /// Random bytes for the client request id.
    pub(crate) random: u128,
}

/// Builds the signed request for one attempt at an operation.
pub(crate) fn build<O: Operation>(
    operation: &O,
    parts: RequestParts<'_>,
) -> Result<http::Request<Bytes>> {
    let path = if operation.is_about_account() {
        parts.endpoint.account_path()
    } else {
        parts.endpoint.path(parts.container, operation.blob())
    };
    let mut query = Query::new();
    operation.query(&mut query);

    let options = operation.context().options;
    let mut headers = HeaderMap::with_capacity(16);
    headers.extend(options.headers().clone());
    operation.headers(&mut headers)?;
    headers.insert(VERSION, header_value("API version", parts.api_version.as_str())?);
    let date = format_date(parts.now).ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            "the clock of this machine is before 1970 or after 9999, so requests cannot be dated: set the clock",
        )
    })?;
    headers.insert(DATE, header_value("date", &date)?);
    let request_id = match options.client_request_id() {
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
    // The target may contain a SAS, so the cause is not included.
    Uri::builder()
        .scheme(endpoint.scheme())
        .authority(endpoint.authority().clone())
        .path_and_query(target)
        .build()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, "the URL of the request is not valid"))
}

/// Returns a random UUID, the usual form of a client request id.
fn uuid_v4(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    )
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

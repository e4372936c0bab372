//! Headers that several operations send.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::container::Condition;
use crate::error::{Error, Result};

pub(super) fn header_value(what: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|_| {
        let shown = crate::model::shown(value);
        Error::invalid_input(format!("{what}{shown}: it cannot be sent in a header"))
    })
}

/// `x-ms-meta-…` headers.
pub(super) fn insert_metadata(headers: &mut HeaderMap, metadata: &[(&str, &str)]) -> Result<()> {
    for (key, value) in metadata {
        let name = HeaderName::try_from(format!("x-ms-meta-{key}")).map_err(|_| {
            let shown = crate::model::shown(key);
            Error::invalid_input(format!("metadata key{shown}: it cannot be sent in a header"))
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

/// A PUT without a body needs an explicit `Content-Length: 0`. The service responds to a missing length with 411, and some
/// clients send a chunked body or no header by default.
pub(super) fn insert_empty_body(headers: &mut HeaderMap) {
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
}

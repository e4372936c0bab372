//! [SharedKey](https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key) signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method};

use super::AccountKey;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::operation::Query;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The standard headers of the string-to-sign in their order; `None` is the date, which is always empty
/// because `x-ms-date` is sent.
static SIGNED: [Option<HeaderName>; 11] = [
    Some(CONTENT_ENCODING),
    Some(CONTENT_LANGUAGE),
    Some(CONTENT_LENGTH),
    Some(CONTENT_MD5),
    Some(CONTENT_TYPE),
    None,
    Some(IF_MODIFIED_SINCE),
    Some(IF_MATCH),
    Some(IF_NONE_MATCH),
    Some(IF_UNMODIFIED_SINCE),
    Some(RANGE),
];

/// Returns the value of the `Authorization` header. `path` and `headers` must be exactly what is sent.
pub(in crate::protocol) fn authorization(
    key: &AccountKey,
    method: &Method,
    path: &str,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Result<HeaderValue> {
    let signed = string_to_sign(key.account_name(), method, path, query, headers);
    let mac = key.mac().chain_update(signed).finalize().into_bytes();
    let mut value = String::with_capacity(96);
    value.extend(["SharedKey ", key.account_name(), ":"]);
    STANDARD.encode_string(mac, &mut value);
    let mut value = HeaderValue::try_from(value).map_err(|error| {
        Error::new(ErrorKind::Other, "the signature is not a valid header value").with_source(error)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Assembles the string-to-sign. One update of the HMAC is cheaper than one for each part, and so is one pass over the
/// headers than a lookup for each name.
fn string_to_sign(
    account: &str,
    method: &Method,
    path: &str,
    query: &Query<'_>,
    headers: &HeaderMap,
) -> Vec<u8> {
    let mut standard: [Option<&HeaderValue>; 11] = [None; 11];
    let mut ms = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        if name.as_str().starts_with("x-ms-") {
            ms.push((name.as_str(), value.as_bytes()));
        } else if let Some(place) = SIGNED.iter().position(|signed| signed.as_ref() == Some(name)) {
            // Since version 2015-02-21, a length of 0 is signed as an empty string.
            let empty = *name == CONTENT_LENGTH && value.as_bytes() == b"0";
            standard[place] = (!empty).then_some(value);
        }
    }
    ms.sort_unstable_by_key(|(name, _)| *name);

    let mut text = Vec::with_capacity(512);
    let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
    push(&[method.as_str().as_bytes(), b"\n"]);
    for value in standard {
        push(&[value.map_or(&[], HeaderValue::as_bytes), b"\n"]);
    }
    for (name, value) in ms {
        push(&[name.as_bytes(), b":", value, b"\n"]);
    }
    push(&[b"/", account.as_bytes(), path.as_bytes()]);
    // The names of a query are lower case and unique here.
    let mut pairs: Vec<_> = query.iter().collect();
    pairs.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in pairs {
        push(&[b"\n", name.as_bytes(), b":", value.as_bytes()]);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    const EMULATOR_KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Signatures that the Python client made; the file contains their inputs.
    fn vectors() -> Vec<Value> {
        let text = include_str!("../../../tests/vectors/sharedkey.json");
        let file: Value = serde_json::from_str(text).expect("vectors");
        file["vectors"].as_array().expect("a list").clone()
    }

    fn text<'a>(value: &'a Value, key: &str) -> &'a str {
        value[key].as_str().expect(key)
    }

    #[test]
    fn signatures_of_the_python_client() {
        let key = AccountKey::new("acct", EMULATOR_KEY).unwrap();
        let vectors = vectors();
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let url = text(&vector, "url").strip_prefix("https://acct.blob.core.windows.net");
            let (path, query) = url.unwrap().split_once('?').unwrap_or((url.unwrap(), ""));
            let decode = |text: &str| {
                percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
            };
            let pairs: BTreeMap<&'static str, String> = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (&*name.to_owned().leak(), decode(value)))
                .collect();
            let query: Query<'_> =
                pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let mut headers = HeaderMap::new();
            for (name, value) in vector["headers"].as_object().unwrap() {
                let name: HeaderName = name.parse().unwrap();
                headers.insert(name, value.as_str().unwrap().parse().unwrap());
            }
            let method: Method = text(&vector, "method").parse().unwrap();

            let signed = string_to_sign("acct", &method, path, &query, &headers);
            assert_eq!(String::from_utf8(signed).unwrap(), text(&vector, "string_to_sign"));
            let value = authorization(&key, &method, path, &query, &headers).unwrap();
            assert_eq!(value, text(&vector, "authorization"));
            assert!(value.is_sensitive() && !format!("{value:?}").contains("SharedKey"));
        }
    }
}

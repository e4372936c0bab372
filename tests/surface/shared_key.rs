//! SharedKey checked from the bytes on the wire, by the REST reference and without the crate's signer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::support::loopback::{Recorded, percent_decode};

const STANDARD_HEADERS: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Whether a request is signed by this account with this key.
pub fn is_signed(request: &Recorded, account: &str, key: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(string_to_sign(request, account).as_bytes());
    let expected = format!("SharedKey {account}:{}", STANDARD.encode(mac.finalize().into_bytes()));
    request.header("authorization") == Some(expected.as_str())
}

fn string_to_sign(request: &Recorded, account: &str) -> String {
    let mut lines = vec![request.method.clone()];
    for name in STANDARD_HEADERS {
        let value = request.header(name).unwrap_or_default();
        let is_empty_body = name == "content-length" && value == "0";
        lines.push(if is_empty_body { String::new() } else { value.to_owned() });
    }
    let mut ms: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{}:{value}", name.to_ascii_lowercase()))
        .filter(|line| line.starts_with("x-ms-"))
        .collect();
    ms.sort();
    lines.extend(ms);
    lines.push(format!("/{account}{}", request.path()));
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs: Vec<String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| format!("{}:{}", name.to_ascii_lowercase(), percent_decode(value)))
        .collect();
    pairs.sort();
    lines.extend(pairs);
    lines.join("\n")
}

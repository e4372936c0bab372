//! `If-Match` and `If-None-Match`.

use super::super::loopback::Recorded;
use super::response::Refusal;
use super::state::Blob;

/// Judges the conditions of a request that may create the blob.
pub(super) fn check_for_put(request: &Recorded, blob: Option<&Blob>) -> Result<(), Refusal> {
    refuse_unsupported(request)?;
    match blob {
        Some(_) if request.header("if-none-match") == Some("*") => {
            Err(Refusal::BLOB_ALREADY_EXISTS)
        }
        Some(blob) => check(request, blob),
        None if request.header("if-match").is_some() => Err(Refusal::CONDITION_NOT_MET),
        None => Ok(()),
    }
}

/// Judges the conditions of a request to a blob that exists.
pub(super) fn check(request: &Recorded, blob: &Blob) -> Result<(), Refusal> {
    refuse_unsupported(request)?;
    let fails_match = request.header("if-match").is_some_and(|condition| !names(condition, blob));
    let fails_none_match =
        request.header("if-none-match").is_some_and(|condition| names(condition, blob));
    match request.method.as_str() {
        _ if fails_match => Err(Refusal::CONDITION_NOT_MET),
        "GET" | "HEAD" if fails_none_match => Err(Refusal::NOT_MODIFIED),
        _ if fails_none_match => Err(Refusal::CONDITION_NOT_MET),
        _ => Ok(()),
    }
}

fn refuse_unsupported(request: &Recorded) -> Result<(), Refusal> {
    let unsupported = ["if-modified-since", "if-unmodified-since", "range"];
    match unsupported.iter().find(|name| request.header(name).is_some()) {
        Some(_) => Err(Refusal::NOT_IMPLEMENTED),
        None => Ok(()),
    }
}

/// The service takes ETags with quotes and without.
fn names(condition: &str, blob: &Blob) -> bool {
    condition == "*" || condition.trim_matches('"') == blob.etag
}

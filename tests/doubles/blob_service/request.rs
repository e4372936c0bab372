//! The operation that a request asks for, in the service's terms.

use super::super::loopback::{Recorded, percent_decode};
use super::response::Refusal;

/// The service's own limit for the names and values of one blob.
const MAX_METADATA: usize = 8 * 1024;

/// A container, and a blob in it unless the name is empty.
pub(super) struct Target {
    pub(super) container: String,
    pub(super) blob: Option<String>,
}

impl Target {
    pub(super) fn of(request: &Recorded, account: Option<&str>) -> Result<Self, Refusal> {
        let path = request.path().strip_prefix('/').ok_or(Refusal::INVALID_URI)?;
        let path = match account {
            None => path,
            Some(account) => path
                .strip_prefix(account)
                .and_then(|rest| rest.strip_prefix('/'))
                .ok_or(Refusal::INVALID_URI)?,
        };
        let (container, blob) = path.split_once('/').unwrap_or((path, ""));
        if container.is_empty() {
            return Err(Refusal::INVALID_URI);
        }
        Ok(Self {
            container: percent_decode(container),
            blob: (!blob.is_empty()).then(|| percent_decode(blob)),
        })
    }
}

/// Whether it goes to the root of the account.
pub(super) fn is_about_account(request: &Recorded, account: Option<&str>) -> bool {
    match account {
        None => request.path() == "/",
        Some(account) => request.path().trim_matches('/') == account,
    }
}

/// The checks of the service before it looks at the operation.
pub(super) fn check_required_headers(request: &Recorded) -> Result<(), Refusal> {
    // A request without a signature needs no date.
    let lacks_date =
        request.header("x-ms-date").is_none() && request.header("authorization").is_some();
    if request.header("x-ms-version").is_none() || lacks_date {
        return Err(Refusal::MISSING_REQUIRED_HEADER);
    }
    let has_length = request.header("content-length").is_some() && !request.is_chunked();
    if request.method == "PUT" && !has_length {
        return Err(Refusal::MISSING_CONTENT_LENGTH);
    }
    Ok(())
}

/// The metadata headers. The service joins the values of a name that comes twice.
pub(super) fn metadata(request: &Recorded) -> Result<Vec<(String, String)>, Refusal> {
    let mut metadata: Vec<(String, String)> = Vec::new();
    for (header, value) in &request.headers {
        let Some(key) = metadata_key(header) else {
            continue;
        };
        let earlier = metadata.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key));
        match earlier {
            Some((_, joined)) => joined.extend([",", value]),
            None => metadata.push((key.to_owned(), value.clone())),
        }
    }
    check_metadata(&metadata).map(|()| metadata)
}

fn metadata_key(header: &str) -> Option<&str> {
    let (prefix, key) = header.split_at_checked("x-ms-meta-".len())?;
    prefix.eq_ignore_ascii_case("x-ms-meta-").then_some(key)
}

fn check_metadata(metadata: &[(String, String)]) -> Result<(), Refusal> {
    let size: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if metadata.iter().any(|(key, _)| key.is_empty()) {
        Err(Refusal::EMPTY_METADATA_KEY)
    } else if !metadata.iter().all(|(key, value)| is_identifier(key) && value.is_ascii()) {
        Err(Refusal::INVALID_METADATA)
    } else if size > MAX_METADATA {
        Err(Refusal::METADATA_TOO_LARGE)
    } else {
        Ok(())
    }
}

/// Metadata names are C# identifiers; as headers only the ASCII ones can be sent.
pub(super) fn is_identifier(key: &str) -> bool {
    let starts_well = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts_well && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

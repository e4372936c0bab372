//! The rules that every name and every stored text must keep.

use crate::error::{Error, Result};

/// Together with the slashes and `checkpoint` these stay below the 1,024 characters of a blob name.
pub(super) const MAX_NAME: usize = 256;
const MAX_PARTITION_ID: usize = 128;
/// All metadata of a blob together may have 8 KiB.
const MAX_HEADER_TEXT: usize = 4096;

/// Refuses what cannot be one segment of a blob name.
///
/// `.` and `..` are removed by URL libraries, so a request would reach another blob.
pub(super) fn check_name_part(what: &str, value: &str, max: usize) -> Result<()> {
    // What most of them are, a list's partition ids above all, is seen in one pass.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=max).contains(&value.len()) && value.bytes().all(is_plain) {
        return Ok(());
    }
    let fault = if value.is_empty() {
        "it must not be empty"
    } else if value == "." || value == ".." {
        "URLs drop the segments '.' and '..'"
    } else if value.contains(['/', '\\']) {
        "it must not contain '/' or '\\'"
    } else if value.chars().any(char::is_control) {
        "it must not contain control characters"
    } else if value.chars().count() > max {
        return Err(Error::invalid_input(format!(
            "{what}{} is longer than {max} characters",
            shown(value)
        )));
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("{what}{}: {fault}", shown(value))))
}

/// Whether a request can name it as one segment of a blob name.
pub(crate) fn is_name_part(value: &str) -> bool {
    check_name_part("name", value, MAX_NAME).is_ok()
}

/// A value, unless it may be a connection string, which has a key.
fn shown(value: &str) -> String {
    if value.contains('=') { String::new() } else { format!(" {value:?}") }
}

pub(crate) fn check_partition_id(partition_id: &str) -> Result<()> {
    check_name_part("partition id", partition_id, MAX_PARTITION_ID)
}

/// Refuses what a metadata header cannot carry unchanged: HTTP trims blanks at the ends, and the
/// service takes [ASCII](https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources) only.
pub(crate) fn check_header_text(what: &str, value: &str) -> Result<()> {
    let fault = if !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        "only printable ASCII can be stored"
    } else if value.starts_with(' ') || value.ends_with(' ') {
        "blanks at the ends would be lost"
    } else if value.len() > MAX_HEADER_TEXT {
        return Err(Error::invalid_input(format!(
            "{what} has {} bytes, more than the {MAX_HEADER_TEXT} that are allowed",
            value.len()
        )));
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("{what} {value:?}: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_reach_another_blob_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(257)] {
            let error = check_name_part("hub", name, MAX_NAME).expect_err(name);
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
        let error = check_name_part("hub", "Endpoint=sb://a/;SharedAccessKey=secret", MAX_NAME);
        let error = error.expect_err("a connection string is no name").to_string();
        assert!(!error.contains("secret"), "{error}");
        for name in ["$Default", "a.b-c_d", "...", "ns.servicebus.windows.net:5671", "ünï"] {
            assert!(check_name_part("hub", name, MAX_NAME).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn texts_that_a_header_would_change_are_refused() {
        for text in ["a\r\nb", "a\0", " a", "a ", "é", "\t", &"x".repeat(4097)] {
            let error = check_header_text("owner id", text).expect_err(text);
            assert!(error.to_string().contains("owner id"), "{error}");
        }
        for text in ["", "a b", "2:-1:-1", "no offset", "~!@#$%^&*()"] {
            assert!(check_header_text("owner id", text).is_ok(), "{text:?}");
        }
    }
}

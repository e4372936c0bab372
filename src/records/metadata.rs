//! The metadata of records: written strictly, read leniently.
//!
//! Each variant that other writers are known to have stored has a test here or in the suite.

use crate::model::{SkipReason, means_no_number, means_no_offset};

/// The keys as this crate writes them. Reading ignores ASCII case, because the service may keep or change it, and C++
/// writes `ownerId`.
pub(crate) const OWNER_ID: &str = "ownerid";
pub(crate) const OFFSET: &str = "offset";
pub(crate) const SEQUENCE_NUMBER: &str = "sequencenumber";
const IS_FOLDER: &str = "hdi_isfolder";

/// Returns the value of a key, usually in the same case as written. Of keys that differ only in case, the last one counts.
#[inline]
fn value<'a, K, V>(metadata: &'a [(K, V)], key: &str) -> Option<&'a str>
where
    K: AsRef<str>,
    V: AsRef<str>,
{
    metadata
        .iter()
        .rev()
        .find(|(name, _)| name.as_ref() == key || name.as_ref().eq_ignore_ascii_case(key))
        .map(|(_, value)| value.as_ref())
}

/// Like [`str::trim`], but with a fast path if there is nothing to trim.
#[inline]
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Returns whether the blob marks a directory in an account with a hierarchical namespace.
pub(crate) fn is_directory<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> bool {
    value(metadata, IS_FOLDER).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Returns the owner of a record. Missing and empty both mean nobody.
pub(crate) fn read_owner<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> Option<&str> {
    value(metadata, OWNER_ID).map(trim).filter(|owner_id| !owner_id.is_empty())
}

/// A stored position, as far as it is readable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Position<'a> {
    pub(crate) offset: Option<&'a str>,
    pub(crate) sequence_number: Option<i64>,
    /// Whether there is a sequence number that is not a 64-bit integer.
    pub(crate) invalid_sequence_number: bool,
}

impl Position<'_> {
    /// Returns its defect if it was only read in part.
    pub(crate) fn defect(&self) -> Option<SkipReason> {
        self.invalid_sequence_number.then_some(SkipReason::InvalidSequenceNumber)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.offset.is_none() && self.sequence_number.is_none()
    }
}

pub(crate) fn read_position<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> Position<'_> {
    let offset = value(metadata, OFFSET).map(trim).filter(|text| !means_no_offset(text));
    let text = value(metadata, SEQUENCE_NUMBER).map(trim).filter(|text| !means_no_number(text));
    let parsed = text.map(str::parse::<i64>);
    Position {
        offset,
        sequence_number: parsed.clone().and_then(Result::ok).filter(|number| *number != i64::MIN),
        invalid_sequence_number: matches!(parsed, Some(Err(_))),
    }
}

/// Returns the complete metadata of an ownership record, because Set Blob Metadata replaces all metadata.
pub(crate) fn write_owner(owner_id: Option<&str>) -> [(&'static str, &str); 1] {
    [(OWNER_ID, owner_id.unwrap_or_default())]
}

/// Returns the metadata of a checkpoint. An unknown value is written as an empty text, as .NET does.
pub(crate) fn write_position<'a>(
    offset: Option<&'a str>,
    sequence_number: &'a str,
) -> [(&'static str, &'a str); 2] {
    [(OFFSET, offset.unwrap_or_default()), (SEQUENCE_NUMBER, sequence_number)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(offset: Option<&'static str>, sequence_number: Option<i64>) -> Position<'static> {
        Position { offset, sequence_number, invalid_sequence_number: false }
    }

    #[test]
    fn positions_that_others_wrote() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(read_position(&none), position(None, None));
        for text in ["", " ", "no offset", "No Offset", "None"] {
            let metadata = [("offset", text), ("sequencenumber", "7")];
            assert_eq!(read_position(&metadata), position(None, Some(7)), "{text:?}");
        }
        for text in ["", "None", "-9223372036854775808"] {
            let metadata = [("Offset", "1"), ("SequenceNumber", text)];
            assert_eq!(read_position(&metadata), position(Some("1"), None), "{text:?}");
        }
        for offset in ["-1", "0", "2:-1:-1", "@latest"] {
            let metadata = [("offset", offset), ("sequencenumber", "0")];
            assert_eq!(read_position(&metadata), position(Some(offset), Some(0)));
        }
    }

    #[test]
    fn a_sequence_number_that_is_none_is_told_apart() {
        for text in ["x", "1.5", "9223372036854775808", "1 2", "no offset"] {
            let metadata = [("offset", "1"), ("sequencenumber", text)];
            let read = read_position(&metadata);
            assert!(read.invalid_sequence_number && read.sequence_number.is_none(), "{text}");
        }
    }

    #[test]
    fn owners_that_others_wrote() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(read_owner(&none), None);
        assert_eq!(read_owner(&[("ownerid", "")]), None);
        assert_eq!(read_owner(&[("ownerId", "a")]), Some("a"));
        assert_eq!(read_owner(&[("ownerid", "a"), ("OwnerId", "b")]), Some("b"));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(read_owner(&write_owner(Some("me"))), Some("me"));
        assert_eq!(read_owner(&write_owner(None)), None);
        assert_eq!(read_position(&write_position(Some("5"), "6")), position(Some("5"), Some(6)));
        assert_eq!(read_position(&write_position(None, "6")), position(None, Some(6)));
    }

    proptest! {
        #[test]
        fn trimming_is_that_of_the_standard_library(text in "[ a\u{a0}\t]{0,4}") {
            prop_assert_eq!(trim(&text), text.trim());
        }
    }

    #[test]
    fn directory_markers() {
        assert!(is_directory(&[("hdi_isfolder", "True")]));
        assert!(!is_directory(&[("hdi_isfolder", "false")]));
    }
}

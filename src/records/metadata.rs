//! Reads the metadata of any record.

const IS_FOLDER: &str = "hdi_isfolder";

/// The value under a key. Keys are compared without regard to ASCII case: the service may keep or change it, and C++
/// writes `ownerId`. An exact match is by far the most common. Of keys that differ only in case, the last one is used.
#[inline]
pub(super) fn value<'a, K, V>(metadata: &'a [(K, V)], key: &str) -> Option<&'a str>
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
pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Returns whether the blob marks a directory in an account with a hierarchical namespace.
pub(super) fn is_directory<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> bool {
    value(metadata, IS_FOLDER).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

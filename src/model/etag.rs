//! The version of a blob.

use std::fmt;

use super::check::{check_header_text, shown};
use super::text::Text;
use crate::error::{Error, Result};

/// The version of a blob: an opaque value that the service assigns.
///
/// The service sends it with quotes in the response to a write, and without quotes in a list. Both forms give the same
/// value.
///
/// ```
/// use eventhub_checkpointstore::ETag;
///
/// assert_eq!(ETag::new("0x8DE29A5B1C3D0F1")?, ETag::new("\"0x8DE29A5B1C3D0F1\"")?);
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct ETag(Text);

impl ETag {
    /// Parses an ETag in either form.
    ///
    /// ```
    /// use eventhub_checkpointstore::ETag;
    ///
    /// assert_eq!(ETag::new("0x8DE29A5B1C3D0F1")?.as_str(), "\"0x8DE29A5B1C3D0F1\"");
    /// assert!(ETag::new("*").is_err(), "it matches every version");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty, `*`, or cannot be used in an
    /// `If-Match` header.
    pub fn new(value: impl AsRef<str>) -> Result<Self> {
        let value = value.as_ref();
        if is_bare(value) {
            return Ok(Self::quoted(value));
        }
        Self::checked(value.trim())
    }

    /// Like [`new`](Self::new), for lists. Moving a `Result` costs more than making its content: 8 % of the time of a list.
    #[inline]
    pub(crate) fn listed(text: &str) -> Option<Self> {
        if is_bare(text) { Some(Self::quoted(text)) } else { Self::new(text).ok() }
    }

    fn checked(value: &str) -> Result<Self> {
        check_header_text("ETag", value)?;
        // `*` would match every version, so a conditional write would lose its condition.
        if matches!(value, "" | "\"\"" | "*") {
            return Err(Error::invalid_input(format!(
                "ETag{}: it must identify one version",
                shown(value)
            )));
        }
        let opaque = value.strip_prefix("W/").unwrap_or(value);
        let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if inner.is_some_and(|inner| !inner.is_empty() && !inner.contains('"')) {
            return Ok(Self(value.into()));
        }
        if value.contains('"') {
            return Err(Error::invalid_input(format!(
                "ETag{}: quotes are only allowed around the whole value",
                shown(value)
            )));
        }
        Ok(Self::quoted(value))
    }

    #[inline]
    fn quoted(bare: &str) -> Self {
        Self(Text::joined(["\"", bare, "\""]))
    }

    /// Formats a counter as a version, in the form of the service.
    pub(crate) fn numbered(number: u64) -> Self {
        Self(format!("\"0x{number:015X}\"").into())
    }

    /// Returns the quoted form, as in `ETag` and `If-Match` headers.
    ///
    /// ```
    /// use eventhub_checkpointstore::ETag;
    ///
    /// assert_eq!(ETag::new("0x1")?.as_str(), "\"0x1\"");
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the form in lists, which have one for each blob. It looks at every byte without an early exit, so the compiler
/// can vectorize the loop.
#[inline]
fn is_bare(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && value.bytes().fold(true, |ok, byte| ok & byte.is_ascii_alphanumeric())
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ETag({})", self.0)
    }
}

impl TryFrom<String> for ETag {
    type Error = Error;

    fn try_from(value: String) -> Result<Self> {
        Self::new(value)
    }
}

impl From<ETag> for String {
    fn from(etag: ETag) -> Self {
        etag.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one_value() {
        for form in ["0x1", "\"0x1\"", " 0x1 "] {
            assert_eq!(ETag::new(form).expect(form).as_str(), "\"0x1\"");
        }
        assert_eq!(ETag::new("W/\"1\"").expect("weak").as_str(), "W/\"1\"");
    }

    #[test]
    fn etags_that_name_no_single_version_are_refused() {
        for form in [
            "",
            "*",
            "\"",
            "\"\"",
            "W/\"\"",
            "a\"b",
            "\"a",
            "\"a\", \"b\"",
            "\"a\", W/\"b\"",
            "a\r\nb",
            "é",
        ] {
            assert!(ETag::new(form).is_err(), "{form:?}");
        }
    }
}

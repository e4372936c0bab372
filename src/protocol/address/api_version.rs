//! The version of the REST protocol.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The version of the REST protocol, sent as `x-ms-version`.
///
/// The default, 2019-07-07, is known to Azure and to Azure Stack Hub 2301 and later; earlier Azure Stack Hubs
/// need 2017-11-09. Newer versions are sent as given.
///
/// ```
/// use eventhub_checkpointstore::ApiVersion;
///
/// let version: ApiVersion = "2017-11-09".parse()?;
/// assert!(version < ApiVersion::default());
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion([u8; 10]);

const OLDEST: ApiVersion = ApiVersion(*b"2017-11-09");

impl ApiVersion {
    /// Returns the version as `YYYY-MM-DD`.
    ///
    /// ```
    /// use eventhub_checkpointstore::ApiVersion;
    ///
    /// assert_eq!(ApiVersion::default().as_str(), "2019-07-07");
    /// ```
    pub fn as_str(&self) -> &str {
        // The constructor accepts only digits and hyphens.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self(*b"2019-07-07")
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is not a date `YYYY-MM-DD`, or is before
    /// 2017-11-09.
    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            Error::invalid_input(format!(
                "API version{}: a date YYYY-MM-DD from {OLDEST} on is allowed",
                crate::model::shown(text)
            ))
        };
        let bytes: [u8; 10] = text.as_bytes().try_into().map_err(|_| refused())?;
        let shape = bytes.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        let version = Self(bytes);
        let in_range = shape
            && (b"01"..=b"12").contains(&&[bytes[5], bytes[6]])
            && (b"01"..=b"31").contains(&&[bytes[8], bytes[9]]);
        if in_range && version >= OLDEST { Ok(version) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_that_the_store_can_speak() {
        for text in ["2017-11-09", "2019-07-07", "2026-02-06"] {
            assert_eq!(text.parse::<ApiVersion>().unwrap().as_str(), text);
        }
        for text in [
            "2017-11-08",
            "2019-7-7",
            "latest",
            "",
            "2019-13-01",
            "2019-00-01",
            "2019-01-32",
            "2019/07/07",
        ] {
            let error = text.parse::<ApiVersion>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}

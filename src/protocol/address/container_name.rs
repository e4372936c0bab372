//! The name of a container.

use crate::error::{Error, Result};
use crate::model::may_be_secret;

/// The name of a container, checked by
/// [the service's rules](https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerName(Box<str>);

impl ContainerName {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let fault = if name == "$root" {
            "blobs of the root container cannot have '/' in their names"
        } else if !(3..=63).contains(&name.len()) {
            "3 to 63 characters are allowed"
        } else if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            "lower-case letters, digits and hyphens are allowed"
        } else if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
            "every hyphen must be between letters or digits"
        } else {
            return Ok(Self(name.into()));
        };
        // Text that does not look like a name may be a secret in the wrong place.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_plain = name.len() <= 63 && name.bytes().all(plain) && !may_be_secret(name);
        let shown = if is_plain { format!(" {name:?}") } else { String::new() };
        Err(Error::invalid_input(format!("container name{shown}: {fault}")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_service() {
        for name in ["abc", "a-b", "0-1-2", &"x".repeat(63)] {
            assert!(ContainerName::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a--b",
            "a/b",
            "a.b",
            "$root",
            "äöü",
            &"x".repeat(64),
        ] {
            assert!(ContainerName::new(name).is_err(), "{name}");
        }
        let named = |name: &str| ContainerName::new(name).unwrap_err().to_string().contains(name);
        assert!(named("Wrong_Name") && named("a--b"));
        assert!(!named("AccountName=a;AccountKey=x") && !named("sv=1&sig=x") && !named("S0VZ/+=="));
    }
}

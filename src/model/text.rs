//! Short texts of records.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use arrayvec::ArrayString;

/// Partition ids, offsets, and ETags with their quotes are shorter.
const SHORT: usize = 24;

/// A text that is cheap to create if short, as in records, and cheap to clone if long.
#[derive(Clone)]
pub(crate) enum Text {
    Short(ArrayString<SHORT>),
    Long(Arc<str>),
}

impl Text {
    /// The parts as one text.
    #[inline]
    pub(super) fn joined<const N: usize>(parts: [&str; N]) -> Self {
        let mut short = ArrayString::new();
        if parts.iter().all(|part| short.try_push_str(part).is_ok()) {
            Self::Short(short)
        } else {
            Self::Long(parts.concat().into())
        }
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        match ArrayString::from(text) {
            Ok(short) => Self::Short(short),
            Err(_) => Self::Long(text.into()),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        (*text).to_owned()
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            Self::Short(text) => text,
            Self::Long(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_the_string_it_was_made_from(text in "\\PC{0,30}", other in "\\PC{0,30}") {
            let made = Text::from(text.as_str());
            prop_assert_eq!(&*made, &text);
            prop_assert_eq!(matches!(made, Text::Short(_)), text.len() <= SHORT);
            prop_assert_eq!(made == Text::from(other.clone()), text == other);
            prop_assert_eq!(&Text::joined([&text, &other]), &Text::from(text.clone() + &other));
            prop_assert_eq!(format!("{made} {made:?}"), format!("{text} {text:?}"));
            prop_assert_eq!(String::from(made.clone()), text);
        }
    }
}

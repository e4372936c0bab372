//! The result of decoding a record.

use crate::model::SkipReason;

/// A record as far as it is readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded<T> {
    /// All of it is readable.
    Whole(T),
    /// It is read in part; the reason says what is left out.
    Repaired(T, SkipReason),
    /// It is not readable.
    Skipped(SkipReason),
}

impl<T> Decoded<T> {
    #[inline]
    pub(crate) fn map<U>(self, with: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Whole(record) => Decoded::Whole(with(record)),
            Self::Repaired(record, reason) => Decoded::Repaired(with(record), reason),
            Self::Skipped(reason) => Decoded::Skipped(reason),
        }
    }

    pub(crate) fn record(&self) -> Option<&T> {
        match self {
            Self::Whole(record) | Self::Repaired(record, _) => Some(record),
            Self::Skipped(_) => None,
        }
    }

    pub(crate) fn into_record(self) -> Option<T> {
        match self {
            Self::Whole(record) | Self::Repaired(record, _) => Some(record),
            Self::Skipped(_) => None,
        }
    }

    /// Why it is not readable as it is.
    pub(crate) fn defect(&self) -> Option<SkipReason> {
        match self {
            Self::Whole(_) => None,
            Self::Repaired(_, reason) | Self::Skipped(reason) => Some(*reason),
        }
    }
}

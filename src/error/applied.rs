//! Whether a write was applied.

/// Whether a write was applied, as far as the caller can know.
///
/// ```
/// use eventhub_checkpointstore::{Applied, Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Network, "the tunnel is down").with_applied(Applied::Unknown);
/// assert!(error.is_outcome_unknown());
/// assert_eq!(error.applied(), Applied::Unknown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Applied {
    /// The write was applied.
    Yes,
    /// The write was not applied, or nothing was to be written.
    #[default]
    No,
    /// A request was sent, and no response says whether it was applied.
    Unknown,
}

impl Applied {
    /// Returns [`Unknown`](Self::Unknown) if the write may have been applied, otherwise [`No`](Self::No).
    ///
    /// ```
    /// use eventhub_checkpointstore::Applied;
    ///
    /// assert_eq!(Applied::unknown_if(true), Applied::Unknown);
    /// assert_eq!(Applied::unknown_if(false), Applied::No);
    /// ```
    #[must_use]
    pub fn unknown_if(is_unknown: bool) -> Self {
        if is_unknown { Self::Unknown } else { Self::No }
    }

    /// Returns whether it is unknown if the write was applied.
    ///
    /// ```
    /// use eventhub_checkpointstore::Applied;
    ///
    /// assert!(Applied::Unknown.is_unknown() && !Applied::Yes.is_unknown());
    /// ```
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self == Self::Unknown
    }

    /// Combines the outcomes of several attempts at one write: an applied attempt decides, and an unknown outcome stays
    /// unknown.
    ///
    /// ```
    /// use eventhub_checkpointstore::Applied;
    ///
    /// assert_eq!(Applied::No.or(Applied::Unknown), Applied::Unknown);
    /// assert_eq!(Applied::Unknown.or(Applied::No), Applied::Unknown);
    /// assert_eq!(Applied::Unknown.or(Applied::Yes), Applied::Yes);
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }
}

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
    /// [`Unknown`](Self::Unknown) if the write may have been applied, else [`No`](Self::No).
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

    /// Whether it is unknown if the write was applied.
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

    /// The outcome of several attempts at one write: one that was applied decides, and a doubt stays.
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

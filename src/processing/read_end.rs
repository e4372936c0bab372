//! Why a reader has no more events.

use std::fmt;

use crate::error::Error;

/// Why a [`PartitionReader`](crate::checkpointstoreblob_aio::PartitionReader) ended.
///
/// A broken link or connection is not a reason, because the reader restores it by itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadEnd {
    /// Another reader of the group took the partition with its owner level. Do not reconnect. Contains the service's
    /// message.
    Displaced(String),
    /// The reader or its source was closed.
    Closed,
    /// The position no longer exists: the events after it have expired, or the partition was recreated.
    PositionLost(String),
    /// Reading cannot continue, for example because access was revoked or the event hub was deleted.
    Failed(Error),
}

impl fmt::Display for ReadEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Displaced(reason) => write!(f, "another reader took the partition: {reason}"),
            Self::Closed => f.write_str("the reader is closed"),
            Self::PositionLost(reason) => write!(f, "the position no longer exists: {reason}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadEnd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

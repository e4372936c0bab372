//! Why a reader gives no more events.

use std::fmt;

use crate::error::Error;

/// Why a [`PartitionReader`](crate::checkpointstoreblob_aio::PartitionReader) ended.
///
/// A broken link or connection is not among these: the reader heals them itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadEnd {
    /// Another reader of the group took the partition, by its owner level. Do not reconnect; the text is the service's.
    Displaced(String),
    /// The reader was closed, or the source it belongs to.
    Closed,
    /// The position no longer exists: the events behind it have expired, or the partition was created anew.
    PositionLost(String),
    /// It cannot go on: access was revoked, the event hub was deleted.
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

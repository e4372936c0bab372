//! Why a partition is no longer read.

use std::fmt;
use std::sync::Arc;

use super::ReadEnd;

/// Why a consumer leaves a partition.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CloseReason {
    /// The consumer stopped, or the program closed the partition.
    Stopped,
    /// The partition belongs to another consumer, or soon may. No more checkpoints are written.
    Lost(LossCause),
    /// Another consumer's checkpoint is ahead. No more checkpoints are written.
    Stale,
    /// The source has no more events.
    SourceEnded(Arc<ReadEnd>),
    /// A handler stopped the consumer.
    HandlerStopped,
}

/// How a partition was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossCause {
    /// The ownership was not renewed in time.
    Lapsed,
    /// Another consumer claimed it.
    Taken,
    /// Another reader of the consumer group took the link with its owner level.
    Displaced,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Lost(LossCause::Lapsed) => f.write_str("lost: its ownership was not renewed"),
            Self::Lost(LossCause::Taken) => f.write_str("lost: another consumer claimed it"),
            Self::Lost(LossCause::Displaced) => f.write_str("lost: another reader took the link"),
            Self::Stale => f.write_str("lost: another consumer's checkpoint is ahead"),
            Self::SourceEnded(end) => write!(f, "no more events: {end}"),
            Self::HandlerStopped => f.write_str("a handler stopped the consumer"),
        }
    }
}

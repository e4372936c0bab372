//! A position of a partition in its cheapest form.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{Checkpoint, ConsumerGroup};
use crate::processing::ReceivedEvent;

/// A position: an event, or a checkpoint.
#[derive(Clone)]
pub(crate) enum Mark {
    Event(Arc<ReceivedEvent>),
    Checkpoint(Box<Checkpoint>),
}

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.sequence_number() == other.sequence_number() && self.offset() == other.offset()
    }
}

/// Acknowledgements from several threads may arrive out of order.
impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.sequence_number(), other.sequence_number()) {
            (Some(ours), Some(theirs)) if ours != theirs => Some(ours.cmp(&theirs)),
            _ if self == other => Some(Ordering::Equal),
            // Offsets are opaque, so the later call counts as the later position.
            _ => Some(Ordering::Greater),
        }
    }
}

impl Mark {
    fn sequence_number(&self) -> Option<i64> {
        match self {
            Self::Event(event) => Some(event.sequence_number()),
            Self::Checkpoint(checkpoint) => checkpoint.sequence_number(),
        }
    }

    fn offset(&self) -> Option<&str> {
        match self {
            Self::Event(event) => event.offset(),
            Self::Checkpoint(checkpoint) => checkpoint.offset(),
        }
    }

    pub(super) fn checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Checkpoint> {
        match self {
            Self::Event(event) => event.checkpoint(group, partition_id),
            Self::Checkpoint(checkpoint) => Ok((**checkpoint).clone()),
        }
    }
}

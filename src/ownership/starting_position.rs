//! Where the reading of a partition begins.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::model::Checkpoint;

/// Where the reading of a partition begins.
///
/// ```
/// use eventhub_checkpointstore::{Checkpoint, ConsumerGroup};
/// use eventhub_checkpointstore::ownership::StartingPosition;
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let checkpoint = Checkpoint::new(&group, "0", "8589934592", 960_180)?;
/// assert_eq!(
///     StartingPosition::after(&checkpoint),
///     Some(StartingPosition::Offset { offset: "8589934592".into(), inclusive: false })
/// );
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StartingPosition {
    /// The first event that is still retained. The default, so that no event is skipped.
    #[default]
    Earliest,
    /// The first event that arrives from now on.
    Latest,
    /// An offset.
    Offset {
        /// The offset, verbatim.
        offset: String,
        /// Whether the event at the offset is also read.
        inclusive: bool,
    },
    /// A sequence number.
    SequenceNumber {
        /// The sequence number.
        sequence_number: i64,
        /// Whether the event with this number is also read.
        inclusive: bool,
    },
    /// The time at which the service enqueued an event.
    EnqueuedTime {
        /// The time, by the service's clock.
        enqueued_time: SystemTime,
        /// Whether an event of exactly this time is also read.
        inclusive: bool,
    },
}

impl StartingPosition {
    /// Returns the position after a checkpoint: by its offset, or by its sequence number if it has no offset. `None` if it
    /// has neither.
    ///
    #[doc = shared_example!("ownership/starting_position")]
    pub fn after(checkpoint: &Checkpoint) -> Option<Self> {
        if let Some(offset) = checkpoint.offset() {
            return Some(Self::Offset { offset: offset.to_owned(), inclusive: false });
        }
        let sequence_number = checkpoint.sequence_number()?;
        Some(Self::SequenceNumber { sequence_number, inclusive: false })
    }
}

/// The starting positions of partitions without a checkpoint: one for all, and others for some.
///
/// ```
/// use eventhub_checkpointstore::ownership::{StartingPosition, StartingPositions};
///
/// let positions = StartingPositions::new(StartingPosition::Latest)
///     .with_partition("3", StartingPosition::SequenceNumber { sequence_number: 100, inclusive: true });
/// assert_eq!(positions.for_partition("0"), &StartingPosition::Latest);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartingPositions {
    default: StartingPosition,
    by_partition: HashMap<String, StartingPosition>,
}

impl StartingPositions {
    /// Uses the same position for all partitions.
    ///
    #[doc = shared_example!("ownership/starting_positions")]
    pub fn new(default: StartingPosition) -> Self {
        Self { default, by_partition: HashMap::new() }
    }

    /// Sets another position for one partition.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/starting_positions"))]
    #[must_use]
    pub fn with_partition(
        mut self,
        partition_id: impl Into<String>,
        position: StartingPosition,
    ) -> Self {
        self.by_partition.insert(partition_id.into(), position);
        self
    }

    /// Returns the starting position of a partition without a checkpoint.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/starting_positions"))]
    pub fn for_partition(&self, partition_id: &str) -> &StartingPosition {
        self.by_partition.get(partition_id).unwrap_or(&self.default)
    }
}

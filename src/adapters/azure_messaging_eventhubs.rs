//! The store as a checkpoint store of the official `EventProcessor`, in the version that the feature adds.

use azure_messaging_eventhubs::{StartLocation, StartPosition};

use crate::checkpointstoreblob_aio::BlobCheckpointStore;
use crate::ownership::StartingPosition;

crate::event_processor_store!(@implement BlobCheckpointStore, |store| store, azure_messaging_eventhubs, azure_core);

/// Converts the starting position of a partition that an `OwnershipManager` won, for `OpenReceiverOptions`.
///
/// ```
/// use azure_messaging_eventhubs::{StartLocation, StartPosition};
/// use eventhub_checkpointstore::ownership::StartingPosition;
///
/// let start = StartPosition::from(StartingPosition::Offset { offset: "8589934592".into(), inclusive: false });
/// assert!(matches!(start.location, StartLocation::Offset(offset) if offset == "8589934592"));
/// assert!(!start.inclusive);
/// ```
impl From<StartingPosition> for StartPosition {
    fn from(position: StartingPosition) -> Self {
        let (location, inclusive) = match position {
            StartingPosition::Earliest => (StartLocation::Earliest, false),
            StartingPosition::Latest => (StartLocation::Latest, false),
            StartingPosition::Offset { offset, inclusive } => {
                (StartLocation::Offset(offset), inclusive)
            }
            StartingPosition::SequenceNumber { sequence_number, inclusive } => {
                (StartLocation::SequenceNumber(sequence_number), inclusive)
            }
            StartingPosition::EnqueuedTime { enqueued_time, inclusive } => {
                (StartLocation::EnqueuedTime(enqueued_time), inclusive)
            }
        };
        Self { location, inclusive }
    }
}

/// As from a value.
impl From<&StartingPosition> for StartPosition {
    fn from(position: &StartingPosition) -> Self {
        position.clone().into()
    }
}

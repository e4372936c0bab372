//! An SDK for threads that embeds the store.

/// What the SDK's users need of the store, under the SDK's own roof.
#[cfg(feature = "checkpoint-store")]
pub use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, Error, checkpointstoreblob::BlobCheckpointStore,
    checkpointstoreblob::CheckpointStore,
};

/// Resumes a partition from its checkpoint.
#[cfg(feature = "checkpoint-store")]
pub fn next_sequence_number(
    store: &dyn CheckpointStore,
    group: &ConsumerGroup,
    partition_id: &str,
) -> Result<i64, Error> {
    let checkpoint = store.get_checkpoint(group, partition_id)?;
    Ok(checkpoint.and_then(|found| found.sequence_number()).map_or(0, |number| number + 1))
}

//! An async SDK that embeds the store.

/// What the SDK's users need of the store, under the SDK's own roof.
#[cfg(feature = "checkpoint-store")]
pub use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, Error, checkpointstoreblob_aio::BlobCheckpointStore,
    checkpointstoreblob_aio::CheckpointStore,
};

/// Resumes a partition from its checkpoint.
#[cfg(feature = "checkpoint-store")]
pub async fn next_sequence_number(
    store: &dyn CheckpointStore,
    group: &ConsumerGroup,
    partition_id: &str,
) -> Result<i64, Error> {
    let checkpoint = store.get_checkpoint(group, partition_id).await?;
    Ok(checkpoint.and_then(|found| found.sequence_number()).map_or(0, |number| number + 1))
}

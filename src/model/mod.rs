//! The plain data of a checkpoint store: who owns a partition, and how far it has been processed.
//!
//! Nothing here knows blobs or HTTP. Constructors refuse values that cannot be stored, and deserialized data passes the
//! same checks.

mod changes;
mod check;
mod checkpoint;
mod claims;
mod consumer_group;
mod etag;
mod group_records;
mod group_summary;
mod listing;
mod ownership;
mod record;
mod relinquished;
#[cfg(feature = "serde")]
mod serde_form;
mod text;

pub use changes::{
    ChangeOutcome, CheckpointChange, CheckpointChanges, KeepReason, Partitions, RunMode,
};
pub(crate) use check::{
    check_header_text, check_partition_id, is_invisible, is_name_part, may_be_secret, shown,
    unprintable,
};
pub use checkpoint::{
    Checkpoint, CheckpointUpdate, CheckpointWritten, DeleteOutcome, Expected, UpdateOutcome,
};
pub(crate) use checkpoint::{means_no_number, means_no_offset};
pub use claims::{ClaimOutcome, Claims};
pub use consumer_group::ConsumerGroup;
pub use etag::ETag;
pub use group_records::ConsumerGroupRecords;
pub use group_summary::{ConsumerGroupSummary, OwnerSummary};
pub use listing::{Listing, SkipReason, SkippedBlob};
pub use ownership::PartitionOwnership;
pub(crate) use record::{RecordId, Version};
pub use relinquished::{RelinquishOutcome, Relinquished};
pub(crate) use text::Text;

//! Whose record was read, and which version of it.

use std::time::SystemTime;

use super::{ConsumerGroup, ETag};

/// A partition of a consumer group, as a record of it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordId<'a> {
    pub(crate) group: &'a ConsumerGroup,
    pub(crate) partition_id: &'a str,
}

/// The stored version of a record, as far as the service told it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Version {
    pub(crate) etag: Option<ETag>,
    pub(crate) last_modified: Option<SystemTime>,
}

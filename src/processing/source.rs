//! Requests to event sources, and the properties of event hubs and partitions.

use std::time::SystemTime;

use crate::ownership::StartingPosition;

/// A request to read a partition.
///
/// ```
/// use eventhub_checkpointstore::ownership::StartingPosition;
/// use eventhub_checkpointstore::processing::OpenPartition;
///
/// let request = OpenPartition::new("0", StartingPosition::Earliest).with_prefetch(1_000);
/// assert_eq!(request.partition_id, "0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenPartition {
    /// The id of the partition.
    pub partition_id: String,
    /// The starting position.
    pub position: StartingPosition,
    /// The sequence number of the checkpoint behind the position, if known. A source may resume at it if the offset is
    /// refused, for example after a failover of a geo-replicated namespace.
    pub sequence_number: Option<i64>,
    /// The owner level (epoch). A reader with a higher level displaces the other readers of the consumer group; without a
    /// level, several may read.
    pub owner_level: Option<i64>,
    /// The maximum number of events to fetch ahead. A source may also limit their size.
    pub prefetch: u32,
    /// Whether each event reports the end of the partition, for
    /// [`last_enqueued`](crate::checkpointstoreblob_aio::PartitionReader::last_enqueued).
    pub track_last_enqueued: bool,
}

impl OpenPartition {
    /// Creates a request without an owner level, and with 300 events to fetch ahead.
    ///
    #[doc = shared_example!("processing/open_partition")]
    pub fn new(partition_id: impl Into<String>, position: StartingPosition) -> Self {
        Self {
            partition_id: partition_id.into(),
            position,
            sequence_number: None,
            owner_level: None,
            prefetch: 300,
            track_last_enqueued: false,
        }
    }

    /// Sets the sequence number of the checkpoint.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/open_partition"))]
    #[must_use]
    pub fn with_sequence_number(mut self, sequence_number: Option<i64>) -> Self {
        self.sequence_number = sequence_number;
        self
    }

    /// Sets the owner level.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/open_partition"))]
    #[must_use]
    pub fn with_owner_level(mut self, owner_level: Option<i64>) -> Self {
        self.owner_level = owner_level;
        self
    }

    /// Sets how many events may be fetched ahead.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/open_partition"))]
    #[must_use]
    pub fn with_prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// Requests the end of the partition with each event.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/open_partition"))]
    #[must_use]
    pub fn with_track_last_enqueued(mut self, track_last_enqueued: bool) -> Self {
        self.track_last_enqueued = track_last_enqueued;
        self
    }
}

/// The properties of an event hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventHubProperties {
    /// The name of the event hub.
    pub name: String,
    /// When it was created.
    pub created_at: SystemTime,
    /// The ids of its partitions.
    pub partition_ids: Vec<String>,
}

impl EventHubProperties {
    /// Creates the properties; for implementers of sources.
    ///
    #[doc = shared_example!("processing/properties")]
    pub fn new(
        name: impl Into<String>,
        created_at: SystemTime,
        partition_ids: Vec<String>,
    ) -> Self {
        Self { name: name.into(), created_at, partition_ids }
    }
}

/// The last event of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastEnqueued {
    /// Its sequence number.
    pub sequence_number: i64,
    /// Its offset.
    pub offset: Option<String>,
    /// When the service enqueued it.
    pub enqueued_time: SystemTime,
}

impl LastEnqueued {
    /// Describes the last event; for implementers of sources.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/properties"))]
    pub fn new(sequence_number: i64, offset: Option<String>, enqueued_time: SystemTime) -> Self {
        Self { sequence_number, offset, enqueued_time }
    }
}

/// The properties of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionProperties {
    /// The id of the partition.
    pub partition_id: String,
    /// The sequence number of the first retained event.
    pub beginning_sequence_number: i64,
    /// The last event. Its sequence number is -1 if the partition has never had an event.
    pub last_enqueued: LastEnqueued,
    /// Whether no event is retained.
    pub is_empty: bool,
}

impl PartitionProperties {
    /// Creates the properties; for implementers of sources.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/properties"))]
    pub fn new(
        partition_id: impl Into<String>,
        beginning_sequence_number: i64,
        last_enqueued: LastEnqueued,
        is_empty: bool,
    ) -> Self {
        let partition_id = partition_id.into();
        Self { partition_id, beginning_sequence_number, last_enqueued, is_empty }
    }
}

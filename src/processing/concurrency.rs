//! The number of concurrent handlers within one partition.

/// How the events of one partition are delivered to the handler.
///
/// Partitions are always processed concurrently. Within a partition, several handlers may run concurrently. A checkpoint
/// still never passes an unfinished event, and no more than `max_in_flight` events are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Concurrency {
    /// One after the other, in order.
    #[default]
    InOrder,
    /// At most this many at once. Events with the same partition key stay in order; events without a key count as one key.
    ByKey(usize),
    /// At most this many at once, in no particular order.
    Unordered(usize),
}

impl Concurrency {
    /// Returns the maximum number of concurrent handlers in a partition.
    ///
    #[doc = shared_example!("processing/concurrency")]
    pub fn limit(self) -> usize {
        match self {
            Self::InOrder => 1,
            Self::ByKey(limit) | Self::Unordered(limit) => limit.max(1),
        }
    }
}

/// Returns the lane of an event with this key. FNV-1a gives the same lane on every machine.
pub(crate) fn lane_of(key: Option<&str>, lanes: usize) -> usize {
    let hash = key
        .unwrap_or_default()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    usize::try_from(hash).unwrap_or_default() % lanes.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_lane_and_keys_are_spread() {
        let lanes: std::collections::HashSet<_> =
            (0..100).map(|key| lane_of(Some(&format!("device-{key}")), 8)).collect();
        assert_eq!(lanes.len(), 8);
        assert_eq!(lane_of(Some("a"), 8), lane_of(Some("a"), 8));
        assert_eq!(lane_of(None, 0), 0);
    }
}

//! A response of `$management`: whatever it is, it becomes properties or is refused, and says the same twice.

use eventhub_checkpointstore::_fuzzing::properties;

pub fn run(data: &[u8]) {
    let (hub, partition) = properties(data);
    if let Some(hub) = &hub {
        assert!(hub.name.len() <= data.len().max(20));
        assert!(hub.partition_ids.iter().all(|id| id.len() <= data.len().max(20)));
    }
    if let Some(partition) = &partition {
        assert_eq!(partition.partition_id, "0");
        let offset = partition.last_enqueued.offset.as_deref().unwrap_or_default();
        assert!(offset.len() <= data.len().max(20));
    }
    assert_eq!(properties(data), (hub, partition));
}

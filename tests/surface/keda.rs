//! The blobs and metadata that KEDA's `azure-eventhub` scaler reads with `checkpointStrategy: blobMetadata`.

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup};

use super::world::World;
use super::{maybe_async, test};

/// `pkg/scalers/azure/azure_eventhub_checkpoint.go`: only the consumer group is lower-cased, so the other names must
/// stand in the `ScaledObject` in lower case.
fn path(namespace: &str, hub: &str, group: &str, partition_id: &str) -> String {
    format!("{namespace}/{hub}/{}/checkpoint/{partition_id}", group.to_lowercase())
}

#[maybe_async]
#[test]
async fn keda_finds_the_checkpoint_and_its_sequence_number() {
    let group =
        ConsumerGroup::new("Contoso.ServiceBus.Windows.Net", "Telemetry", "$Default").unwrap();
    let name = path("contoso.servicebus.windows.net", "telemetry", "$Default", "0");
    for world in World::all() {
        let store = world.store();
        for number in [0, 960_180, i64::MAX] {
            let checkpoint = Checkpoint::new(&group, "0", "8591964920", number).unwrap();
            store.update_checkpoint(&checkpoint).await.unwrap();
            let metadata = world.metadata(&name).await.unwrap();
            // Go looks the keys up as they are and parses the number with `strconv.ParseInt(…, 10, 64)`.
            let keys: Vec<_> = metadata.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys, ["offset", "sequencenumber"]);
            assert_eq!(metadata[0].1, "8591964920");
            assert_eq!(metadata[1].1.parse(), Ok(number));
            assert_eq!(metadata[1].1, number.to_string());
        }
    }
}

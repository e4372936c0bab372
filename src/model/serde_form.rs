//! The serialized form of the model types. Reading goes through the constructors.
//!
//! Every field is always written, and none is flattened: formats without field names (postcard, bincode) need both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership, RecordId, Version};
use crate::error::{Error, Result};

#[derive(Serialize, Deserialize)]
pub(super) struct ConsumerGroupForm {
    fully_qualified_namespace: String,
    eventhub_name: String,
    consumer_group: String,
}

impl From<ConsumerGroup> for ConsumerGroupForm {
    fn from(group: ConsumerGroup) -> Self {
        Self {
            fully_qualified_namespace: group.fully_qualified_namespace().to_owned(),
            eventhub_name: group.eventhub_name().to_owned(),
            consumer_group: group.consumer_group().to_owned(),
        }
    }
}

impl TryFrom<ConsumerGroupForm> for ConsumerGroup {
    type Error = Error;

    fn try_from(form: ConsumerGroupForm) -> Result<Self> {
        Self::new(form.fully_qualified_namespace, form.eventhub_name, form.consumer_group)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct OwnershipForm {
    fully_qualified_namespace: String,
    eventhub_name: String,
    consumer_group: String,
    partition_id: String,
    owner_id: Option<String>,
    #[serde(default)]
    etag: Option<ETag>,
    /// Seconds since 1970-01-01 UTC, as in Python's `last_modified_time`.
    #[serde(default)]
    last_modified_time: Option<u64>,
}

impl From<PartitionOwnership> for OwnershipForm {
    fn from(ownership: PartitionOwnership) -> Self {
        let ConsumerGroupForm { fully_qualified_namespace, eventhub_name, consumer_group } =
            ownership.group().clone().into();
        Self {
            fully_qualified_namespace,
            eventhub_name,
            consumer_group,
            partition_id: ownership.partition_id().to_owned(),
            owner_id: ownership.owner_id().map(str::to_owned),
            etag: ownership.etag().cloned(),
            last_modified_time: ownership.last_modified().map(to_seconds),
        }
    }
}

impl TryFrom<OwnershipForm> for PartitionOwnership {
    type Error = Error;

    fn try_from(form: OwnershipForm) -> Result<Self> {
        let group = ConsumerGroup::new(
            form.fully_qualified_namespace,
            form.eventhub_name,
            form.consumer_group,
        )?;
        let partition_id = form.partition_id;
        let nobody = Self::new(&group, partition_id.as_str(), "nobody")?.released();
        let mut ownership = match form.owner_id.filter(|owner_id| !owner_id.is_empty()) {
            None => nobody,
            // An owner id that this crate could not store came from a list, so the record is restored as a listed one.
            Some(owner_id) => nobody.claimed_by(owner_id.as_str()).unwrap_or_else(|_| {
                let id = RecordId { group: &group, partition_id: &partition_id };
                Self::from_storage(id, Some(&owner_id), Version::default())
            }),
        };
        if let Some(etag) = form.etag {
            ownership = ownership.with_etag(etag);
        }
        match form.last_modified_time {
            Some(seconds) => Ok(ownership.with_last_modified(from_seconds(seconds)?)),
            None => Ok(ownership),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CheckpointForm {
    fully_qualified_namespace: String,
    eventhub_name: String,
    consumer_group: String,
    partition_id: String,
    offset: Option<String>,
    sequence_number: Option<i64>,
    #[serde(default)]
    etag: Option<ETag>,
    /// Seconds since 1970-01-01 UTC.
    #[serde(default)]
    last_modified_time: Option<u64>,
}

impl From<Checkpoint> for CheckpointForm {
    fn from(checkpoint: Checkpoint) -> Self {
        let ConsumerGroupForm { fully_qualified_namespace, eventhub_name, consumer_group } =
            checkpoint.group().clone().into();
        Self {
            fully_qualified_namespace,
            eventhub_name,
            consumer_group,
            partition_id: checkpoint.partition_id().to_owned(),
            offset: checkpoint.offset().map(str::to_owned),
            sequence_number: checkpoint.sequence_number(),
            etag: checkpoint.etag().cloned(),
            last_modified_time: checkpoint.last_modified().map(to_seconds),
        }
    }
}

impl TryFrom<CheckpointForm> for Checkpoint {
    type Error = Error;

    fn try_from(form: CheckpointForm) -> Result<Self> {
        let group = ConsumerGroup::new(
            form.fully_qualified_namespace,
            form.eventhub_name,
            form.consumer_group,
        )?;
        let mut checkpoint =
            Self::from_serialized(&group, form.partition_id, form.offset, form.sequence_number)?;
        if let Some(etag) = form.etag {
            checkpoint = checkpoint.with_etag(etag);
        }
        match form.last_modified_time {
            Some(seconds) => Ok(checkpoint.with_last_modified(from_seconds(seconds)?)),
            None => Ok(checkpoint),
        }
    }
}

fn to_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn from_seconds(seconds: u64) -> Result<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(|| {
        Error::invalid_input(format!(
            "last_modified_time {seconds}: it is out of the clock's range"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn group() -> ConsumerGroup {
        ConsumerGroup::new("ns.servicebus.windows.net", "hub", "$Default").unwrap()
    }

    /// The exact form that is written; reading it gives back the same value.
    fn assert_form<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        value: &T,
        form: &Value,
    ) {
        assert_eq!(&serde_json::to_value(value).unwrap(), form);
        assert_eq!(&serde_json::from_value::<T>(form.clone()).unwrap(), value);
    }

    #[test]
    fn a_consumer_group() {
        let form = json!({
            "fully_qualified_namespace": "ns.servicebus.windows.net",
            "eventhub_name": "hub",
            "consumer_group": "$Default",
        });
        assert_form(&group(), &form);
    }

    #[test]
    fn ownerships() {
        let written = from_seconds(1_790_000_000).unwrap();
        let first = PartitionOwnership::new(&group(), "0", "me").unwrap();
        let mut form = json!({
            "fully_qualified_namespace": "ns.servicebus.windows.net",
            "eventhub_name": "hub",
            "consumer_group": "$Default",
            "partition_id": "0",
            "owner_id": "me",
            "etag": null,
            "last_modified_time": null,
        });
        assert_form(&first, &form);

        form["etag"] = json!("\"0x8DC\"");
        form["last_modified_time"] = json!(1_790_000_000);
        let stored = first.with_etag(ETag::new("\"0x8DC\"").unwrap()).with_last_modified(written);
        assert_form(&stored, &form);

        form["owner_id"] = Value::Null;
        assert_form(&stored.released(), &form);
    }

    #[test]
    fn checkpoints() {
        let written = from_seconds(1_790_000_000).unwrap();
        let own = Checkpoint::new(&group(), "0", "8589934592", 960_180).unwrap();
        let mut form = json!({
            "fully_qualified_namespace": "ns.servicebus.windows.net",
            "eventhub_name": "hub",
            "consumer_group": "$Default",
            "partition_id": "0",
            "offset": "8589934592",
            "sequence_number": 960_180,
            "etag": null,
            "last_modified_time": null,
        });
        assert_form(&own, &form);

        form["etag"] = json!("\"0x8DC\"");
        form["last_modified_time"] = json!(1_790_000_000);
        let stored = own.with_etag(ETag::new("\"0x8DC\"").unwrap()).with_last_modified(written);
        assert_form(&stored, &form);
    }

    fn listed() -> (PartitionOwnership, Checkpoint) {
        let etag = ETag::new("0x8DC").ok();
        let time = from_seconds(1_790_000_000).ok();
        // What no constructor takes, but other writers have left.
        let id = RecordId { group: &group(), partition_id: "0" };
        let version = Version { etag, last_modified: time };
        let owner = PartitionOwnership::from_storage(id, Some("é\u{1}"), version.clone());
        let checkpoint = Checkpoint::from_storage(id, Some("@é"), Some(-1), version);
        (owner, checkpoint)
    }

    #[test]
    fn listed_values_of_other_writers_come_back() {
        let (owner, checkpoint) = listed();
        let text = serde_json::to_string(&(&owner, &checkpoint)).unwrap();
        let (read, position): (PartitionOwnership, Checkpoint) =
            serde_json::from_str(&text).unwrap();
        assert_eq!((&read, &position), (&owner, &checkpoint));
        assert!(read.is_as_listed(), "nobody has claimed it");

        // Values that no list contains are still refused.
        let mut form = serde_json::to_value(&checkpoint).unwrap();
        for offset in ["", "None", "no offset", " 1", "1 "] {
            form["offset"] = json!(offset);
            assert!(serde_json::from_value::<Checkpoint>(form.clone()).is_err(), "{offset:?}");
        }
        form["offset"] = Value::Null;
        form["sequence_number"] = Value::Null;
        assert!(serde_json::from_value::<Checkpoint>(form).is_err());
    }

    fn assert_compact<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
        let bytes = postcard::to_stdvec(value).unwrap();
        assert_eq!(&postcard::from_bytes::<T>(&bytes).unwrap(), value);
    }

    #[test]
    fn formats_without_field_names_write_and_read_every_record() {
        let (owner, checkpoint) = listed();
        assert_compact(&group());
        assert_compact(&owner);
        assert_compact(&owner.released().without_etag());
        assert_compact(&PartitionOwnership::new(&group(), "0", "me").unwrap());
        assert_compact(&checkpoint);
        assert_compact(&Checkpoint::with_position(&group(), "0", None, Some(5)).unwrap());
        assert_compact(&ETag::new("0x8DC").unwrap());
    }
}

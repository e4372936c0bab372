//! The serialized form of the model types. Reading goes through the constructors.
//!
//! Every field is always written, and none is flattened: formats without field names, such as postcard, need both.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::check::check_partition_id;
use super::ownership::check_owner_id;
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
    /// Whether it was listed, so that nobody has claimed it yet.
    #[serde(default)]
    listed: bool,
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
            listed: ownership.is_as_listed(),
        }
    }
}

impl TryFrom<OwnershipForm> for PartitionOwnership {
    type Error = Error;

    fn try_from(form: OwnershipForm) -> Result<Self> {
        let group = ConsumerGroup::of_record(
            &form.fully_qualified_namespace,
            &form.eventhub_name,
            &form.consumer_group,
        )?;
        check_partition_id(&form.partition_id)?;
        let id = RecordId { group: &group, partition_id: &form.partition_id };
        let last_modified = form.last_modified_time.map(from_seconds).transpose()?;
        let owner_id = form.owner_id.as_deref().filter(|owner_id| !owner_id.is_empty());
        let version = Version { etag: form.etag, last_modified };
        let record = Self::from_storage(id, owner_id, version);
        // An owner id that this crate could not store comes from a list, whatever the mark says.
        let is_storable = owner_id.is_none_or(|owner_id| check_owner_id(owner_id).is_ok());
        Ok(if form.listed || !is_storable { record } else { record.into_claim() })
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
        let group = ConsumerGroup::of_record(
            &form.fully_qualified_namespace,
            &form.eventhub_name,
            &form.consumer_group,
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
            "last_modified_time {seconds}: it is outside the clock's range"
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
            "listed": false,
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
        listed_in(&group())
    }

    fn listed_in(group: &ConsumerGroup) -> (PartitionOwnership, Checkpoint) {
        let etag = ETag::new("0x8DC").ok();
        let time = from_seconds(1_790_000_000).ok();
        // What no constructor takes, but other writers have left.
        let id = RecordId { group, partition_id: "0" };
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

    #[test]
    fn records_of_groups_that_only_a_list_finds_come_back() {
        let long = "h/".repeat(200) + "h";
        for (namespace, eventhub, name) in [
            (" ns.example", "hub", "group "),
            ("ns.example", "hub\u{200b}", "\u{feff}group"),
            ("ns.example", long.as_str(), "group"),
            ("ns.example", " messages/events ", "\u{a0}"),
        ] {
            assert!(ConsumerGroup::new(namespace, eventhub, name).is_err());
            let (owner, checkpoint) =
                listed_in(&ConsumerGroup::from_storage(namespace, eventhub, name));
            let text = serde_json::to_string(&(&owner, &checkpoint)).unwrap();
            let read: (PartitionOwnership, Checkpoint) = serde_json::from_str(&text).unwrap();
            assert_eq!((&read.0, &read.1), (&owner, &checkpoint));
            assert_compact(&owner);
            assert_compact(&checkpoint);
        }
        // Names that lead to no record, or to another one, are still refused, and so are those of a group alone, which may
        // come from a file of settings.
        let mut form = serde_json::to_value(listed().1).unwrap();
        for name in ["", ".", "a/b", "a\\b", "a\n", &"x".repeat(257)] {
            form["consumer_group"] = json!(name);
            assert!(serde_json::from_value::<Checkpoint>(form.clone()).is_err(), "{name:?}");
        }
        let mut form = serde_json::to_value(group()).unwrap();
        form["consumer_group"] = json!("group ");
        assert!(serde_json::from_value::<ConsumerGroup>(form).is_err());
    }

    #[test]
    fn a_listed_record_stays_one_and_a_claim_stays_a_claim() {
        let id = RecordId { group: &group(), partition_id: "0" };
        for owner_id in [Some("me"), None] {
            let listed = PartitionOwnership::from_storage(id, owner_id, Version::default());
            for (record, is_listed) in [(listed.clone(), true), (listed.into_claim(), false)] {
                let text = serde_json::to_string(&record).unwrap();
                let read: PartitionOwnership = serde_json::from_str(&text).unwrap();
                assert_eq!(read.is_as_listed(), is_listed, "{text}");
                let bytes = postcard::to_stdvec(&record).unwrap();
                let read: PartitionOwnership = postcard::from_bytes(&bytes).unwrap();
                assert_eq!(read.is_as_listed(), is_listed, "{text}");
            }
        }
        // Without the mark, as other programs write it, it is a claim of its owner.
        let mut form = serde_json::to_value(listed().0).unwrap();
        form["owner_id"] = json!("me");
        form.as_object_mut().unwrap().remove("listed");
        assert!(!serde_json::from_value::<PartitionOwnership>(form).unwrap().is_as_listed());
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

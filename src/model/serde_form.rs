//! How the model types look when serialised; reading goes through the constructors.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership};
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
    #[serde(flatten)]
    group: ConsumerGroupForm,
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
        Self {
            group: ownership.group().clone().into(),
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
        let group = form.group.try_into()?;
        let mut ownership = match form.owner_id.filter(|owner_id| !owner_id.is_empty()) {
            Some(owner_id) => Self::new(&group, form.partition_id, owner_id)?,
            None => Self::new(&group, form.partition_id, "nobody")?.released(),
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
    #[serde(flatten)]
    group: ConsumerGroupForm,
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
        Self {
            group: checkpoint.group().clone().into(),
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
        let group = form.group.try_into()?;
        let mut checkpoint =
            Self::with_position(&group, form.partition_id, form.offset, form.sequence_number)?;
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
        Error::invalid_input(format!("last_modified_time {seconds}: out of the clock's range"))
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

    /// What is written is this, and it is read as what was written.
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
}

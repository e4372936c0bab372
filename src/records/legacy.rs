//! The JSON checkpoints of legacy processors: their locations and their content.
//!
//! `EventProcessorHost` (.NET, Java) and Functions before version 5 keep lease and position in one blob:
//! `{"PartitionId":"0","Owner":"…","Token":"…","Epoch":386,"Offset":"8591964920","SequenceNumber":960180}`. Java and Python
//! use other spellings of the keys. Go and Dapr before 1.10 keep the position one level deeper:
//! `{"checkpoint":{"offset":"…","sequenceNumber":…},"partitionId":"0"}`.

use std::fmt;
use std::num::NonZeroU64;

use serde_json::{Map, Value};

use super::decoded::Decoded;
use crate::model::{
    Checkpoint, ConsumerGroup, RecordId, SkipReason, Version, check_header_text, means_no_number,
    means_no_offset,
};

/// The location of a legacy processor's checkpoints: the prefix of its blob names before the partition id.
///
/// ```
/// use eventhub_checkpointstore::{ConsumerGroup, LegacyLayout};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let functions = LegacyLayout::functions(&group);
/// assert_eq!(functions.prefix(), "contoso.servicebus.windows.net/telemetry/$Default/");
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LegacyLayout {
    prefix: String,
}

impl LegacyLayout {
    /// Azure Functions before version 5 of the Event Hubs extension (container `azure-webjobs-eventhub`):
    /// `{namespace}/{event hub}/{consumer group}/{partition}`, where the namespace and the event hub are in lower case,
    /// with characters other than `a-z0-9-_.` escaped. The consumer group is used as given.
    ///
    #[doc = shared_example!("records/legacy_layout")]
    pub fn functions(group: &ConsumerGroup) -> Self {
        let namespace = escape_as_functions(group.fully_qualified_namespace());
        let eventhub = escape_as_functions(group.eventhub_name());
        Self::new(format!("{namespace}/{eventhub}/{}/", group.consumer_group()))
    }

    /// Hosts that were configured with the names as a prefix: `{namespace}/{event hub}/{consumer group}/{partition}`. The
    /// names are used as given.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("records/legacy_layout"))]
    pub fn event_processor_host(group: &ConsumerGroup) -> Self {
        Self::new(format!("{group}/"))
    }

    /// A stand-alone `EventProcessorHost` (.NET, Java) with its storage prefix, which is empty by default: `{storage
    /// prefix}{consumer group}/{partition}`.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("records/legacy_layout"))]
    pub fn stand_alone_host(group: &ConsumerGroup, storage_prefix: &str) -> Self {
        Self::new(format!("{storage_prefix}{}/", group.consumer_group()))
    }

    /// Dapr before 1.10: `dapr-{event hub}-{consumer group}-{partition}`.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("records/legacy_layout"))]
    pub fn dapr(group: &ConsumerGroup) -> Self {
        Self::new(format!("dapr-{}-{}-", group.eventhub_name(), group.consumer_group()))
    }

    /// A container whose blobs are named by the partition id alone: the old Python client, `azure-eventhub` 1 (container
    /// `eph-leases`), with any host prefix, and the old Go client without a prefix. Such a container serves a single
    /// consumer group.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("records/legacy_layout"))]
    pub fn named_by_partition() -> Self {
        Self::new("")
    }

    /// Any other location, given by the prefix before the partition id.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("records/legacy_layout"))]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Returns the prefix before the partition id.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for LegacyLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{partition}}", self.prefix)
    }
}

/// Escapes a name like `EventHubOptions.GetBlobPrefix` of the `WebJobs` extension, in UTF-16 code units.
fn escape_as_functions(name: &str) -> String {
    name.encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')) => {
                char::from(byte.to_ascii_lowercase()).to_string()
            }
            Ok(byte) => format!(":{byte:02X}"),
            Err(_) => format!("::{unit:04X}"),
        })
        .collect()
}

/// The maximum that is read of a blob. A lease has a few hundred bytes; a longer blob is not a lease.
pub(crate) const MAX_CONTENT: NonZeroU64 = NonZeroU64::new(64 * 1024).unwrap();

/// A checkpoint from the content of a legacy blob.
pub(crate) fn decode(id: RecordId<'_>, content: &[u8]) -> Decoded<Checkpoint> {
    position(id.partition_id, content).map(|(offset, sequence_number)| {
        Checkpoint::from_storage(id, offset.as_deref(), sequence_number, Version::default())
    })
}

/// Returns the offset and the sequence number, at least one of them.
fn position(partition_id: &str, content: &[u8]) -> Decoded<(Option<String>, Option<i64>)> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let Ok(Value::Object(lease)) = serde_json::from_slice(content) else {
        return Decoded::Skipped(SkipReason::InvalidContent);
    };
    // A prefix that ends in a hyphen also fits a group with a longer name: `dapr-hub-group-` and `group-2`.
    if text(&lease, "partitionid").is_some_and(|id| id != partition_id) {
        return Decoded::Skipped(SkipReason::InvalidContent);
    }
    let place = match value(&lease, "checkpoint") {
        Some(Value::Object(checkpoint)) => checkpoint,
        // Go creates leases in this form.
        Some(Value::Null) => return Decoded::Skipped(SkipReason::NoPosition),
        _ => &lease,
    };
    if value(place, "offset").is_none() && value(place, "sequencenumber").is_none() {
        return Decoded::Skipped(SkipReason::InvalidContent);
    }
    let offset = text(place, "offset").filter(|offset| !means_no_offset(offset));
    let is_storable = |offset| check_header_text("offset", offset).is_ok();
    if is_inexact(place, "offset") || !offset.as_deref().is_none_or(is_storable) {
        return Decoded::Skipped(SkipReason::InvalidContent);
    }
    let number = text(place, "sequencenumber").filter(|number| !means_no_number(number));
    let number = number.map(|number| number.parse::<i64>());
    let repaired = matches!(number, Some(Err(_))).then_some(SkipReason::InvalidSequenceNumber);
    let number = number.and_then(Result::ok).filter(|number| *number != i64::MIN);
    match (&offset, number) {
        (None, None) => return Decoded::Skipped(repaired.unwrap_or(SkipReason::NoPosition)),
        // A new lease has no offset and the sequence number 0. Used as a position, it would skip the first event.
        (None, Some(0)) => return Decoded::Skipped(SkipReason::NoPosition),
        _ => {}
    }
    match repaired {
        Some(reason) => Decoded::Repaired((offset, number), reason),
        None => Decoded::Whole((offset, number)),
    }
}

/// Returns the value of a key in any of the spellings `SequenceNumber`, `sequenceNumber` and `sequence_number`.
fn value<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object
        .iter()
        .find(|(name, _)| {
            let letters = name.bytes().filter(|byte| *byte != b'_');
            letters.map(|byte| byte.to_ascii_lowercase()).eq(key.bytes())
        })
        .map(|(_, value)| value)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match value(object, key)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns whether the number may differ from the one that was written: a fraction, or a number beyond 64 bits.
fn is_inexact(object: &Map<String, Value>, key: &str) -> bool {
    matches!(value(object, key), Some(Value::Number(number)) if !number.is_i64() && !number.is_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<(Option<String>, Option<i64>), SkipReason> {
        let group = ConsumerGroup::new("ns", "hub", "g").unwrap();
        let id = RecordId { group: &group, partition_id: "0" };
        let decoded = decode(id, content.as_bytes());
        let reason = decoded.defect();
        let Some(checkpoint) = decoded.into_record() else { return Err(reason.unwrap()) };
        Ok((checkpoint.offset().map(str::to_owned), checkpoint.sequence_number()))
    }

    #[test]
    fn every_legacy_writer_is_read() {
        let position = Ok((Some("8591964920".to_owned()), Some(960_180)));
        for content in [
            r#"{"PartitionId":"0","Owner":"o","Token":"t","Epoch":386,"Offset":"8591964920","SequenceNumber":960180}"#,
            r#"{"offset":"8591964920","sequenceNumber":960180,"partitionId":"0","owner":"o","token":"t","epoch":3}"#,
            r#"{"partition_id":"0","owner":null,"token":"t","epoch":1,"offset":"8591964920","sequence_number":960180}"#,
            r#"{"partitionID":"0","epoch":1,"owner":"","checkpoint":{"offset":"8591964920","sequenceNumber":960180,"enqueueTime":"0001-01-01T00:00:00Z"},"state":"available","token":""}"#,
            r#"{"checkpoint":{"offset":"8591964920","sequenceNumber":960180},"partitionId":"0"}"#,
            "\u{feff}{\"Offset\":8591964920,\"SequenceNumber\":\"960180\"}",
        ] {
            assert_eq!(read(content), position, "{content}");
        }
    }

    #[test]
    fn without_an_offset_the_sequence_number_counts() {
        for offset in ["null", "\"\"", "\" \"", "\"no offset\""] {
            let content = format!(r#"{{"PartitionId":"0","Offset":{offset},"SequenceNumber":7}}"#);
            assert_eq!(read(&content), Ok((None, Some(7))), "{content}");
        }
        assert_eq!(read(r#"{"SequenceNumber":7}"#), Ok((None, Some(7))));
    }

    #[test]
    fn a_lease_without_a_checkpoint_has_no_position() {
        for content in [
            r#"{"PartitionId":"0","Owner":"o","Token":"t","Epoch":1,"Offset":null,"SequenceNumber":0}"#,
            r#"{"PartitionId":"0","Offset":"","SequenceNumber":-9223372036854775808}"#,
            r#"{"partition_id":"0","offset":null,"sequence_number":null}"#,
            r#"{"partitionID":"0","epoch":0,"owner":"","checkpoint":null,"state":"","token":""}"#,
        ] {
            assert_eq!(read(content), Err(SkipReason::NoPosition), "{content}");
        }
        // The start of the stream is a valid position.
        let start = r#"{"checkpoint":{"offset":"-1","sequenceNumber":0},"partitionId":"0"}"#;
        assert_eq!(read(start), Ok((Some("-1".to_owned()), Some(0))));
    }

    #[test]
    fn blobs_that_are_not_legacy_checkpoints_are_told_apart() {
        for content in [
            "",
            "x",
            "[]",
            "\"0\"",
            "{}",
            r#"{"PartitionId":"0"}"#,
            r#"{"PartitionId":"2-0","Offset":"1","SequenceNumber":1}"#,
            r#"{"PartitionId":"0","Offset":"1\n","SequenceNumber":1"#,
            r#"{"PartitionId":"0","Offset":"é","SequenceNumber":1}"#,
            // The text of such a number is not certain to be the offset.
            r#"{"PartitionId":"0","Offset":8591964920.0,"SequenceNumber":1}"#,
            r#"{"PartitionId":"0","Offset":100000000000000000000,"SequenceNumber":1}"#,
        ] {
            assert_eq!(read(content), Err(SkipReason::InvalidContent), "{content}");
        }
        let content = r#"{"Offset":null,"SequenceNumber":1.5}"#;
        assert_eq!(read(content), Err(SkipReason::InvalidSequenceNumber));
        let content = r#"{"Offset":null,"SequenceNumber":"no offset"}"#;
        assert_eq!(read(content), Err(SkipReason::InvalidSequenceNumber));
        assert_eq!(
            read(r#"{"Offset":"1","SequenceNumber":"x"}"#),
            Ok((Some("1".to_owned()), None))
        );
    }

    #[test]
    fn functions_names_are_escaped_as_the_extension_does() {
        for (name, escaped) in [
            ("Contoso-1_a.b", "contoso-1_a.b"),
            ("a:b", "a:3Ab"),
            ("é日", ":E9::65E5"),
            ("😀", "::D83D::DE00"),
        ] {
            assert_eq!(escape_as_functions(name), escaped);
        }
        let group = ConsumerGroup::new("NS", "Hub", "$Default").unwrap();
        assert_eq!(LegacyLayout::functions(&group).prefix(), "ns/hub/$Default/");
    }
}

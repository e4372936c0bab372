//! The file format of `export`, `import` and backups: one record a line, as JSON or CSV.

use std::io::{BufRead, Read};
use std::time::SystemTime;

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, PartitionOwnership};
use serde::{Deserialize, Serialize};

use super::partition::{Partition, Position};
use super::text::rfc3339;

pub const SCHEMA: u32 = 1;
/// A record has some hundred bytes; a line without an end is no record.
const MAX_LINE: u64 = 1024 * 1024;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Checkpoint,
    /// There was no checkpoint: a backup says so, for its restoration deletes what was written.
    Absent,
    Ownership,
}

/// How the names stand in the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    Lower,
    AsGiven,
}

impl Naming {
    /// That of a group with its names as they stand in the blobs.
    pub fn of(group: &ConsumerGroup) -> Self {
        let names = group.to_string();
        if names == names.to_lowercase() { Self::Lower } else { Self::AsGiven }
    }

    /// The names of a group as they stand in the blobs.
    pub fn names(self, group: &ConsumerGroup) -> String {
        match self {
            Self::Lower => group.to_string().to_lowercase(),
            Self::AsGiven => group.to_string(),
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::AsGiven => "as-given",
        }
    }
}

/// One record of a partition, of any group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(default = "schema")]
    pub schema: u32,
    pub kind: Kind,
    pub namespace: String,
    pub eventhub: String,
    pub consumer_group: String,
    #[serde(default = "lower")]
    pub name_case: Naming,
    pub partition_id: String,
    #[serde(default)]
    pub offset: Option<String>,
    #[serde(default)]
    pub sequence_number: Option<i64>,
    #[serde(default)]
    pub owner_id: Option<String>,
    /// When it was written, by the server's clock.
    #[serde(default, with = "moment_form")]
    pub last_modified: Option<SystemTime>,
}

fn schema() -> u32 {
    SCHEMA
}

fn lower() -> Naming {
    Naming::Lower
}

impl Record {
    fn of(group: &ConsumerGroup, naming: Naming, partition_id: &str, kind: Kind) -> Self {
        Self {
            schema: SCHEMA,
            kind,
            namespace: group.fully_qualified_namespace().to_owned(),
            eventhub: group.eventhub_name().to_owned(),
            consumer_group: group.consumer_group().to_owned(),
            name_case: naming,
            partition_id: partition_id.to_owned(),
            offset: None,
            sequence_number: None,
            owner_id: None,
            last_modified: None,
        }
    }

    pub fn checkpoint(naming: Naming, checkpoint: &Checkpoint) -> Self {
        Self {
            offset: checkpoint.offset().map(str::to_owned),
            sequence_number: checkpoint.sequence_number(),
            last_modified: checkpoint.last_modified(),
            ..Self::of(checkpoint.group(), naming, checkpoint.partition_id(), Kind::Checkpoint)
        }
    }

    pub fn ownership(naming: Naming, ownership: &PartitionOwnership) -> Self {
        Self {
            owner_id: ownership.owner_id().map(str::to_owned),
            last_modified: ownership.last_modified(),
            ..Self::of(ownership.group(), naming, ownership.partition_id(), Kind::Ownership)
        }
    }

    /// The state of a partition's checkpoint before a change.
    pub fn backup(group: &ConsumerGroup, naming: Naming, partition: &Partition) -> Self {
        match &partition.checkpoint {
            Some(stored) => Self {
                offset: stored.position.offset.clone(),
                sequence_number: stored.position.sequence_number,
                last_modified: stored.written,
                ..Self::of(group, naming, &partition.id, Kind::Checkpoint)
            },
            None => Self::of(group, naming, &partition.id, Kind::Absent),
        }
    }

    /// The state of a partition's ownership record before a change.
    pub fn owner_backup(group: &ConsumerGroup, naming: Naming, partition: &Partition) -> Self {
        let owner = partition.owner.as_ref();
        Self {
            owner_id: owner.and_then(|owner| owner.id.clone()),
            last_modified: owner.and_then(|owner| owner.renewed),
            ..Self::of(group, naming, &partition.id, Kind::Ownership)
        }
    }

    pub fn group(&self) -> eventhub_checkpointstore::Result<ConsumerGroup> {
        ConsumerGroup::new(&*self.namespace, &*self.eventhub, &*self.consumer_group)
    }

    pub fn position(&self) -> Position {
        Position { offset: self.offset.clone(), sequence_number: self.sequence_number }
    }
}

/// The two forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// Writes records; both forms can be read back without a loss.
pub fn write(records: &[Record], form: Form) -> Result<String, String> {
    match form {
        Form::Jsonl => {
            let lines: Result<String, _> = records
                .iter()
                .map(|record| serde_json::to_string(record).map(|line| line + "\n"))
                .collect();
            lines.map_err(|error| error.to_string())
        }
        Form::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for record in records {
                writer.serialize(CsvRecord::from(record)).map_err(|error| error.to_string())?;
            }
            let bytes = writer.into_inner().map_err(|error| error.to_string())?;
            String::from_utf8(bytes).map_err(|error| error.to_string())
        }
    }
}

/// Reads either form: a file that begins with `{` is JSONL.
pub fn read(mut input: impl BufRead) -> Result<Vec<Record>, String> {
    let start = input.fill_buf().map_err(|error| error.to_string())?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let is_json =
        start.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| *byte == b'{');
    let records = if is_json { read_jsonl(input)? } else { read_csv(input)? };
    for (index, record) in records.iter().enumerate() {
        if record.schema != SCHEMA {
            return Err(format!(
                "record {}: unknown schema {}; this version reads schema {SCHEMA}",
                index + 1,
                record.schema
            ));
        }
    }
    Ok(records)
}

fn read_jsonl(mut input: impl BufRead) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    for number in 1.. {
        let mut line = String::new();
        let read = input.by_ref().take(MAX_LINE).read_line(&mut line);
        match read.map_err(|error| format!("line {number}: {error}"))? {
            0 => break,
            _ if line.len() as u64 >= MAX_LINE => {
                return Err(format!("line {number} is too long for a record"));
            }
            _ => {}
        }
        let line = line.trim_start_matches('\u{feff}').trim();
        if !line.is_empty() {
            let record =
                serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
            records.push(record);
        }
    }
    Ok(records)
}

fn read_csv(input: impl Read) -> Result<Vec<Record>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(input);
    let rows = reader.deserialize::<CsvRecord>();
    rows.map(|row| row.map(Record::from).map_err(|error| error.to_string())).collect()
}

/// CSV knows no null: an empty cell is one, as in the blobs.
#[derive(Serialize, Deserialize)]
struct CsvRecord {
    #[serde(default = "schema")]
    schema: u32,
    kind: Kind,
    namespace: String,
    eventhub: String,
    consumer_group: String,
    #[serde(default = "lower")]
    name_case: Naming,
    partition_id: String,
    #[serde(default)]
    offset: Option<String>,
    #[serde(default)]
    sequence_number: Option<i64>,
    #[serde(default)]
    owner_id: Option<String>,
    #[serde(default, with = "moment_form")]
    last_modified: Option<SystemTime>,
}

macro_rules! both_ways {
    ($($field:ident),*) => {
        impl From<&Record> for CsvRecord {
            fn from(record: &Record) -> Self {
                let Record { $($field),* } = record.clone();
                Self { $($field),* }
            }
        }

        impl From<CsvRecord> for Record {
            fn from(record: CsvRecord) -> Self {
                let CsvRecord { $($field),* } = record;
                Self { $($field),* }
            }
        }
    };
}
both_ways!(
    schema,
    kind,
    namespace,
    eventhub,
    consumer_group,
    name_case,
    partition_id,
    offset,
    sequence_number,
    owner_id,
    last_modified
);

/// A time as RFC 3339 in UTC; `null` or an empty text for none.
pub mod moment_form {
    use std::time::SystemTime;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ref_option, reason = "the form of serde's `with`")]
    pub fn serialize<S: Serializer>(
        moment: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => serializer.serialize_some(&super::rfc3339(*moment)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        match Option::<String>::deserialize(deserializer)?.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => crate::core::text::parse_rfc3339(text)
                .map(Some)
                .ok_or_else(|| D::Error::custom(format!("{text:?} is not a time in RFC 3339"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn any_text() -> impl Strategy<Value = Option<String>> {
        prop::option::of("[ -~]{1,20}")
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let names = prop::array::uniform4("[A-Za-z0-9$._,\"' ü-]{1,12}");
        let kind = prop_oneof![Just(Kind::Checkpoint), Just(Kind::Absent), Just(Kind::Ownership)];
        let naming = prop_oneof![Just(Naming::Lower), Just(Naming::AsGiven)];
        let times = prop::option::of(0_u64..4_000_000_000);
        (names, kind, naming, any_text(), any::<Option<i64>>(), any_text(), times).prop_map(
            |(
                [namespace, eventhub, consumer_group, partition_id],
                kind,
                name_case,
                offset,
                number,
                owner,
                time,
            )| {
                Record {
                    schema: SCHEMA,
                    kind,
                    namespace,
                    eventhub,
                    consumer_group,
                    name_case,
                    partition_id,
                    offset,
                    sequence_number: number,
                    owner_id: owner,
                    last_modified: time
                        .map(|time| SystemTime::UNIX_EPOCH + Duration::from_secs(time)),
                }
            },
        )
    }

    proptest! {
        #[test]
        fn both_forms_are_read_as_they_were_written(records in prop::collection::vec(any_record(), 0..8)) {
            for form in [Form::Jsonl, Form::Csv] {
                let text = write(&records, form).unwrap();
                prop_assert_eq!(&read(text.as_bytes()).unwrap(), &records, "{}", text);
            }
        }
    }

    #[test]
    fn invalid_records_are_named_with_their_line() {
        let good = r#"{"kind":"checkpoint","namespace":"n","eventhub":"h","consumer_group":"g","partition_id":"0"}"#;
        assert_eq!(read(format!("\u{feff}{good}\n\n{good}").as_bytes()).unwrap().len(), 2);
        assert_eq!(read(&b""[..]).unwrap(), []);
        for (text, part) in [
            (format!("{good}\n{{}}"), "line 2"),
            (format!("{good}\nnonsense"), "line 2"),
            (good.replace("\"kind\"", "\"schema\":2,\"kind\""), "schema 2"),
            ("a,b\n1,2\n".to_owned(), "missing field"),
            (good.replace('}', r#","last_modified":"yesterday"}"#), "yesterday"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

//! The codec of checkpoints: their metadata, written strictly, read leniently.

use super::decoded::Decoded;
use super::metadata::{is_directory, trim, value};
use crate::model::{Checkpoint, RecordId, SkipReason, Version, means_no_number, means_no_offset};

const OFFSET: &str = "offset";
const SEQUENCE_NUMBER: &str = "sequencenumber";

/// The values of a checkpoint's metadata.
pub(crate) struct Encoded<'a> {
    offset: &'a str,
    sequence_number: String,
}

/// Encodes a checkpoint. An unknown value is written as an empty text, as .NET does.
pub(crate) fn encode(checkpoint: &Checkpoint) -> Encoded<'_> {
    let number = checkpoint.sequence_number().map(|number| number.to_string());
    Encoded {
        offset: checkpoint.offset().unwrap_or_default(),
        sequence_number: number.unwrap_or_default(),
    }
}

impl Encoded<'_> {
    /// Returns the complete metadata, because Set Blob Metadata replaces all metadata.
    pub(crate) fn metadata(&self) -> [(&'static str, &str); 2] {
        [(OFFSET, self.offset), (SEQUENCE_NUMBER, &self.sequence_number)]
    }
}

/// Decodes a checkpoint from the metadata of its blob. The offset is kept verbatim, whatever another writer stored.
#[inline]
pub(crate) fn decode<K: AsRef<str>, V: AsRef<str>>(
    id: RecordId<'_>,
    version: Version,
    metadata: &[(K, V)],
) -> Decoded<Checkpoint> {
    position(metadata).map(|Position { offset, sequence_number }| {
        Checkpoint::from_storage(id, offset, sequence_number, version)
    })
}

/// The position in a checkpoint, with at least one of both values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position<'a> {
    offset: Option<&'a str>,
    sequence_number: Option<i64>,
}

/// Decodes only the position, to count checkpoints.
#[inline]
pub(crate) fn position<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> Decoded<Position<'_>> {
    if is_directory(metadata) {
        return Decoded::Skipped(SkipReason::Directory);
    }
    let offset = value(metadata, OFFSET).map(trim).filter(|text| !means_no_offset(text));
    let text = value(metadata, SEQUENCE_NUMBER).map(trim).filter(|text| !means_no_number(text));
    let parsed = text.map(str::parse::<i64>);
    let is_invalid = matches!(parsed, Some(Err(_)));
    let sequence_number = parsed.and_then(Result::ok).filter(|number| *number != i64::MIN);
    let position = Position { offset, sequence_number };
    match (offset.is_none() && sequence_number.is_none(), is_invalid) {
        (false, false) => Decoded::Whole(position),
        (false, true) => Decoded::Repaired(position, SkipReason::InvalidSequenceNumber),
        (true, true) => Decoded::Skipped(SkipReason::InvalidSequenceNumber),
        (true, false) => Decoded::Skipped(SkipReason::NoPosition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConsumerGroup;

    fn whole(
        offset: Option<&'static str>,
        sequence_number: Option<i64>,
    ) -> Decoded<Position<'static>> {
        Decoded::Whole(Position { offset, sequence_number })
    }

    #[test]
    fn positions_that_others_wrote() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(position(&none), Decoded::Skipped(SkipReason::NoPosition));
        for text in ["", " ", "no offset", "No Offset", "None"] {
            let metadata = [("offset", text), ("sequencenumber", "7")];
            assert_eq!(position(&metadata), whole(None, Some(7)), "{text:?}");
        }
        for text in ["", "None", "-9223372036854775808"] {
            let metadata = [("Offset", "1"), ("SequenceNumber", text)];
            assert_eq!(position(&metadata), whole(Some("1"), None), "{text:?}");
        }
        for offset in ["-1", "0", "2:-1:-1", "@latest"] {
            let metadata = [("offset", offset), ("sequencenumber", "0")];
            assert_eq!(position(&metadata), whole(Some(offset), Some(0)));
        }
        let marker = [("hdi_isfolder", "true"), ("offset", "1")];
        assert_eq!(position(&marker), Decoded::Skipped(SkipReason::Directory));
    }

    #[test]
    fn an_invalid_sequence_number_is_told_from_a_missing_one() {
        let reason = SkipReason::InvalidSequenceNumber;
        for text in ["x", "1.5", "9223372036854775808", "1 2", "no offset"] {
            let beside = Position { offset: Some("1"), sequence_number: None };
            let metadata = [("offset", "1"), ("sequencenumber", text)];
            assert_eq!(position(&metadata), Decoded::Repaired(beside, reason), "{text}");
            assert_eq!(position(&metadata[1..]), Decoded::Skipped(reason), "{text}");
        }
    }

    #[test]
    fn written_values_are_read_back() {
        let group = ConsumerGroup::new("ns", "hub", "$default").unwrap();
        let id = RecordId { group: &group, partition_id: "0" };
        for (offset, number) in [(Some("5"), Some(6)), (None, Some(-6)), (Some("2:-1:-1"), None)] {
            let written =
                Checkpoint::with_position(&group, "0", offset.map(str::to_owned), number).unwrap();
            let encoded = encode(&written);
            let read = decode(id, Version::default(), &encoded.metadata());
            assert_eq!(read, Decoded::Whole(written.clone()));
        }
    }
}

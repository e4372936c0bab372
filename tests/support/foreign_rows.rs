//! The metadata that other writers leave on ownership and checkpoint blobs, and how it has to be read.

use eventhub_checkpointstore::SkipReason;

/// One kind of blob found in the wild. Each is read as an ownership and as a checkpoint alike.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub what: &'static str,
    pub metadata: &'static [(&'static str, &'static str)],
    pub owner: Owner,
    pub position: Position,
}

/// The meaning of the metadata of an ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
    Is(&'static str),
    Skipped(SkipReason),
}

/// The meaning of the metadata of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    At(Option<&'static str>, Option<i64>),
    /// Read without its sequence number, and named among the skipped.
    Repaired(&'static str),
    Skipped(SkipReason),
}

type Pairs = &'static [(&'static str, &'static str)];

const fn ownership(what: &'static str, metadata: Pairs, owner: Owner) -> Row {
    Row { what, metadata, owner, position: Position::Skipped(SkipReason::NoPosition) }
}

const fn checkpoint(what: &'static str, metadata: Pairs, position: Position) -> Row {
    Row { what, metadata, owner: Owner::Nobody, position }
}

const fn directory(what: &'static str, metadata: Pairs) -> Row {
    let (owner, position) =
        (Owner::Skipped(SkipReason::Directory), Position::Skipped(SkipReason::Directory));
    Row { what, metadata, owner, position }
}

const fn at(offset: &'static str, sequence_number: i64) -> Position {
    Position::At(Some(offset), Some(sequence_number))
}

const fn only_offset(offset: &'static str) -> Position {
    Position::At(Some(offset), None)
}

const fn only_number(sequence_number: i64) -> Position {
    Position::At(None, Some(sequence_number))
}

const INVALID_NUMBER: Position = Position::Skipped(SkipReason::InvalidSequenceNumber);
const NO_POSITION: Position = Position::Skipped(SkipReason::NoPosition);

pub const ROWS: &[Row] = &[
    ownership("owner", &[("ownerid", "a")], Owner::Is("a")),
    ownership("relinquished", &[("ownerid", "")], Owner::Nobody),
    ownership("a blank owner", &[("ownerid", " ")], Owner::Nobody),
    ownership("C++: ownerId", &[("ownerId", "a")], Owner::Is("a")),
    ownership("OWNERID", &[("OWNERID", "a")], Owner::Is("a")),
    ownership(
        ".NET 5.12: clientidentifier",
        &[("ownerid", "a"), ("clientidentifier", "b")],
        Owner::Is("a"),
    ),
    ownership("official Rust: no metadata", &[], Owner::Nobody),
    ownership("other metadata only", &[("tier", "gold")], Owner::Nobody),
    ownership(
        "a key that is no identifier",
        &[("no-identifier", "x"), ("ownerid", "a")],
        Owner::Is("a"),
    ),
    ownership("a space and markup", &[("ownerid", "a b<&>\"'")], Owner::Is("a b<&>\"'")),
    checkpoint("position", &[("offset", "1"), ("sequencenumber", "5")], at("1", 5)),
    checkpoint(
        ".NET 5.12: position, clientidentifier",
        &[("offset", "1"), ("sequencenumber", "5"), ("clientidentifier", "b")],
        at("1", 5),
    ),
    checkpoint("Offset, SequenceNumber", &[("Offset", "1"), ("SequenceNumber", "5")], at("1", 5)),
    checkpoint(
        "one key in two cases",
        &[("offset", "1"), ("Offset", "2"), ("sequencenumber", "5")],
        at("2", 5),
    ),
    checkpoint("Go, Java, C++, Rust: no offset key", &[("sequencenumber", "5")], only_number(5)),
    checkpoint(".NET: offset \"\"", &[("offset", ""), ("sequencenumber", "5")], only_number(5)),
    checkpoint(
        ".NET 5.11: no offset",
        &[("offset", "no offset"), ("sequencenumber", "5")],
        only_number(5),
    ),
    checkpoint("No Offset", &[("offset", "No Offset"), ("sequencenumber", "5")], only_number(5)),
    checkpoint(
        "Python: offset None",
        &[("offset", "None"), ("sequencenumber", "5")],
        only_number(5),
    ),
    checkpoint(
        "geo-replication: 2:-1:-1",
        &[("offset", "2:-1:-1"), ("sequencenumber", "0")],
        at("2:-1:-1", 0),
    ),
    checkpoint("offset -1", &[("offset", "-1"), ("sequencenumber", "0")], at("-1", 0)),
    checkpoint("offset 0", &[("offset", "0"), ("sequencenumber", "0")], at("0", 0)),
    checkpoint(
        "offset @latest",
        &[("offset", "@latest"), ("sequencenumber", "-1")],
        at("@latest", -1),
    ),
    checkpoint("blanks around", &[("offset", " 1 "), ("sequencenumber", " 5 ")], at("1", 5)),
    checkpoint("no sequence number key", &[("offset", "1")], only_offset("1")),
    checkpoint(
        ".NET: sequence number \"\"",
        &[("offset", "1"), ("sequencenumber", "")],
        only_offset("1"),
    ),
    checkpoint(
        "Python: sequence number None",
        &[("offset", "1"), ("sequencenumber", "None")],
        only_offset("1"),
    ),
    checkpoint(
        ".NET: long.MinValue",
        &[("offset", "1"), ("sequencenumber", "-9223372036854775808")],
        only_offset("1"),
    ),
    checkpoint(
        "the largest number",
        &[("offset", "1"), ("sequencenumber", "9223372036854775807")],
        at("1", i64::MAX),
    ),
    checkpoint(
        "beyond the largest number",
        &[("offset", "1"), ("sequencenumber", "9223372036854775808")],
        Position::Repaired("1"),
    ),
    checkpoint(
        "no number",
        &[("offset", "1"), ("sequencenumber", "12abc")],
        Position::Repaired("1"),
    ),
    checkpoint(
        "a fraction",
        &[("offset", "1"), ("sequencenumber", "5.0")],
        Position::Repaired("1"),
    ),
    checkpoint(
        "a sequence number of an offset",
        &[("offset", "1"), ("sequencenumber", "no offset")],
        Position::Repaired("1"),
    ),
    checkpoint("no number and no offset", &[("sequencenumber", "12abc")], INVALID_NUMBER),
    checkpoint("both empty", &[("offset", ""), ("sequencenumber", "")], NO_POSITION),
    checkpoint("both None", &[("offset", "None"), ("sequencenumber", "None")], NO_POSITION),
    checkpoint(
        "no offset, long.MinValue",
        &[("offset", "no offset"), ("sequencenumber", "-9223372036854775808")],
        NO_POSITION,
    ),
    directory("directory", &[("hdi_isfolder", "true")]),
    directory("directory, True", &[("hdi_isfolder", "True")]),
    directory("directory, HDI_IsFolder", &[("HDI_IsFolder", "TRUE")]),
    directory(
        "directory with a record",
        &[("hdi_isfolder", "true"), ("ownerid", "a"), ("offset", "1"), ("sequencenumber", "5")],
    ),
    Row {
        what: "no directory, with both records",
        metadata: &[
            ("hdi_isfolder", "false"),
            ("ownerid", "a"),
            ("offset", "1"),
            ("sequencenumber", "5"),
        ],
        owner: Owner::Is("a"),
        position: at("1", 5),
    },
];

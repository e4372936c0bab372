//! Every kind of foreign metadata under every operation that reads it.

use std::fmt::Debug;

use eventhub_checkpointstore::{
    ChangeOutcome, Checkpoint, CheckpointChanges, Claims, ConsumerGroup, Error, Listing,
    PartitionOwnership, Partitions, Relinquished, Result, RunMode, SkipReason,
};

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::foreign_rows::{Owner, Position, ROWS, Row};
use super::support::report;
use super::{maybe_async, test};

const COLUMNS: [&str; 18] = [
    "metadata",
    "list_ownership",
    "first claim",
    "takeover",
    "relinquish",
    "list_checkpoints",
    "get_checkpoint",
    "strict list_ownership",
    "strict list_checkpoints",
    "strict get_checkpoint",
    "fallback list_ownership",
    "fallback list_checkpoints",
    "fallback get_checkpoint",
    "fenced list_checkpoints",
    "fenced get_checkpoint",
    "reset_checkpoints",
    "delete_checkpoints",
    "fenced update_checkpoint",
];

type Cells = [String; COLUMNS.len()];

/// The partition with the foreign blob stands between two with faultless ones.
const PARTITION: &str = "1";
const NEIGHBOURS: [&str; 2] = ["0", "2"];
/// A sequence number that is later than all but the largest.
const LATER: i64 = 1000;

/// A group of its own for each row.
fn group(row: usize) -> ConsumerGroup {
    ConsumerGroup::new("ns.servicebus.windows.net", format!("row-{row}"), "$Default").unwrap()
}

/// One more, where the row stands under the other naming.
fn other_group(row: usize) -> ConsumerGroup {
    ConsumerGroup::new("ns.servicebus.windows.net", format!("other-{row}"), "$Default").unwrap()
}

fn blob_name(group: &ConsumerGroup, kind: &str, partition_id: &str) -> String {
    format!("{group}/{kind}/{partition_id}").to_lowercase()
}

fn other_name(group: &ConsumerGroup, kind: &str, partition_id: &str) -> String {
    format!("{group}/{kind}/{partition_id}")
}

fn put_row(service: &BlobService, row: &Row, name: impl Fn(&str, &str) -> String) {
    for kind in ["ownership", "checkpoint"] {
        service.put(&name(kind, PARTITION), row.metadata);
    }
    for partition_id in NEIGHBOURS {
        service.put(&name("ownership", partition_id), &[("ownerid", "neighbour")]);
        let position = [("offset", "10"), ("sequencenumber", "11")];
        service.put(&name("checkpoint", partition_id), &position);
    }
}

/// The expected cells of the table.
fn expected(row: &Row) -> Cells {
    let (owner, strict_owner) = match row.owner {
        Owner::Nobody => ("nobody".to_owned(), None),
        Owner::Is(owner) => (owner.to_owned(), None),
        Owner::Skipped(reason) => {
            (format!("skipped: {reason:?}"), reason.is_defect().then_some("InvalidData"))
        }
    };
    let strict_owner = strict_owner.unwrap_or(&owner).to_owned();
    let is_listed = !matches!(row.owner, Owner::Skipped(_));
    let claimed = if is_listed { "claimed" } else { "not listed" };
    let (list, get, strict) = match row.position {
        Position::At(offset, number) => {
            let text = position(offset, number);
            (text.clone(), text, None)
        }
        Position::Repaired(offset) => {
            let text = position(Some(offset), None);
            (format!("{text}, skipped: InvalidSequenceNumber"), text, Some("InvalidData"))
        }
        Position::Skipped(reason) => (
            format!("skipped: {reason:?}"),
            "none".to_owned(),
            reason.is_defect().then_some("InvalidData"),
        ),
    };
    let strictly = |lenient: &str| strict.unwrap_or(lenient).to_owned();
    let (strict_list, strict_get) = (strictly(&list), strictly(&get));
    let what = row.what.to_owned();
    // The blob is there, so nobody is first.
    let first = "lost".to_owned();
    let claims = [first, claimed.to_owned(), claimed.to_owned()];
    let [first, takeover, relinquish] = claims;
    let is_directory = row.position == Position::Skipped(SkipReason::Directory);
    let delete = if is_directory { "Missing".to_owned() } else { get.clone() };
    [
        what,
        owner.clone(),
        first,
        takeover,
        relinquish,
        list.clone(),
        get.clone(),
        strict_owner,
        strict_list,
        strict_get,
        // What stands under the other naming reads alike.
        owner,
        list.clone(),
        get.clone(),
        list,
        get.clone(),
        get,
        delete,
        expected_update(row).to_owned(),
    ]
}

fn expected_update(row: &Row) -> &'static str {
    match row.position {
        Position::At(_, Some(number)) if number > LATER => "Stale",
        _ => "Written",
    }
}

fn position(offset: Option<&str>, number: Option<i64>) -> String {
    let number = number.map_or("-".to_owned(), |number| number.to_string());
    format!("{} / {number}", offset.unwrap_or("-"))
}

/// The result of a list for the partition, after a check of its neighbours.
fn listed<T: Debug>(
    listing: Result<Listing<T>>,
    partition_id: impl Fn(&T) -> &str,
    describe: impl Fn(&T) -> String,
) -> String {
    let listing = match listing {
        Ok(listing) => listing,
        Err(error) => return failed(&error),
    };
    for neighbour in NEIGHBOURS {
        let is_there = listing.iter().any(|item| partition_id(item) == neighbour);
        assert!(is_there, "{neighbour} is missing: {listing:?}");
    }
    let item = listing.iter().find(|item| partition_id(item) == PARTITION).map(describe);
    let skipped = listing.skipped().iter().map(|blob| {
        assert!(blob.name.ends_with("/1"), "{blob:?}");
        format!("skipped: {:?}", blob.reason)
    });
    item.into_iter().chain(skipped).collect::<Vec<_>>().join(", ")
}

fn listed_owner(listing: Result<Listing<PartitionOwnership>>) -> String {
    listed(listing, PartitionOwnership::partition_id, |item| {
        item.owner_id().unwrap_or("nobody").to_owned()
    })
}

fn listed_position(listing: Result<Listing<Checkpoint>>) -> String {
    listed(listing, Checkpoint::partition_id, |item| {
        position(item.offset(), item.sequence_number())
    })
}

fn read_position(read: Result<Option<Checkpoint>>) -> String {
    match read {
        Ok(Some(read)) => position(read.offset(), read.sequence_number()),
        Ok(None) => "none".to_owned(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> String {
    format!("{:?}", error.kind())
}

/// The finding of one dry run for the partition.
fn found_before(changes: &CheckpointChanges) -> String {
    let change = changes.iter().next().unwrap();
    assert_eq!((changes.len(), change.partition_id.as_str()), (1, PARTITION));
    match &change.outcome {
        ChangeOutcome::Planned => read_position(Ok(change.before.clone())),
        ChangeOutcome::Kept(reason) => format!("{reason:?}"),
        other => format!("{other:?}"),
    }
}

/// As of a claim: what is given up was claimed for nobody.
fn outcome_of_relinquish(relinquished: &Relinquished) -> String {
    let (released, lost) = (relinquished.released().count(), relinquished.lost().count());
    match (released, lost, relinquished.len()) {
        (1, 0, 1) => "claimed".to_owned(),
        (0, 1, 1) => "lost".to_owned(),
        (_, _, 0) => "not listed".to_owned(),
        _ => format!("{relinquished:?}"),
    }
}

fn outcome(claims: &Claims) -> String {
    let counts = (claims.claimed().count(), claims.lost().count(), claims.len());
    match counts {
        (1, 0, 1) => "claimed".to_owned(),
        (0, 1, 1) => "lost".to_owned(),
        (_, _, 0) => "not listed".to_owned(),
        _ => format!("{claims:?}"),
    }
}

struct Stores {
    service: BlobService,
    lenient: BlobCheckpointStore,
    strict: BlobCheckpointStore,
    fallback: BlobCheckpointStore,
}

impl Stores {
    fn metadata(&self, group: &ConsumerGroup) -> Vec<(String, String)> {
        self.service.blob(&blob_name(group, "ownership", PARTITION)).unwrap().metadata
    }
}

#[maybe_async]
async fn actual(stores: &Stores, number: usize, row: &Row) -> Cells {
    let (group, other) = (&group(number), &other_group(number));
    let store = &stores.lenient;
    let strict_owner = stores.strict.list_ownership(group).await;
    let listing = store.list_ownership(group).await;
    let found: Vec<_> = listing.iter().flatten().cloned().collect();
    let found = found.into_iter().filter(|item| item.partition_id() == PARTITION);
    let takeover: Vec<_> = found.map(|item| item.claimed_by("me").unwrap()).collect();

    let first = PartitionOwnership::new(group, PARTITION, "me").unwrap();
    let first = store.claim_ownership(&[first]).await;
    let before = stores.metadata(group);
    let unchanged: Vec<_> =
        row.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(before, unchanged, "a lost claim writes nothing");

    let taken = store.claim_ownership(&takeover).await;
    let takeover = outcome(&taken);
    let taken = taken.into_claimed();
    if !taken.is_empty() {
        assert_eq!(stores.metadata(group), [("ownerid".to_owned(), "me".to_owned())]);
    }
    let relinquished = store.relinquish_ownership(&taken).await;
    if !taken.is_empty() {
        assert_eq!(stores.metadata(group), [("ownerid".to_owned(), String::new())]);
    }

    let checkpoints = store.list_checkpoints(group).await;
    let checkpoint = store.get_checkpoint(group, PARTITION).await;
    let strict_checkpoints = stores.strict.list_checkpoints(group).await;
    let strict_checkpoint = stores.strict.get_checkpoint(group, PARTITION).await;

    let other_owner = stores.fallback.list_ownership(other).await;
    let other_checkpoints = stores.fallback.list_checkpoints(other).await;
    let other_checkpoint = stores.fallback.get_checkpoint(other, PARTITION).await;

    let fenced_checkpoints = store.fenced().list_checkpoints(group).await;
    let fenced_checkpoint = store.fenced().get_checkpoint(group, PARTITION).await;
    let later = Checkpoint::new(group, PARTITION, "later", LATER).unwrap();
    let reset = store.reset_checkpoints(std::slice::from_ref(&later), RunMode::DryRun).await;
    let only = Partitions::only([PARTITION]);
    let deleted = store.delete_checkpoints(group, only, RunMode::DryRun).await.unwrap();
    let updated = store.fenced().update_checkpoint(&later).await.unwrap();
    [
        row.what.to_owned(),
        listed_owner(listing),
        outcome(&first),
        takeover,
        outcome_of_relinquish(&relinquished),
        listed_position(checkpoints),
        read_position(checkpoint),
        listed_owner(strict_owner),
        listed_position(strict_checkpoints),
        read_position(strict_checkpoint),
        listed_owner(other_owner),
        listed_position(other_checkpoints),
        read_position(other_checkpoint),
        listed_position(fenced_checkpoints),
        read_position(fenced_checkpoint),
        found_before(&reset),
        found_before(&deleted),
        format!("{:?}", updated.outcome),
    ]
}

fn show(rows: &[Cells]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([COLUMNS[column].len()]).max().unwrap_or_default()
    };
    let line = |cells: [&str; COLUMNS.len()]| {
        let padded = cells.iter().enumerate();
        let padded = padded.map(|(column, cell)| format!("{cell:0$}", width(column)));
        format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
    };
    let lines = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    report::show(&[line(COLUMNS)].into_iter().chain(lines).collect::<String>());
}

#[maybe_async]
#[test]
async fn all_foreign_metadata_reads_as_documented() {
    let service = BlobService::new("checkpoints");
    let server = service.serve();
    let builder = || {
        BlobCheckpointStore::builder(&server.url(), "checkpoints")
            .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
    };
    let stores = Stores {
        service,
        lenient: builder().build().unwrap(),
        strict: builder().fail_on_unreadable(true).build().unwrap(),
        fallback: builder().read_other_name_case(true).build().unwrap(),
    };

    let mut table = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        let (group, other) = (group(number), other_group(number));
        put_row(&stores.service, row, |kind, id| blob_name(&group, kind, id));
        put_row(&stores.service, row, |kind, id| other_name(&other, kind, id));
        table.push(actual(&stores, number, row).await);
    }
    show(&table);
    let expected: Vec<_> = ROWS.iter().map(expected).collect();
    for (actual, expected) in table.iter().zip(&expected) {
        assert_eq!(actual, expected);
    }
}

#[maybe_async]
#[test]
async fn all_foreign_metadata_fits_in_one_list() {
    let service = BlobService::new("checkpoints");
    let server = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::new(&server.url(), "checkpoints", key).unwrap();
    let group = group(0);
    for (number, row) in ROWS.iter().enumerate() {
        for kind in ["ownership", "checkpoint"] {
            service.put(&blob_name(&group, kind, &number.to_string()), row.metadata);
        }
    }
    let skipped_owners = ROWS.iter().filter(|row| matches!(row.owner, Owner::Skipped(_))).count();
    let listing = store.list_ownership(&group).await.unwrap();
    assert_eq!(
        (listing.len(), listing.skipped().len()),
        (ROWS.len() - skipped_owners, skipped_owners)
    );

    let count = |is: fn(&Position) -> bool| ROWS.iter().filter(|row| is(&row.position)).count();
    let unread = count(|position| matches!(position, Position::Skipped(_)));
    let repaired = count(|position| matches!(position, Position::Repaired(_)));
    let listing = store.list_checkpoints(&group).await.unwrap();
    assert_eq!((listing.len(), listing.skipped().len()), (ROWS.len() - unread, unread + repaired));
}

/// The list reads XML and the single read headers: whatever is stored, both must say the same.
#[maybe_async]
#[test]
async fn a_single_read_says_what_the_list_says() {
    const OFFSETS: [&str; 10] =
        ["", " ", "0", "-1", "2:-1:-1", "no offset", "NO OFFSET", "None", "none", "é <&\"'> x"];
    const NUMBERS: [&str; 10] =
        ["", "0", "-0", "+7", "007", " 7 ", "None", "7e0", "0x7", "\u{663}"];
    const KEYS: [[&str; 2]; 3] =
        [["offset", "sequencenumber"], ["Offset", "SequenceNumber"], ["OFFSET", "other"]];

    let service = BlobService::new("checkpoints");
    let server = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::new(&server.url(), "checkpoints", key).unwrap();
    let group = group(0);
    let mut count = 0;
    for [offset_key, number_key] in KEYS {
        for offset in OFFSETS {
            for number in NUMBERS {
                let metadata = [(offset_key, offset), (number_key, number)];
                service.put(&blob_name(&group, "checkpoint", &count.to_string()), &metadata);
                count += 1;
            }
        }
    }
    let listing = store.list_checkpoints(&group).await.unwrap();
    for partition_id in (0..count).map(|id| id.to_string()) {
        let listed = listing.iter().find(|item| item.partition_id() == partition_id);
        let read = store.get_checkpoint(&group, &partition_id).await.unwrap();
        let stored = service.blob(&blob_name(&group, "checkpoint", &partition_id)).unwrap();
        assert_eq!(read.as_ref(), listed, "{:?}", stored.metadata);
    }
    // Every offset that is one, and every number that is one, in the spellings that parse.
    let with_offset = listing.iter().filter(|item| item.offset().is_some()).count();
    assert_eq!(with_offset, KEYS.len() * 5 * NUMBERS.len());
    let with_number = listing.iter().filter(|item| item.sequence_number().is_some()).count();
    assert_eq!(with_number, 2 * OFFSETS.len() * 5);
}

//! Whatever a constructor takes is stored and read back as it is, from headers and from the XML of a list.

use eventhub_checkpointstore::{Checkpoint, PartitionOwnership};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::direct::Direct;
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::{block_on, group, maybe_async};

const PREFIX: &str = "ns.servicebus.windows.net/hub/$default";

fn store(service: &BlobService) -> BlobCheckpointStore {
    BlobCheckpointStore::builder("https://acct.blob.example", "checkpoints")
        .credential(Credential::anonymous())
        .transport(Direct::new(service.clone()))
        .build()
        .unwrap()
}

/// Text that a metadata header carries unchanged.
fn header_text() -> impl Strategy<Value = String> {
    "[!-~]([ -~]{0,40}[!-~])?"
}

/// Any text of any language that may be the last part of a blob name.
fn partition_id() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9]{1,3}", "[ -~]{1,20}", "\\PC{1,20}"]
}

fn checkpoints() -> impl Strategy<Value = Checkpoint> {
    let parts = (
        partition_id(),
        prop::option::of(header_text()),
        prop::option::of(prop_oneof![-1..5i64, any::<i64>()]),
    );
    parts.prop_filter_map("refused by the constructor", |(id, offset, number)| {
        Checkpoint::with_position(&group(), id, offset, number).ok()
    })
}

fn ownerships() -> impl Strategy<Value = PartitionOwnership> {
    (partition_id(), header_text()).prop_filter_map("refused by the constructor", |(id, owner)| {
        PartitionOwnership::new(&group(), id, owner).ok()
    })
}

/// A key as writers spell it: each letter in either case.
fn spelt(key: &str, upper: u16) -> String {
    let case = |(index, letter): (usize, char)| {
        let is_upper = upper >> index & 1 == 1;
        if is_upper { letter.to_ascii_uppercase() } else { letter }
    };
    key.chars().enumerate().map(case).collect()
}

/// The value that is read must be the one that was written.
fn run<T: std::fmt::Debug, R: PartialEq + std::fmt::Debug>(
    values: impl Strategy<Value = T>,
    round_trip: impl Fn(T) -> (R, R),
) {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&values, |value| {
        let (written, read) = round_trip(value);
        prop_assert_eq!(read, written);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// Partition, offset and sequence number.
type Position = (String, Option<String>, Option<i64>);

fn position(checkpoint: &Checkpoint) -> Position {
    (
        checkpoint.partition_id().to_owned(),
        checkpoint.offset().map(str::to_owned),
        checkpoint.sequence_number(),
    )
}

/// From the headers of the blob, and from the list.
#[maybe_async]
async fn read_both_ways(store: &BlobCheckpointStore, partition_id: &str) -> Vec<Position> {
    let from_headers = store.get_checkpoint(&group(), partition_id).await.unwrap();
    let from_list = store.list_checkpoints(&group()).await.unwrap();
    from_headers.iter().chain(&from_list).map(position).collect()
}

#[maybe_async]
async fn checkpoint_round_trip(written: &Checkpoint) -> Vec<Position> {
    let store = store(&BlobService::new("checkpoints"));
    store.update_checkpoint(written).await.unwrap();
    read_both_ways(&store, written.partition_id()).await
}

#[test]
fn checkpoints_come_back() {
    run(checkpoints(), |written| {
        let read = block_on(checkpoint_round_trip(&written));
        (vec![position(&written); 2], read)
    });
}

#[maybe_async]
async fn foreign_round_trip(written: &Checkpoint, upper: u16) -> Vec<Position> {
    let service = BlobService::new("checkpoints");
    let number = written.sequence_number().map_or(String::new(), |number| number.to_string());
    service.put(
        &format!("{PREFIX}/checkpoint/{}", written.partition_id()),
        &[
            (&spelt("offset", upper), written.offset().unwrap_or_default()),
            (&spelt("sequencenumber", upper), &number),
        ],
    );
    read_both_ways(&store(&service), written.partition_id()).await
}

#[test]
fn keys_are_read_in_any_case() {
    run((checkpoints(), any::<u16>()), |(written, upper)| {
        let read = block_on(foreign_round_trip(&written, upper));
        (vec![position(&written); 2], read)
    });
}

/// Partition and owner.
type Owner = (String, Option<String>);

fn owner(ownership: &PartitionOwnership) -> Owner {
    (ownership.partition_id().to_owned(), ownership.owner_id().map(str::to_owned))
}

#[maybe_async]
async fn ownership_round_trip(claimed: &PartitionOwnership) -> Vec<Owner> {
    let store = store(&BlobService::new("checkpoints"));
    let claims = store.claim_ownership(std::slice::from_ref(claimed)).await;
    assert!(claims.all_claimed(), "{claims:?}");
    let listing = store.list_ownership(&group()).await.unwrap();
    listing.iter().map(owner).collect()
}

#[test]
fn ownerships_come_back() {
    run(ownerships(), |claimed| {
        let read = block_on(ownership_round_trip(&claimed));
        (vec![owner(&claimed)], read)
    });
}

//! Microsoft's own stores and this one on one container: what either writes, the other reads and respects.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership};
use serde_json::{Value, json};

use super::subject::BlobCheckpointStore;
use super::support::azurite::Azurite;
use super::support::counterpart::{Counterpart, Kind};
use super::{maybe_async, test};

/// Every character that the service allows in the name of an event hub, which has up to 256 …
const HUB: &str = "Abcdefghijklmnopqrstuvwxyz.0123456789_aBCDEFGHIJKLMNOPQRSTUVWXYZ-0";
/// … and in the name of a consumer group, which has up to 50.
const GROUPS: [&str; 2] =
    ["Abcdefghijklmnopqrstuvwxyz.0123456789_aBCDEFGHIJ-0", "aKLMNOPQRSTUVWXYZ..--__Z"];

/// Every character that an owner id may have.
fn owner_of_all_characters() -> String {
    ('!'..='~').collect::<String>() + " x"
}

/// A group of their own for each part of a test, in the one container that both sides share.
fn groups() -> Vec<ConsumerGroup> {
    let mut groups = vec![
        ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default").unwrap(),
        ConsumerGroup::new("CONTOSO.ServiceBus.Windows.NET", "TELEMETRY", "GROUP").unwrap(),
    ];
    for name in GROUPS {
        groups.push(ConsumerGroup::new("n-0.servicebus.windows.net", HUB, name).unwrap());
    }
    // More than the service allows today.
    let names = ["a b%20+ü日<&>\"=#?~", "ΑΣ'()!*;:@,[]{}|^`"];
    groups.push(ConsumerGroup::new("localhost:5671", names[0], names[1]).unwrap());
    groups
}

/// Both sides, on one new container.
struct Pair {
    ours: BlobCheckpointStore,
    theirs: Counterpart,
}

#[maybe_async]
async fn pair(kind: Kind) -> Pair {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let container = format!("counterparts{}-{count}", std::process::id());
    let connection_string = Azurite::shared().connection_string();
    let ours = BlobCheckpointStore::from_connection_string(&connection_string, &container).unwrap();
    ours.create_container_if_not_exists().await.unwrap();
    Pair { ours, theirs: Counterpart::start(kind, &connection_string, &container) }
}

impl Pair {
    fn their_ownerships(&mut self, group: &ConsumerGroup) -> Vec<Value> {
        let listed = self.theirs.list_ownership(
            group.fully_qualified_namespace(),
            group.eventhub_name(),
            group.consumer_group(),
        );
        sorted(listed.unwrap())
    }

    fn their_checkpoints(&mut self, group: &ConsumerGroup) -> Vec<Value> {
        let listed = self.theirs.list_checkpoints(
            group.fully_qualified_namespace(),
            group.eventhub_name(),
            group.consumer_group(),
        );
        sorted(listed.unwrap())
    }

    /// The ownerships that they report afterwards, without those that they lost.
    fn they_claim(&mut self, ownerships: &[Value]) -> Vec<Value> {
        sorted(self.theirs.claim_ownership(ownerships).unwrap())
    }
}

fn sorted(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by_key(|item| item["partition_id"].as_str().unwrap().to_owned());
    items
}

/// The names of a record of theirs, without a version.
fn record(group: &ConsumerGroup, partition_id: &str) -> Value {
    json!({
        "fully_qualified_namespace": group.fully_qualified_namespace(),
        "eventhub_name": group.eventhub_name(),
        "consumer_group": group.consumer_group(),
        "partition_id": partition_id,
    })
}

fn their_claim(group: &ConsumerGroup, partition_id: &str, owner_id: &str) -> Value {
    let mut claim = record(group, partition_id);
    claim["owner_id"] = json!(owner_id);
    claim["etag"] = Value::Null;
    claim["last_modified_time"] = Value::Null;
    claim
}

fn owned_by(mut listed: Value, owner_id: &str) -> Value {
    listed["owner_id"] = json!(owner_id);
    listed
}

/// The version and the time of a record must be the same on both sides, and so must its names and its owner.
#[track_caller]
fn assert_same_ownership(theirs: &Value, ours: &PartitionOwnership) {
    assert_same_names(theirs, ours.group(), ours.partition_id());
    assert_eq!(
        theirs["owner_id"].as_str().unwrap_or_default(),
        ours.owner_id().unwrap_or_default()
    );
    assert_eq!(ETag::new(theirs["etag"].as_str().unwrap()).unwrap(), *ours.etag().unwrap());
    let seconds = ours.last_modified().unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert_eq!(theirs["last_modified_time"].as_f64(), Some(seconds));
}

#[track_caller]
fn assert_same_names(theirs: &Value, group: &ConsumerGroup, partition_id: &str) {
    let mut names = record(group, partition_id);
    for (name, value) in names.as_object_mut().unwrap() {
        assert_eq!(theirs[name], *value, "{name}");
    }
}

#[track_caller]
fn assert_same_checkpoint(theirs: &Value, ours: &Checkpoint) {
    assert_same_names(theirs, ours.group(), ours.partition_id());
    assert_eq!(theirs["offset"].as_str(), ours.offset());
    assert_eq!(theirs["sequence_number"].as_i64(), ours.sequence_number());
}

/// We list, respect and steal their claims, and they notice what they lost.
#[maybe_async]
async fn their_claims_reach_us(pair: &mut Pair, group: &ConsumerGroup) {
    let owner = owner_of_all_characters();
    let claims = ["0", "1"].map(|id| their_claim(group, id, &owner));
    let claimed = pair.they_claim(&claims);
    assert_eq!(claimed.len(), 2, "{claimed:?}");

    let listing = pair.ours.list_ownership(group).await.unwrap();
    assert_eq!((listing.len(), listing.skipped().len()), (2, 0));
    for (theirs, ours) in claimed.iter().zip(&listing) {
        assert_same_ownership(theirs, ours);
        assert_eq!(ours.owner_id(), Some(&*owner));
    }
    let first = listing.items()[0].clone().without_etag().claimed_by("ours").unwrap();
    let claims = pair.ours.claim_ownership(&[first]).await;
    assert_eq!(claims.lost().count(), 1, "{claims:?}");

    // They renew 0 behind the back of our listing: 0 is out of our reach, 1 is not.
    let renewed = pair.they_claim(&claimed[..1]);
    assert_eq!(renewed.len(), 1);
    let steal: Vec<_> = listing.iter().map(|listed| listed.claimed_by("ours").unwrap()).collect();
    let claims = pair.ours.claim_ownership(&steal).await;
    let lost: Vec<_> = claims.lost().map(PartitionOwnership::partition_id).collect();
    assert_eq!(lost, ["0"], "{claims:?}");
    let stolen = claims.into_claimed();
    assert_eq!(stolen.len(), 1);

    assert_eq!(pair.they_claim(&claimed[1..]), [] as [Value; 0], "they lost it");
    let listed = pair.their_ownerships(group);
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["owner_id"], json!(owner));
    assert_same_ownership(&listed[1], &stolen[0]);

    // They relinquish 0, as their load balancers do when they stop.
    let released = pair.they_claim(&[owned_by(renewed[0].clone(), "")]);
    assert_eq!(released.len(), 1);
    let listing = pair.ours.list_ownership(group).await.unwrap();
    assert_same_ownership(&released[0], &listing.items()[0]);
    assert_eq!(listing.items()[0].owner_id(), None);
    let taken = listing.items()[0].claimed_by("ours").unwrap();
    let claims = pair.ours.claim_ownership(&[taken]).await;
    assert!(claims.all_claimed(), "{claims:?}");
}

/// They list, respect and steal our claims, and we notice what we lost.
#[maybe_async]
async fn our_claims_reach_them(pair: &mut Pair, group: &ConsumerGroup) {
    let owner = owner_of_all_characters();
    let claims = ["5", "6"].map(|id| PartitionOwnership::new(group, id, &owner).unwrap());
    let claimed = pair.ours.claim_ownership(&claims).await.into_claimed();
    assert_eq!(claimed.len(), 2);

    let mut listed = pair.their_ownerships(group);
    listed.retain(|item| item["partition_id"].as_str() >= Some("5"));
    assert_eq!(listed.len(), 2);
    for (theirs, ours) in listed.iter().zip(&claimed) {
        assert_same_ownership(theirs, ours);
    }

    // We renew 5 behind the back of their listing: 5 is out of their reach, 6 is not.
    let renewed = pair.ours.claim_ownership(&claimed[..1]).await.into_claimed();
    let steal: Vec<_> = listed.iter().map(|listed| owned_by(listed.clone(), "theirs")).collect();
    let stolen = pair.they_claim(&steal);
    assert_eq!(stolen.len(), 1, "{stolen:?}");
    assert_eq!(stolen[0]["partition_id"], "6");

    let claims = pair.ours.claim_ownership(&claimed[1..]).await;
    assert_eq!(claims.lost().count(), 1, "{claims:?}");
    let claims = pair.ours.relinquish_ownership(&claimed[1..]).await;
    assert_eq!(claims.lost().count(), 1, "{claims:?}");
    let listing = pair.ours.list_ownership(group).await.unwrap();
    let ours = listing.iter().find(|item| item.partition_id() == "6").unwrap();
    assert_same_ownership(&stolen[0], ours);
    assert_eq!(ours.owner_id(), Some("theirs"));

    // We relinquish 5; they see that nobody has it, and take it.
    let released = pair.ours.relinquish_ownership(&renewed).await;
    let released: Vec<_> = released.released().cloned().collect();
    let listed = pair.their_ownerships(group);
    let relinquished = listed.iter().find(|item| item["partition_id"] == "5").unwrap();
    let nobody = if pair.theirs.kind() == Kind::JavaScript { json!("") } else { Value::Null };
    assert_eq!(relinquished["owner_id"], nobody);
    assert_same_ownership(relinquished, &released[0]);
    let taken = pair.they_claim(&[owned_by(relinquished.clone(), "theirs")]);
    assert_eq!(taken.len(), 1);
}

/// A first claim of theirs overwrites a record of ours: JavaScript sets no condition, and Python's one is without effect on
/// the emulator. Then our next renewal is lost, so there are never two owners that both go on.
#[maybe_async]
async fn a_first_claim_of_theirs_leaves_one_owner(pair: &mut Pair, group: &ConsumerGroup) {
    let claim = PartitionOwnership::new(group, "9", "ours").unwrap();
    let claimed = pair.ours.claim_ownership(&[claim]).await.into_claimed();
    let theirs = pair.they_claim(&[their_claim(group, "9", "theirs")]);
    assert_eq!(theirs.len(), 1);

    let renewed = pair.ours.claim_ownership(&claimed).await;
    assert_eq!(renewed.lost().count(), 1, "{renewed:?}");
    let listing = pair.ours.list_ownership(group).await.unwrap();
    let stored = listing.iter().find(|item| item.partition_id() == "9").unwrap();
    assert_same_ownership(&theirs[0], stored);
    assert_eq!(stored.owner_id(), Some("theirs"));
}

/// By partition.
const POSITIONS: [(&str, i64); 7] = [
    ("-1", 0),
    ("0", 0),
    ("2:-1:-1", 0),
    ("2:1:8589934592", 960_180),
    ("@latest", -1),
    // The last number that JavaScript can tell from the next one.
    ("9223372036854775807", (1 << 53) - 1),
    ("a b<&>\"'%+~", 1),
];

fn position(group: &ConsumerGroup, at: usize, (offset, sequence_number): (&str, i64)) -> Value {
    let mut checkpoint = record(group, &at.to_string());
    checkpoint["offset"] = json!(offset);
    checkpoint["sequence_number"] = json!(sequence_number);
    checkpoint
}

/// Whoever writes, both list it, and we also read it one by one.
#[maybe_async]
async fn assert_same_checkpoints(pair: &mut Pair, group: &ConsumerGroup, shift: usize) {
    let theirs = pair.their_checkpoints(group);
    let listing = pair.ours.list_checkpoints(group).await.unwrap();
    assert_eq!((theirs.len(), listing.skipped().len()), (POSITIONS.len(), 0));
    assert_eq!(listing.len(), POSITIONS.len());
    for (at, (theirs, ours)) in theirs.iter().zip(&listing).enumerate() {
        let (offset, sequence_number) = POSITIONS[(at + shift) % POSITIONS.len()];
        assert_eq!((ours.offset(), ours.sequence_number()), (Some(offset), Some(sequence_number)));
        assert_same_checkpoint(theirs, ours);
        let read = pair.ours.get_checkpoint(group, ours.partition_id()).await.unwrap();
        assert_eq!(read.as_ref(), Some(ours));
    }
}

#[maybe_async]
async fn checkpoints_are_the_same_for_both(pair: &mut Pair, group: &ConsumerGroup) {
    for (at, value) in POSITIONS.into_iter().enumerate() {
        pair.theirs.update_checkpoint(&position(group, at, value)).unwrap();
    }
    assert_same_checkpoints(pair, group, 0).await;

    // Every position over another one: ours over theirs, then theirs over ours.
    for at in 0..POSITIONS.len() {
        let (offset, sequence_number) = POSITIONS[(at + 1) % POSITIONS.len()];
        let checkpoint = Checkpoint::new(group, at.to_string(), offset, sequence_number).unwrap();
        pair.ours.update_checkpoint(&checkpoint).await.unwrap();
    }
    assert_same_checkpoints(pair, group, 1).await;
    for at in 0..POSITIONS.len() {
        let value = POSITIONS[(at + 2) % POSITIONS.len()];
        pair.theirs.update_checkpoint(&position(group, at, value)).unwrap();
    }
    assert_same_checkpoints(pair, group, 2).await;

    // And onto no blob at all.
    for (at, (offset, sequence_number)) in POSITIONS.into_iter().enumerate() {
        let deleted = pair.ours.delete_checkpoint(group, &at.to_string()).await.unwrap();
        assert!(deleted);
        let checkpoint = Checkpoint::new(group, at.to_string(), offset, sequence_number).unwrap();
        pair.ours.update_checkpoint(&checkpoint).await.unwrap();
    }
    assert_same_checkpoints(pair, group, 0).await;
}

#[maybe_async]
async fn both_directions(kind: Kind) {
    let mut pair = pair(kind).await;
    for group in groups() {
        their_claims_reach_us(&mut pair, &group).await;
        our_claims_reach_them(&mut pair, &group).await;
        a_first_claim_of_theirs_leaves_one_owner(&mut pair, &group).await;
        checkpoints_are_the_same_for_both(&mut pair, &group).await;
    }
}

#[maybe_async]
#[test]
async fn python_sync_in_both_directions() {
    both_directions(Kind::PythonSync).await;
}

#[maybe_async]
#[test]
async fn python_aio_in_both_directions() {
    both_directions(Kind::PythonAio).await;
}

#[maybe_async]
#[test]
async fn javascript_in_both_directions() {
    both_directions(Kind::JavaScript).await;
}

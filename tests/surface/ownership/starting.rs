//! Where reading of a won partition begins.

use std::time::UNIX_EPOCH;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::ownership::{StartingPosition, StartingPositions};
use eventhub_checkpointstore::{Checkpoint, ErrorKind, UpdateOutcome};

use super::super::subject::{BlobCheckpointStore, OwnershipManager};
use super::super::{checkpoint, group, maybe_async, test};
use super::{Act, Call, Model, partitions, won, won_partition};

#[maybe_async]
#[test]
async fn processing_starts_at_the_checkpoint_or_the_configured_position() {
    let model = Model::new();
    let number = Checkpoint::with_position(&group(), "1", None, Some(41)).unwrap();
    for stored in [checkpoint("0", "8589934592", 960_180), number] {
        model.store.update_checkpoint(&stored).await.unwrap();
    }
    let enqueued = StartingPosition::EnqueuedTime { enqueued_time: UNIX_EPOCH, inclusive: true };
    let positions = StartingPositions::new(StartingPosition::Latest)
        .with_partition("0", enqueued.clone())
        .with_partition("2", enqueued.clone());
    let a = model.consumer_with("a", OwnershipOptions::default(), positions);
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!(a.script.take_calls().last(), Some(&Call::ListCheckpoints));

    let start = |id| won_partition(&round, id).start.clone();
    let offset = StartingPosition::Offset { offset: "8589934592".into(), inclusive: false };
    assert_eq!(start("0"), offset, "the checkpoint counts more than what is configured");
    assert_eq!(
        start("1"),
        StartingPosition::SequenceNumber { sequence_number: 41, inclusive: false }
    );
    assert_eq!((start("2"), start("3")), (enqueued, StartingPosition::Latest));
    let stored = won_partition(&round, "0").checkpoint.as_ref().unwrap();
    assert_eq!(stored.sequence_number(), Some(960_180));
    assert!(won_partition(&round, "3").checkpoint.is_none());

    model.advance(15);
    a.script.take_calls();
    let _ = a.round(&partitions(4)).await.unwrap();
    assert!(!a.script.take_calls().contains(&Call::ListCheckpoints), "nothing was won");
}

#[maybe_async]
#[test]
async fn processing_starts_at_the_earliest_event_by_default() {
    let model = Model::new();
    let a = model.consumer("a");
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(won_partition(&round, "0").start, StartingPosition::Earliest);
}

/// A consumer that began at its default after a failed read would process everything again, or leave events out.
#[maybe_async]
#[test]
async fn a_failed_read_is_an_error_and_the_next_good_round_reports_the_partition() {
    let model = Model::new();
    model.store.update_checkpoint(&checkpoint("0", "100", 7)).await.unwrap();
    let a = model.consumer("a");
    a.script.set(|call| if *call == Call::ListCheckpoints { Act::Fail } else { Act::Pass });
    for _ in 0..2 {
        let error = a.round(&partitions(2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
        assert!(a.owned().is_empty() && !a.is_owned("0"), "nobody knows where to begin");
        model.advance(5);
    }
    a.script.clear();
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.owned.len()), (vec!["0", "1"], 2));
    let offset = StartingPosition::Offset { offset: "100".into(), inclusive: false };
    assert_eq!(won_partition(&round, "0").start, offset);
    assert_eq!(won_partition(&round, "1").start, StartingPosition::Earliest);
}

/// Another consumer has gone on meanwhile: what was read at the first time is no longer where reading begins.
#[maybe_async]
#[test]
async fn a_partition_that_is_won_again_begins_at_the_newest_checkpoint() {
    let model = Model::new();
    let a = model.consumer("a");
    model.store.update_checkpoint(&checkpoint("0", "100", 7)).await.unwrap();
    let _ = a.round(&partitions(1)).await.unwrap();
    model.advance(60);
    model.store.update_checkpoint(&checkpoint("0", "200", 8)).await.unwrap();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.revoked.len(), won(&round)), (1, vec!["0"]));
    let stored = won_partition(&round, "0").checkpoint.as_ref().unwrap();
    assert_eq!(stored.offset(), Some("200"));
}

/// Covers the time between a steal and the former owner's next round: the new owner's manager reads through its
/// fence, so nothing that the former owner still stores takes the partition back.
#[maybe_async]
#[test]
async fn a_checkpoint_of_the_former_owner_is_stale_behind_the_new_owners_fence() {
    let store = BlobCheckpointStore::in_memory();
    let (of_a, of_b) = (store.fenced(), store.fenced());
    let options = OwnershipOptions::default();
    let a =
        OwnershipManager::builder(of_a.clone(), &group(), "a").options(options).build().unwrap();
    let b =
        OwnershipManager::builder(of_b.clone(), &group(), "b").options(options).build().unwrap();
    let all = partitions(2);
    let _ = a.round(&all).await.unwrap();
    for id in &all {
        let update = of_a.update_checkpoint(&checkpoint(id, "5", 5)).await.unwrap();
        assert_eq!(update.outcome, UpdateOutcome::Written);
    }
    let round = b.round(&all).await.unwrap();
    let id = round.won[0].partition_id.as_str();
    assert!(a.is_owned(id), "it has not learned of the steal yet");
    let update = of_b.update_checkpoint(&checkpoint(id, "9", 9)).await.unwrap();
    assert_eq!(update.outcome, UpdateOutcome::Written);
    let update = of_a.update_checkpoint(&checkpoint(id, "7", 7)).await.unwrap();
    assert_eq!(update.outcome, UpdateOutcome::Stale);
}

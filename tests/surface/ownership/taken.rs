//! Readers that learn of a steal before the manager does.

use eventhub_checkpointstore::ownership::RevocationCause;

use super::super::{checkpoint, maybe_async, test};
use super::{Act, Call, Model, partitions, revoked, won, won_partition};

const TAKEN: RevocationCause = RevocationCause::Taken;

#[maybe_async]
#[test]
async fn a_partition_that_was_taken_ends_at_once() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    let stolen = b.round(&partitions(2)).await.unwrap();
    let id = won(&stolen)[0];
    a.note_taken(id);
    assert!(!a.is_owned(id) && a.owned().len() == 1);
    assert_eq!(revoked(&a.take_revoked()), [(id, TAKEN)]);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (1, 0, 0));
}

/// It was only a link of the past: the record is ours still, and reading begins anew at the newest checkpoint.
#[maybe_async]
#[test]
async fn a_partition_that_is_still_ours_is_won_again() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    model.store.update_checkpoint(&checkpoint("1", "200", 8)).await.unwrap();
    a.note_taken("1");
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((revoked(&round.revoked), won(&round)), (vec![("1", TAKEN)], vec!["1"]));
    let stored = won_partition(&round, "1").checkpoint.as_ref().unwrap();
    assert_eq!((stored.offset(), a.is_owned("1")), (Some("200"), true));
}

#[maybe_async]
#[test]
async fn only_owned_partitions_can_be_taken() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    a.note_taken("1");
    a.note_taken("");
    assert!(a.take_revoked().is_empty());
    a.note_taken("0");
    a.note_taken("0");
    assert_eq!(revoked(&a.take_revoked()), [("0", TAKEN)], "each is reported once");
    let released = a.relinquish_all(std::time::Duration::from_secs(5)).await;
    assert_eq!((released.all_released(), released.len()), (true, 1), "the record is ours still");
}

/// A renewal that was sent before the reader learned of it says nothing about who has the partition now.
#[maybe_async]
#[test]
async fn a_renewal_in_flight_does_not_bring_it_back() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    let manager = a.manager.clone();
    a.script.set(move |call| {
        if matches!(call, Call::Claim(_)) {
            manager.note_taken("0");
        }
        Act::Pass
    });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((revoked(&round.revoked), round.won.len()), (vec![("0", TAKEN)], 0));
    assert!(!a.is_owned("0"));
    a.script.clear();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(won(&round), ["0"], "the next list decides");
}

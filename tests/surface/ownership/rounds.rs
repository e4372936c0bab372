//! One round after the other: claims, renewals, losses, failures.

use std::sync::Arc;
use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::ownership::StartingPositions;
use eventhub_checkpointstore::ownership::balance::ClaimReason;
use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions, RevocationCause};

use super::super::subject::{BlobCheckpointStore, CheckpointStore, OwnershipManager};
use super::super::{group, maybe_async, test};
use super::{Act, Call, Model, partitions, revoked, won};

const TAKEN: RevocationCause = RevocationCause::Taken;

#[maybe_async]
#[test]
async fn a_consumer_alone_owns_all_and_keeps_them() {
    let model = Model::new();
    let a = model.consumer("a");
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!((won(&round), round.owned.len()), (vec!["0", "1", "2"], 3));
    assert_eq!((round.active_owners, round.share), (1, 3));
    assert!(round.revoked.is_empty() && round.lost.is_empty() && round.failed.is_empty());
    let due = round.next_round_in;
    assert!(due >= Duration::from_secs(12) && due <= Duration::from_secs(15), "{due:?}");
    assert!(a.is_owned("0") && !a.is_owned("3"));
    assert_eq!(a.owner_id(), "a");

    for _ in 0..20 {
        model.advance(15);
        let round = a.round(&partitions(3)).await.unwrap();
        assert_eq!((round.won.len(), round.revoked.len(), round.owned.len()), (0, 0, 3));
    }
}

#[maybe_async]
#[test]
async fn the_time_a_round_took_counts_for_the_next() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if *call == Call::ListOwnership { Act::Late(10) } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    let due = round.next_round_in;
    assert!(due >= Duration::from_secs(2) && due <= Duration::from_secs(5), "{due:?}");
    a.script.set(|call| if *call == Call::ListOwnership { Act::Late(20) } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(round.next_round_in, Duration::ZERO);
}

#[maybe_async]
#[test]
async fn a_newcomer_steals_its_share_and_the_former_owner_learns_of_it_once() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    model.advance(5);
    let stolen = b.round(&partitions(4)).await.unwrap();
    assert_eq!((stolen.won.len(), stolen.active_owners, stolen.share), (2, 2, 2));
    assert_eq!(a.owned().len(), 4, "by protocol it learns of a steal in its next round");

    model.advance(10);
    let round = a.round(&partitions(4)).await.unwrap();
    let expected: Vec<_> = won(&stolen).into_iter().map(|id| (id, TAKEN)).collect();
    assert_eq!(revoked(&round.revoked), expected);
    assert!(round.lost.is_empty(), "the list showed it, so no renewal was tried");
    assert_eq!(round.owned, a.owned());
    assert!(won(&stolen).iter().all(|id| !a.is_owned(id) && b.is_owned(id)));
    assert!(a.take_revoked().is_empty(), "each is reported once");
    for _ in 0..5 {
        model.advance(15);
        for consumer in [&a, &b] {
            let round = consumer.round(&partitions(4)).await.unwrap();
            assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (2, 0, 0));
        }
    }
}

#[maybe_async]
#[test]
async fn a_balanced_consumer_takes_one_in_a_round() {
    let model = Model::new();
    let options = OwnershipOptions::default().with_strategy(BalanceStrategy::Balanced);
    let a = model.consumer_with("a", options, StartingPositions::default());
    for owned in 1..=3 {
        let round = a.round(&partitions(3)).await.unwrap();
        assert_eq!((round.won.len(), round.owned.len()), (1, owned));
        model.advance(15);
    }
}

#[maybe_async]
#[test]
async fn a_renewal_that_is_lost_ends_the_ownership_at_once() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.set(|call| match call {
        Call::Claim(id) if id == "1" => Act::Rival("b"),
        _ => Act::Pass,
    });
    let round = a.round(&partitions(2)).await.unwrap();
    let lost: Vec<_> = round.lost.iter().map(|it| (it.partition_id(), &it.reason)).collect();
    assert_eq!(lost, [("1", &ClaimReason::Renewal)]);
    assert_eq!(revoked(&round.revoked), [("1", TAKEN)]);
    assert_eq!((round.owned, a.is_owned("1")), (vec!["0".to_owned()], false));
}

#[maybe_async]
#[test]
async fn spare_claims_take_the_places_of_lost_ones() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = b.round(&partitions(1)).await.unwrap();
    let mut rivals = 2;
    a.script.set(move |call| match call {
        Call::Claim(_) if rivals > 0 => {
            rivals -= 1;
            Act::Rival("c")
        }
        _ => Act::Pass,
    });
    let round = a.round(&partitions(9)).await.unwrap();
    // Five of nine are its share, and eight were free.
    assert_eq!((round.share, round.lost.len(), round.won.len()), (5, 2, 5));
    assert!(round.revoked.is_empty(), "what was never ours cannot be taken from us");
}

#[maybe_async]
#[test]
async fn a_claim_that_failed_is_not_replaced() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = b.round(&partitions(1)).await.unwrap();
    let mut failures = 2;
    a.script.set(move |call| match call {
        Call::Claim(_) if failures > 0 => {
            failures -= 1;
            Act::LoseResponse
        }
        _ => Act::Pass,
    });
    let round = a.round(&partitions(9)).await.unwrap();
    assert_eq!((round.share, round.failed.len(), round.won.len()), (5, 2, 3));
    let round = a.round(&partitions(9)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len()), (5, 2), "those were ours after all");
}

#[maybe_async]
#[test]
async fn a_failed_claim_is_neither_won_nor_lost() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| match call {
        Call::Claim(id) if id == "1" => Act::Fail,
        _ => Act::Pass,
    });
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!((won(&round), round.lost.len()), (vec!["0", "2"], 0));
    let failed = &round.failed[0];
    assert_eq!((failed.claim.partition_id(), failed.error.kind()), ("1", ErrorKind::Service));
    assert_eq!(failed.claim.reason, ClaimReason::Unclaimed);

    a.script.clear();
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!(won(&round), ["1"]);
}

#[maybe_async]
#[test]
async fn a_claim_whose_response_was_lost_is_won_by_the_next_round() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| match call {
        Call::Claim(id) if id == "1" => Act::LoseResponse,
        _ => Act::Pass,
    });
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.failed.len(), a.is_owned("1")), (vec!["0"], 1, false));
    a.script.clear();
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.owned.len()), (vec!["1"], 2));
}

#[maybe_async]
#[test]
async fn a_failed_list_fails_the_round_and_changes_nothing() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    a.script.set(|_| Act::Fail);
    model.advance(15);
    let error = a.round(&partitions(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(a.script.take_calls(), [Call::ListOwnership]);
    assert_eq!(a.owned(), ["0", "1"]);
    let retry = a.retry_in();
    assert!(retry >= Duration::from_secs(4) && retry <= Duration::from_secs(5), "{retry:?}");
}

/// A secondary lags behind by minutes: it shows records as they were before they were ours, or older than they are.
#[maybe_async]
#[test]
async fn a_list_that_lags_behind_does_not_undo_what_is_known() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = b.round(&partitions(4)).await.unwrap();
    a.script.set(|call| if *call == Call::ListOwnership { Act::Keep } else { Act::Pass });
    model.advance(5);
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!(round.won.len(), 2);
    a.script.set(|call| if *call == Call::ListOwnership { Act::Stale } else { Act::Pass });
    for _ in 0..3 {
        model.advance(15);
        let round = a.round(&partitions(4)).await.unwrap();
        assert_eq!((round.owned.len(), round.revoked.len(), round.lost.len()), (2, 0, 0));
    }
}

/// The records that a consumer has just written are missing there, and those of others look free.
#[maybe_async]
#[test]
async fn a_list_that_lags_behind_is_only_good_for_renewals() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    a.script.set(|call| if *call == Call::ListOwnership { Act::Keep } else { Act::Pass });
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    a.script.clear();
    let owned = a.round(&partitions(4)).await.unwrap().owned;
    assert_eq!(owned.len(), 2);
    a.script.set(|call| if *call == Call::ListOwnership { Act::Stale } else { Act::Pass });
    for _ in 0..3 {
        model.advance(15);
        a.script.take_calls();
        let round = a.round(&partitions(4)).await.unwrap();
        assert_eq!((&round.owned, round.revoked.len(), round.lost.len()), (&owned, 0, 0));
        let renewals: Vec<_> = owned.iter().cloned().map(Call::Claim).collect();
        assert_eq!(a.script.take_calls(), [vec![Call::ListOwnership], renewals].concat());
    }
}

/// The known version is tried, and whoever has taken the partition since then has replaced it.
#[maybe_async]
#[test]
async fn a_list_that_lags_behind_does_not_hide_a_lost_renewal() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if *call == Call::ListOwnership { Act::Keep } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| match call {
        Call::ListOwnership => Act::Stale,
        _ => Act::Rival("b"),
    });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((revoked(&round.revoked), round.lost.len()), (vec![("0", TAKEN)], 1));
}

/// A renewal whose response was lost has perhaps made a version that only the primary shows: with the old one it would
/// count as lost.
#[maybe_async]
#[test]
async fn a_list_that_lags_behind_resolves_no_unknown_outcome() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    model.advance(15);
    a.script.set(|call| match call {
        Call::ListOwnership => Act::Keep,
        _ => Act::LoseResponse,
    });
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if *call == Call::ListOwnership { Act::Stale } else { Act::Pass });
    model.advance(15);
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.owned.len(), round.lost.len(), round.failed.len()), (1, 0, 0));
    a.script.clear();
    model.advance(15);
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (1, 0, 0));
}

#[maybe_async]
#[test]
async fn partitions_are_added_while_consumers_run() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    let _ = a.round(&partitions(4)).await.unwrap();
    model.advance(15);
    let round = a.round(&partitions(8)).await.unwrap();
    assert_eq!((round.share, round.won.len(), round.owned.len()), (4, 2, 4));
    let round = b.round(&partitions(8)).await.unwrap();
    assert_eq!((round.share, round.won.len(), round.owned.len()), (4, 2, 4));
}

/// The other one's list of partitions is old, and it would never take those that are left for it.
#[maybe_async]
#[test]
async fn added_partitions_that_another_does_not_know_of_do_not_stay_unread() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    for _ in 0..10 {
        let round = a.round(&partitions(8)).await.unwrap();
        assert_eq!(round.owned.len(), 4, "its share; the others are for b to take");
        let _ = b.round(&partitions(4)).await.unwrap();
        model.advance(15);
    }
    let round = a.round(&partitions(8)).await.unwrap();
    assert_eq!((round.won.len(), round.owned.len(), b.owned().len()), (2, 6, 2));
}

#[maybe_async]
#[test]
async fn a_partition_that_is_no_longer_named_ends_with_its_lease() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(3)).await.unwrap();
    for _ in 0..3 {
        model.advance(15);
        let round = a.round(&partitions(2)).await.unwrap();
        assert_eq!((round.owned.len(), round.revoked.len(), round.share), (3, 0, 2));
    }
    model.advance(15);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!(revoked(&round.revoked), [("2", RevocationCause::Lapsed)]);
    assert_eq!(round.owned, ["0", "1"]);
    let released = a.relinquish_all(Duration::from_secs(5)).await;
    assert_eq!((released.all_released(), released.len()), (true, 3), "the records are ours still");
}

/// A caller whose list of partitions failed would lose everything without a word.
#[maybe_async]
#[test]
async fn a_round_without_partitions_is_refused_and_sends_nothing() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    let error = a.round::<&str>(&[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!((a.script.take_calls(), a.owned().len()), (vec![], 2));
}

#[maybe_async]
#[test]
async fn a_boxed_or_shared_store_works() {
    let store = BlobCheckpointStore::in_memory();
    let shared: Arc<dyn CheckpointStore> = Arc::new(store.clone());
    let boxed: Box<dyn CheckpointStore> = Box::new(store);
    let options = OwnershipOptions::default();
    let a = OwnershipManager::builder(shared, &group(), "a").options(options).build().unwrap();
    let b = OwnershipManager::builder(boxed, &group(), "b").options(options).build().unwrap();
    let _ = a.round(&partitions(2)).await.unwrap();
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!((round.won.len(), round.active_owners), (1, 2));
}

#[maybe_async]
#[test]
async fn a_restarted_consumer_that_kept_its_id_goes_on_at_once() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    let owned = a.round(&partitions(4)).await.unwrap().owned;
    drop(a);
    model.advance(30);
    let restarted = model.consumer("a");
    let round = restarted.round(&partitions(4)).await.unwrap();
    assert_eq!(won(&round), owned);
}

#[maybe_async]
#[test]
async fn ids_that_cannot_be_stored_are_refused() {
    let model = Model::new();
    let options = OwnershipOptions::default();
    for owner_id in ["", " a", "a\n"] {
        let refused = OwnershipManager::builder(model.store.clone(), &group(), owner_id)
            .options(options)
            .build();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let a = model.consumer("a");
    let error = a.round(&["a/b"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(won(&round), ["0"]);
}

//! The end of a consumer.

use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;

use super::super::{block_on, maybe_async, test};
use super::{Act, Call, Model, partitions, won};

const LIMIT: Duration = Duration::from_secs(5);

#[maybe_async]
#[test]
async fn another_consumer_takes_them_in_its_next_round() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    let _ = a.round(&partitions(4)).await.unwrap();
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.all_released(), released.len()), (true, 2));
    assert!(a.owned().is_empty());
    assert!(a.take_revoked().is_empty(), "who gave it up knows");
    let round = b.round(&partitions(4)).await.unwrap();
    assert_eq!((round.won.len(), round.owned.len()), (2, 4));
    let again = a.relinquish_all(LIMIT).await;
    assert!(again.is_empty(), "nothing is left to give up");
}

#[maybe_async]
#[test]
async fn records_taken_by_others_are_left_alone() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    let _ = b.round(&partitions(4)).await.unwrap();
    // It has not learned of the steals yet.
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.released().count(), released.lost().count()), (2, 2));
    let round = b.round(&partitions(4)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (4, 2, 0));
}

/// Others took it after its lease had ended; a record that is known to be another's is not touched any more.
#[maybe_async]
#[test]
async fn expired_records_that_were_taken_are_forgotten() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    model.advance(121);
    assert_eq!(a.take_revoked().len(), 2);
    let _ = b.round(&partitions(2)).await.unwrap();
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.released().count(), released.len()), (a.script.take_calls().len(), 1));
}

/// The renewals were applied, but nobody heard of it: the list of the next round shows the versions.
#[maybe_async]
#[test]
async fn renewals_whose_responses_were_lost_are_given_up_too() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    let mut claims = 0;
    a.script.set(move |call| match call {
        Call::Claim(_) => {
            claims += 1;
            if claims <= 2 { Act::LoseResponse } else { Act::Fail }
        }
        _ => Act::Pass,
    });
    for _ in 0..2 {
        model.advance(15);
        let round = a.round(&partitions(2)).await.unwrap();
        assert_eq!(round.failed.len(), 2);
    }
    let released = a.relinquish_all(LIMIT).await;
    assert!(released.all_released() && released.len() == 2, "{released:?}");
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!(won(&round), ["0", "1"]);
}

/// No later round tells of them: the stop looks for itself, once.
#[maybe_async]
#[test]
async fn a_stop_finds_out_whether_claims_with_lost_responses_were_applied() {
    for first_claims in [true, false] {
        let model = Model::new();
        let (a, b) = (model.consumer("a"), model.consumer("b"));
        if !first_claims {
            let _ = a.round(&partitions(3)).await.unwrap();
            model.advance(15);
        }
        a.script.set(|call| match call {
            Call::Claim(id) if id != "2" => Act::LoseResponse,
            _ => Act::Pass,
        });
        let round = a.round(&partitions(3)).await.unwrap();
        assert_eq!(round.failed.len(), 2);
        a.script.take_calls();
        let released = a.relinquish_all(LIMIT).await;
        assert!(released.all_released() && released.len() == 3, "{released:?}");
        let relinquish = |id: &str| Call::Relinquish(id.to_owned());
        let calls = [relinquish("2"), Call::ListOwnership, relinquish("0"), relinquish("1")];
        assert_eq!(a.script.take_calls(), calls);
        let round = b.round(&partitions(3)).await.unwrap();
        assert_eq!((won(&round), round.active_owners), (vec!["0", "1", "2"], 1));
        let again = a.relinquish_all(LIMIT).await;
        assert!(again.is_empty() && a.script.take_calls().is_empty(), "no outcome is unknown");
    }
}

/// Only the stored records count: given up, taken by another, or never claimed.
#[maybe_async]
#[test]
async fn a_stop_whose_own_responses_were_lost_finds_out_too() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    a.script.set(|call| match call {
        Call::Relinquish(id) if id == "0" => Act::LoseResponse,
        _ => Act::Pass,
    });
    let released = a.relinquish_all(LIMIT).await;
    assert!(released.all_released() && released.len() == 2, "{released:?}");
    assert_eq!(a.script.take_calls().last(), Some(&Call::ListOwnership));
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!(round.won.len(), 2);
}

#[maybe_async]
#[test]
async fn an_outcome_stays_unknown_until_the_primary_is_listed() {
    for act in [Act::Fail, Act::Stale] {
        let model = Model::new();
        let (a, b) = (model.consumer("a"), model.consumer("b"));
        let _ = a.round(&partitions(2)).await.unwrap();
        a.script.set(move |call| match call {
            Call::ListOwnership => act.clone(),
            _ => Act::LoseResponse,
        });
        let released = a.relinquish_all(LIMIT).await;
        let unknown = released.failed().filter(|(_, error)| error.is_outcome_unknown()).count();
        assert_eq!((released.len(), unknown), (2, 2));
        a.script.clear();
        let round = b.round(&partitions(1)).await.unwrap();
        assert_eq!(won(&round), ["0"]);
        a.script.take_calls();
        let again = a.relinquish_all(LIMIT).await;
        assert_eq!((again.released().count(), again.lost().count()), (1, 1));
        assert_eq!(a.script.take_calls(), [Call::ListOwnership]);
    }
}

#[maybe_async]
#[test]
async fn an_unknown_claim_that_was_not_applied_is_not_reported() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Vanish } else { Act::Pass });
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!(round.failed.len(), 2);
    let released = a.relinquish_all(LIMIT).await;
    assert!(released.is_empty(), "{released:?}");
}

#[maybe_async]
#[test]
async fn an_outcome_settled_by_a_later_round_costs_a_stop_nothing() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| match call {
        Call::Claim(id) if id == "1" => Act::Vanish,
        _ => Act::Pass,
    });
    let _ = a.round(&partitions(2)).await.unwrap();
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.take_calls();
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.all_released(), released.len()), (true, 1), "{released:?}");
    assert_eq!(a.script.take_calls(), [Call::Relinquish("0".to_owned())]);
}

/// A list that fails does not keep back what is surely ours.
#[maybe_async]
#[test]
async fn records_of_known_version_are_released_first() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| match call {
        Call::Claim(id) if id == "0" => Act::LoseResponse,
        _ => Act::Pass,
    });
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.set(|call| if *call == Call::ListOwnership { Act::Fail } else { Act::Pass });
    let released = a.relinquish_all(LIMIT).await;
    let failed: Vec<_> =
        released.failed().map(|(record, error)| (record.partition_id(), error.kind())).collect();
    assert_eq!((released.released().count(), failed), (1, vec![("0", ErrorKind::Service)]));
}

/// A request of an earlier round reaches the service between the list and the relinquish.
#[maybe_async]
#[test]
async fn a_late_renewal_of_our_own_is_not_taken_for_another_consumer() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::LoseResponse } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    let mut is_late = true;
    a.script.set(move |call| match call {
        Call::Relinquish(_) if std::mem::take(&mut is_late) => Act::Rival("a"),
        _ => Act::Pass,
    });
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.all_released(), released.len()), (true, 1), "{released:?}");
    let round = b.round(&partitions(1)).await.unwrap();
    assert_eq!(won(&round), ["0"]);
}

/// As if one were late after each list: at the end nobody knows, and no other consumer is to blame.
#[maybe_async]
#[test]
async fn releases_lost_to_own_late_requests_stay_unknown() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| match call {
        Call::Claim(_) => Act::LoseResponse,
        Call::Relinquish(_) => Act::Rival("a"),
        _ => Act::Pass,
    });
    let _ = a.round(&partitions(1)).await.unwrap();
    let released = a.relinquish_all(LIMIT).await;
    let unknown = released.failed().filter(|(_, error)| error.is_outcome_unknown()).count();
    assert_eq!((released.len(), unknown), (1, 1), "{released:?}");
    a.script.clear();
    let again = a.relinquish_all(LIMIT).await;
    assert_eq!((again.all_released(), again.len()), (true, 1), "{again:?}");
}

#[maybe_async]
#[test]
async fn failed_releases_can_be_retried() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.set(|call| match call {
        Call::Relinquish(id) if id == "1" => Act::Fail,
        _ => Act::Pass,
    });
    let released = a.relinquish_all(LIMIT).await;
    assert_eq!((released.released().count(), released.failed().count()), (1, 1));
    assert!(a.owned().is_empty(), "nothing is owned from the beginning on");
    a.script.clear();
    let again = a.relinquish_all(LIMIT).await;
    assert_eq!((again.all_released(), again.len()), (true, 1));
}

#[maybe_async]
#[test]
async fn without_time_left_nothing_is_sent() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    let released = a.relinquish_all(Duration::ZERO).await;
    let kinds: Vec<_> = released.failed().map(|(_, error)| error.kind()).collect();
    assert_eq!(kinds, [ErrorKind::Timeout; 2]);
    assert_eq!((a.script.take_calls(), a.owned().len()), (vec![], 0));
    let forever = a.relinquish_all(Duration::MAX).await;
    assert_eq!((forever.all_released(), forever.len()), (true, 2));
}

#[maybe_async]
#[test]
async fn a_later_round_joins_again() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    let released = a.relinquish_all(LIMIT).await;
    assert!(released.all_released());
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!(won(&round), ["0", "1"]);
}

/// Some of them, for example to hand over what another machine should read. They stay with others for an expiration.
#[maybe_async]
#[test]
async fn some_partitions_are_given_up_and_left_to_others() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(4)).await.unwrap();
    a.script.take_calls();
    let released = a.relinquish(&["1", "3", "none"], LIMIT).await;
    let calls = a.script.take_calls();
    assert_eq!(calls, [Call::Relinquish("1".into()), Call::Relinquish("3".into())]);
    assert_eq!((released.all_released(), released.len()), (true, 2));
    assert_eq!(a.owned(), ["0", "2"]);
    assert!(a.take_revoked().is_empty(), "who gave it up knows");
    // Alone, this consumer would take all of them.
    model.advance(15);
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (2, 0, 0));
    let round = b.round(&partitions(4)).await.unwrap();
    assert_eq!(won(&round), ["1", "3"]);
    let again = a.relinquish(&["1"], LIMIT).await;
    assert!(again.is_empty(), "it belongs to another consumer");

    let nothing = b.relinquish(&["1"], Duration::ZERO).await;
    assert_eq!(nothing.failed().count(), 1, "no time is left");
    assert_eq!(b.owned(), ["3"], "but it is not owned any more");
    let rest = b.relinquish_all(LIMIT).await;
    assert_eq!((rest.all_released(), rest.len()), (true, 2));

    // Nobody took them, and the expiration is over.
    for _ in 0..9 {
        model.advance(15);
        let _ = a.round(&partitions(4)).await.unwrap();
    }
    assert_eq!(a.owned().len(), 4);
}

#[maybe_async]
#[test]
async fn a_round_in_progress_does_not_bring_back_what_is_given_up() {
    for given_up in ["0", "3"] {
        let model = Model::new();
        let a = model.consumer("a");
        let _ = a.round(&partitions(4)).await.unwrap();
        let manager = a.manager.clone();
        let mut is_first = true;
        // At the first renewal of the round: this one is in flight, the others are not.
        a.script.set(move |call| {
            if matches!(call, Call::Claim(_)) && std::mem::take(&mut is_first) {
                // Without time, so that nothing is sent.
                let outcomes = block_on(manager.relinquish(&[given_up], Duration::ZERO));
                assert_eq!(outcomes.released().count(), 0);
            }
            Act::Pass
        });
        model.advance(15);
        let round = a.round(&partitions(4)).await.unwrap();
        assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (3, 0, 0));
        assert!(!a.is_owned(given_up));
        a.script.clear();
        let rest = a.relinquish_all(LIMIT).await;
        assert!(rest.all_released(), "{rest:?}");
        let round = model.consumer("b").round(&partitions(4)).await.unwrap();
        assert_eq!(round.won.len(), 4, "{given_up}: nothing of it is left");
    }
}

/// A consumer that finishes its work keeps what it has, and takes nothing.
#[maybe_async]
#[test]
async fn a_renewal_claims_nothing() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    let _ = b.round(&partitions(2)).await.unwrap();
    let round = a.round(&partitions(2)).await.unwrap();
    let kept = round.owned[0].as_str();
    // The other consumer is gone, so a round would take its partition.
    for _ in 0..5 {
        model.advance(30);
        a.script.take_calls();
        let round = a.renew(&partitions(2)).await.unwrap();
        assert_eq!((round.owned, round.won.len()), (vec![kept.to_owned()], 0));
        assert_eq!(a.script.take_calls(), [Call::ListOwnership, Call::Claim(kept.to_owned())]);
    }
    // What another one took is given up.
    let c = model.consumer("c");
    let _ = c.round(&[kept]).await.unwrap();
    model.advance(200);
    let _ = c.round(&[kept]).await.unwrap();
    let round = a.renew(&[kept]).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (0, 0, 1));
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!(round.won.len(), 1, "a round does claim");
}

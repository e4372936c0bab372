//! What hangs holds up nothing else, and what cannot be started is not kept from others.

use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::ownership::balance::ClaimReason;

use super::super::support::blob_service::Fault;
use super::super::{at_once, checkpoint, maybe_async, test};
use super::served::{Served, kind};
use super::{Act, Call, Model, partitions, won};

/// Limits of a round are shorter by that, so that no test waits for long. A claim whose response comes has a second,
/// which a busy machine may need.
const HASTE: u32 = 5;
const CHECKPOINT_2: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/2";

fn id_of(target: &str) -> Option<usize> {
    let (_, id) = target.split_once("ownership/").or_else(|| target.split_once("ownership%2F"))?;
    id.split(['?', '&']).next()?.parse().ok()
}

/// Writes to records from that one on are never answered, everything else at once.
fn hang_writes(served: &Served, from: usize) {
    served.service.inject(move |request| match (kind(request), id_of(&request.target)) {
        ("create" | "renew", Some(id)) if id >= from => Fault::HangBefore,
        _ => Fault::None,
    });
}

#[maybe_async]
#[test]
async fn a_claim_that_hangs_keeps_nothing_else_from_being_started() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    served.set_haste(HASTE);
    hang_writes(&served, 7);
    let round = a.round(&partitions(8)).await.unwrap();
    assert_eq!((won(&round), round.owned.len()), (vec!["0", "1", "2", "3", "4", "5", "6"], 7));
    for _ in 0..7 {
        served.advance(15);
        let round = a.round(&partitions(8)).await.unwrap();
        assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (7, 0, 0));
        let [failed] = &round.failed[..] else { panic!("{round:?}") };
        assert_eq!((failed.claim.partition_id(), failed.error.kind()), ("7", ErrorKind::Timeout));
        assert!(failed.error.to_string().contains("ownership/7"), "{}", failed.error);
    }
}

#[maybe_async]
#[test]
async fn a_renewal_that_hangs_keeps_no_other_from_being_renewed() {
    // Side by side, because they wait.
    let _done = at_once(vec![16, 4], |concurrency| async move {
        let served = Served::new();
        let store = served.store_with(0, |builder| builder.claim_concurrency(concurrency));
        let a = served.consumer_over(Box::new(store), "a");
        let all = partitions(32);
        let first = a.round(&all).await.unwrap();
        assert_eq!(first.won.len(), 32);
        served.set_haste(HASTE);
        hang_writes(&served, 16);
        for round in 1..=8 {
            served.advance(15);
            let told = a.round(&all).await.unwrap();
            let owned = if round < 4 { 32 } else { 16 };
            assert_eq!((told.owned.len(), told.won.len()), (owned, 0), "round {round}");
            assert!((0..16).all(|id| a.is_owned(&id.to_string())), "round {round}: {told:?}");
            assert_eq!(told.failed.len(), 16, "round {round}: {told:?}");
        }
    })
    .await;
}

/// The same with one request at a time, by the model's clock, in which the ones that hang take all of it.
#[maybe_async]
#[test]
async fn many_renewals_that_hang_one_after_the_other() {
    let model = Model::new();
    let a = model.consumer("a");
    let all = partitions(32);
    let first = a.round(&all).await.unwrap();
    assert_eq!(first.won.len(), 32);
    a.script.set(|call| match call {
        Call::Claim(id) if id.parse::<usize>().unwrap() < 16 => Act::Hang,
        _ => Act::Pass,
    });
    let started = model.elapsed();
    model.advance(15);
    while model.elapsed() - started < Duration::from_secs(300) {
        let before = model.elapsed();
        let round = a.round(&all).await.unwrap();
        let took = model.elapsed() - before;
        assert!(took <= Duration::from_secs(15), "{took:?}");
        assert!((16..32).all(|id| a.is_owned(&id.to_string())), "{round:?}");
        model.advance(round.next_round_in.as_secs() + 1);
    }
    assert_eq!(a.owned().len(), 16);
}

/// No request hangs, but a round has no time for all of them. What it has won it reports.
#[maybe_async]
#[test]
async fn slow_claims_are_started_as_they_are_won_and_all_of_them_in_the_end() {
    let model = Model::new();
    let a = model.consumer("a");
    let all = partitions(8);
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Late(3) } else { Act::Pass });
    let round = a.round(&all).await.unwrap();
    assert_eq!((round.won.len(), round.failed.len()), (3, 5));
    assert!(round.failed.iter().all(|it| it.error.to_string().contains(it.claim.partition_id())));
    assert_eq!(round.next_round_in, Duration::ZERO, "there is more to do");
    for second in 0..20 {
        let round = a.round(&all).await.unwrap();
        assert!(round.revoked.is_empty(), "round {second}: {round:?}");
        model.advance(round.next_round_in.as_secs());
    }
    assert_eq!(a.owned(), all);
}

/// A list of the checkpoints that hangs uses up its own time only, and is tried again.
#[maybe_async]
#[test]
async fn a_read_of_the_checkpoints_that_hangs_costs_no_renewal() {
    let model = Model::new();
    let a = model.consumer("a");
    let first = a.round(&partitions(2)).await.unwrap();
    assert_eq!(first.won.len(), 2);
    a.script.set(|call| if *call == Call::ListCheckpoints { Act::Hang } else { Act::Pass });
    for _ in 0..6 {
        let error = a.round(&partitions(3)).await.unwrap_err();
        assert_eq!((error.kind(), a.owned().len()), (ErrorKind::Timeout, 2));
        model.advance(a.retry_in().as_secs());
    }
    a.script.clear();
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!(won(&round), ["2"]);
}

#[maybe_async]
#[test]
async fn one_damaged_checkpoint_holds_up_no_other_partition() {
    let served = Served::new();
    let strict = served.store_with(0, |builder| builder.fail_on_unreadable(true));
    strict.update_checkpoint(&checkpoint("1", "100", 7)).await.unwrap();
    served.service.put(CHECKPOINT_2, &[("sequencenumber", "seven")]);
    let a = served.consumer_over(Box::new(strict), "a");
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!((won(&round), &round.owned), (vec!["0", "1", "3"], &a.owned()));
    assert_eq!(round.won[1].checkpoint.as_ref().unwrap().offset(), Some("100"));
    let [unstarted] = &round.unstarted[..] else { panic!("{round:?}") };
    let told = (unstarted.partition_id.as_str(), unstarted.error.kind());
    assert_eq!(told, ("2", ErrorKind::InvalidData));
    assert!(unstarted.error.to_string().contains("checkpoint/2"), "{}", unstarted.error);
    assert!(!a.is_owned("2") && round.failed.is_empty());

    // Mended, it is started.
    served.service.delete(CHECKPOINT_2);
    served.advance(15);
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!(won(&round), ["2"]);
}

#[maybe_async]
#[test]
async fn a_partition_that_cannot_be_started_is_left_to_others_after_an_expiration() {
    let served = Served::new();
    let strict = served.store_with(0, |builder| builder.fail_on_unreadable(true));
    served.service.put(CHECKPOINT_2, &[("sequencenumber", "seven")]);
    let a = served.consumer_over(Box::new(strict), "a");
    let _ = a.round(&partitions(4)).await.unwrap();
    for _ in 0..7 {
        served.advance(15);
        let round = a.round(&partitions(4)).await;
        assert!(round.is_err(), "nothing could be started: {round:?}");
        assert_eq!(a.owned().len(), 3);
    }
    served.advance(15);
    let round = a.round(&partitions(4)).await.unwrap();
    assert_eq!((round.owned.len(), round.revoked.len()), (3, 0), "nobody was told that it was won");
    let lenient = served.consumer("b", 0);
    let round = lenient.round(&partitions(4)).await.unwrap();
    assert!(won(&round).contains(&"2"), "{round:?}");

    // Alone again, it tries again: a partition without a reader is worse.
    let released = lenient.relinquish_all(Duration::from_secs(5)).await;
    assert!(released.all_released());
    served.service.delete(CHECKPOINT_2);
    served.advance(60);
    let round = a.round(&partitions(4)).await.unwrap();
    assert!(!won(&round).contains(&"2"), "others have their turn first");
    served.advance(60);
    let round = a.round(&partitions(4)).await.unwrap();
    assert!(won(&round).contains(&"2"));
}

/// Hung claims are not replaced, and a consumer that joins works on what it has taken.
#[maybe_async]
#[test]
async fn a_consumer_that_joins_works_on_what_it_steals() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 0), served.consumer("b", 0));
    let _ = a.round(&partitions(8)).await.unwrap();
    served.set_haste(HASTE);
    served.service.inject(move |request| match (kind(request), id_of(&request.target)) {
        ("renew", Some(id)) if id >= 6 => Fault::HangBefore,
        _ => Fault::None,
    });
    let round = b.round(&partitions(8)).await.unwrap();
    let stolen = |reason: &ClaimReason| matches!(reason, ClaimReason::Stolen { .. });
    assert!(round.failed.iter().all(|failed| stolen(&failed.claim.reason)), "{round:?}");
    assert_eq!(round.won.len() + round.failed.len(), 4);
    assert!(round.won.len() >= 2 && round.owned.len() == round.won.len(), "{round:?}");
}

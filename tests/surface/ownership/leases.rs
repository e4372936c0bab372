//! Until when an owner may believe in its ownership if renewals fail, and that no other has the partition by then.

use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::ownership::StartingPositions;
use eventhub_checkpointstore::ownership::{OwnershipOptions, RevocationCause};

use super::super::{maybe_async, test};
use super::{Act, Call, Consumer, Model, partitions, revoked, won};

const LAPSED: RevocationCause = RevocationCause::Lapsed;

#[maybe_async]
#[test]
async fn without_renewals_a_lease_ends_before_others_may_take_it() {
    let model = Model::new();
    let (a, b) = (model.consumer("a"), model.consumer("b"));
    let _ = a.round(&partitions(2)).await.unwrap();
    model.advance(54);
    assert_eq!((a.owned().len(), a.take_revoked().len()), (2, 0));
    model.advance(1);
    assert!(a.owned().is_empty() && !a.is_owned("0"));
    let expected = [("0", LAPSED), ("1", LAPSED)];
    assert_eq!(revoked(&a.take_revoked()), expected);
    assert!(a.take_revoked().is_empty(), "each is reported once");

    // For others of this crate the records live for another 65 s.
    model.advance(65);
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!(
        (round.active_owners, round.won.len()),
        (2, 1),
        "stolen as a fair share, not expired"
    );
    model.advance(1);
    let round = b.round(&partitions(2)).await.unwrap();
    assert_eq!(won(&round).len(), 1, "the other one expired");
}

/// The margin is counted from the start of the request: the lease is shorter by the time that the response took.
#[maybe_async]
#[test]
async fn a_lease_begins_when_its_request_began() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Late(14) } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    model.advance(40);
    assert!(a.is_owned("0"));
    model.advance(1);
    assert!(!a.is_owned("0"));
}

#[maybe_async]
#[test]
async fn renewals_that_fail_or_get_no_response_leave_the_lease_as_it_was() {
    for act in [Act::Fail, Act::LoseResponse] {
        let model = Model::new();
        let a = model.consumer("a");
        let _ = a.round(&partitions(1)).await.unwrap();
        a.script
            .set(move |call| if matches!(call, Call::Claim(_)) { act.clone() } else { Act::Pass });
        for _ in 0..3 {
            model.advance(15);
            let round = a.round(&partitions(1)).await.unwrap();
            assert_eq!((round.owned.len(), round.failed.len()), (1, 1));
        }
        model.advance(10);
        let round = a.round(&partitions(1)).await.unwrap();
        assert_eq!(revoked(&round.revoked), [("0", LAPSED)]);
        assert!(round.owned.is_empty() && round.won.is_empty());

        a.script.clear();
        let round = a.round(&partitions(1)).await.unwrap();
        assert_eq!((won(&round), round.revoked.len()), (vec!["0"], 0), "it begins anew");
    }
}

/// Whoever asked `is_owned` in between has stopped working, so it must be told to begin again.
#[maybe_async]
#[test]
async fn a_lease_that_ended_while_its_renewal_was_on_its_way_begins_anew() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    model.advance(50);
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Late(10) } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(revoked(&round.revoked), [("0", LAPSED)]);
    assert_eq!((won(&round), round.owned.len()), (vec!["0"], 1));
}

#[maybe_async]
#[test]
async fn a_lease_that_ended_before_it_was_reported_was_never_won() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if *call == Call::ListCheckpoints { Act::Late(60) } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert!(round.won.is_empty() && round.owned.is_empty());
    assert!(round.revoked.is_empty(), "it was never said to be won");
    a.script.clear();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((won(&round), round.revoked.len()), (vec!["0"], 0));
}

/// Whatever happens to end at which moment: who is told to open a partition owns it, and is told when that ends.
#[maybe_async]
#[test]
async fn a_partition_reported_as_won_is_owned_at_that_moment() {
    let (mut won_all, mut won_nothing) = (0, 0);
    for looks in 0..20 {
        let model = Model::new();
        let a = model.consumer("a");
        model.advance_after_looks(looks, 60);
        let Ok(round) = a.round(&partitions(2)).await else { continue };
        assert_eq!(won(&round), round.owned, "after {looks} looks at the clock");
        won_all += usize::from(round.won.len() == 2);
        won_nothing += usize::from(round.won.is_empty());
    }
    assert!(won_all > 0 && won_nothing > 0, "{won_all} and {won_nothing}");
}

/// With the default options, and as with any that follow the rule: an interval is at most a quarter of the expiration.
#[maybe_async]
#[test]
async fn a_lease_outlives_two_rounds_that_hang() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    model.advance(15);
    let limit = OwnershipOptions::default().round_timeout().as_secs();
    a.script.set(move |_| Act::FailLate(limit));
    for _ in 0..2 {
        let error = a.round(&partitions(2)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
        model.advance(a.retry_in().as_secs());
    }
    a.script.clear();
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.revoked.len()), (2, 0, 0));
}

/// Two consumers, one of which cannot renew; at no second both believe in a partition, whoever begins when.
#[maybe_async]
#[test]
async fn an_expiry_never_gives_two_holders() {
    let options = OwnershipOptions::new(Duration::from_secs(5), Duration::from_secs(20)).unwrap();
    for outage_at in 0..12 {
        let model = Model::new();
        let consumer = |id| model.consumer_with(id, options, StartingPositions::default());
        let (a, b) = (consumer("a"), consumer("b"));
        let _ = a.round(&partitions(4)).await.unwrap();
        let mut unowned = 0;
        for second in 0..60 {
            if second == outage_at {
                // The list shows what is stolen, so only renewals fail: a steal would hide an expiry.
                a.script
                    .set(|call| if matches!(call, Call::Claim(_)) { Act::Fail } else { Act::Pass });
            }
            if second % 5 == 0 && second > 0 {
                let _ = a.round(&partitions(4)).await.unwrap();
            }
            if second >= 2 && second % 4 == 2 {
                let _ = b.round(&partitions(4)).await.unwrap();
            }
            if second >= 10 {
                unowned += assert_one_holder(&a, &b, second);
            }
            model.advance(1);
        }
        assert_eq!(b.owned().len(), 4, "b has taken over");
        // The margin, the rounding, and the time until b's next round.
        assert!(unowned <= 2 * (5 + 1 + 4 + 5), "{unowned} partition seconds without a holder");
    }
}

/// Returns how many partitions have none.
fn assert_one_holder(a: &Consumer, b: &Consumer, second: u64) -> usize {
    let holders = |id: &String| usize::from(a.is_owned(id)) + usize::from(b.is_owned(id));
    partitions(4)
        .iter()
        .filter(|id| {
            assert!(holders(id) <= 1, "second {second}: two hold partition {id}");
            holders(id) == 0
        })
        .count()
}

//! Rounds over HTTP: how many requests, and what faults of the service and of the network do to them.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::ownership::RevocationCause;
use eventhub_checkpointstore::ownership::Round;
use eventhub_checkpointstore::{ErrorKind, Relinquished};

use super::super::subject::OwnershipManager;
use super::super::support::blob_service::{Fault, Gate, error_reply};
use super::super::support::loopback::Recorded;
use super::super::{at_once, maybe_async, pause, test};
use super::served::{Served, kind};
use super::{partitions, revoked, won};

#[maybe_async]
#[test]
async fn one_list_one_request_per_partition_and_checkpoints_only_for_what_is_new() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 3), served.consumer("b", 3));
    let _ = a.round(&partitions(4)).await.unwrap();
    let mut first = served.take_requests();
    first.sort_unstable();
    assert_eq!(first, ["checkpoints", "create", "create", "create", "create", "ownerships"]);

    for _ in 0..3 {
        served.advance(15);
        let _ = a.round(&partitions(4)).await.unwrap();
        assert_eq!(served.take_requests(), ["ownerships", "renew", "renew", "renew", "renew"]);
    }
    let _ = b.round(&partitions(4)).await.unwrap();
    assert_eq!(served.take_requests(), ["ownerships", "renew", "renew", "checkpoints"]);
    let _ = a.round(&partitions(4)).await.unwrap();
    assert_eq!(served.take_requests(), ["ownerships", "renew", "renew"]);
    let released = a.relinquish_all(Duration::from_secs(5)).await;
    assert!(released.all_released());
    assert_eq!(served.take_requests(), ["renew", "renew"]);
    let _ = b.round(&partitions(4)).await.unwrap();
    assert_eq!(
        served.take_requests(),
        ["ownerships", "renew", "renew", "renew", "renew", "checkpoints"]
    );
}

#[maybe_async]
#[test]
async fn a_service_that_is_busy_for_a_minute() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    let _ = a.round(&partitions(2)).await.unwrap();
    served.advance(15);
    let _ = a.round(&partitions(2)).await.unwrap();
    served.service.inject(|_| Fault::Respond(error_reply(503, "ServerBusy", "busy")));
    let mut lapsed = Vec::new();
    for second in 1..=60 {
        served.advance(1);
        if second % 5 == 0 {
            let error = a.round(&partitions(2)).await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (ErrorKind::Throttled, Some(503)));
        }
        lapsed.extend(a.take_revoked().into_iter().map(|one| (second, one.cause)));
        assert_eq!(a.owned().len(), if second < 55 { 2 } else { 0 }, "second {second}");
    }
    assert_eq!(lapsed, [(55, RevocationCause::Lapsed); 2]);
    served.service.clear_faults();
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.owned.len()), (vec!["0", "1"], 2));
}

/// The store finds out who won, so a round with lost responses is like any other.
#[maybe_async]
#[test]
async fn responses_that_are_lost_in_transit() {
    let served = Served::new();
    let a = served.consumer("a", 3);
    served.service.queue_faults([Fault::DropAfterProcessing, Fault::None]);
    served.service.queue_faults([Fault::DropAfterProcessing, Fault::DropAfterProcessing]);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.failed.len()), (vec!["0", "1"], 0));
    served.advance(15);
    served.service.queue_faults([Fault::None, Fault::DropAfterProcessing]);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.revoked.len(), round.failed.len()), (2, 0, 0));
}

/// Without retries the store cannot find out; the next list does.
#[maybe_async]
#[test]
async fn responses_that_are_lost_for_good() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    served.service.inject(|request| match request.method.as_str() {
        "PUT" => Fault::DropAfterProcessing,
        _ => Fault::None,
    });
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.failed.len()), (0, 2));
    assert!(round.failed.iter().all(|failed| failed.error.is_outcome_unknown()));
    served.service.clear_faults();
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((won(&round), round.failed.len()), (vec!["0", "1"], 0));

    // The same with renewals: the lease goes on as it was, and nothing is reported.
    served.advance(15);
    served.service.inject(|request| match request.method.as_str() {
        "PUT" => Fault::DropAfterProcessing,
        _ => Fault::None,
    });
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.failed.len(), round.revoked.len()), (2, 2, 0));
    served.service.clear_faults();
    served.advance(15);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.lost.len()), (2, 0, 0));
}

#[maybe_async]
#[test]
async fn a_round_ends_although_the_service_hangs_and_its_limit_is_below_the_expiration() {
    let served = Served::new();
    let a = served.consumer("a", 3);
    let _ = a.round(&partitions(2)).await.unwrap();
    served.advance(15);
    served.limits();
    served.set_haste(40);

    served.service.queue_faults([Fault::HangBefore]);
    let begun = Instant::now();
    let error = a.round(&partitions(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // An interval, so that two rounds can hang before the lease ends.
    assert_eq!(served.limits(), [Duration::from_secs(15)]);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    served.service.queue_faults([Fault::None, Fault::HangBefore]);
    let round = a.round(&partitions(2)).await.unwrap();
    let kinds: Vec<_> = round.failed.iter().map(|failed| failed.error.kind()).collect();
    assert_eq!((round.owned.len(), kinds), (2, vec![ErrorKind::Timeout]));
}

/// The fence wraps the store, and rounds over it end in time, too.
#[maybe_async]
#[test]
async fn a_round_over_a_fenced_store_ends_although_the_service_hangs() {
    let served = Served::new();
    let a = served.consumer_over(Box::new(served.store(3).fenced()), "a");
    served.set_haste(40);
    served.service.queue_faults([Fault::HangBefore]);
    let begun = Instant::now();
    let error = a.round(&partitions(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    served.set_haste(1);
    let round = a.round(&partitions(2)).await.unwrap();
    assert_eq!(won(&round), ["0", "1"]);
}

#[maybe_async]
#[test]
async fn a_late_list_costs_time_of_the_round() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    served.delay_lists(10);
    let _ = a.round(&partitions(2)).await.unwrap();
    // The claims have three quarters of what is left, each a third of a round at most.
    let [list, first, second, checkpoints] = served.limits()[..] else { panic!() };
    assert_eq!([list, checkpoints], [15, 5].map(Duration::from_secs));
    assert_eq!([first, second], [Duration::from_millis(3_750); 2]);
    served.service.clear_faults();

    served.delay_lists(16);
    served.take_requests();
    served.advance(30);
    let round = a.round(&partitions(2)).await.unwrap();
    let kinds: Vec<_> = round.failed.iter().map(|failed| failed.error.kind()).collect();
    assert_eq!(kinds, [ErrorKind::Timeout; 2], "nothing is sent when the time is used up");
    assert_eq!(served.take_requests(), ["ownerships"]);
    let expected = [("0", RevocationCause::Lapsed), ("1", RevocationCause::Lapsed)];
    assert_eq!(revoked(&round.revoked), expected);
}

#[maybe_async]
#[test]
async fn is_owned_returns_while_a_round_waits() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    let _ = a.round(&partitions(2)).await.unwrap();
    served.loopback.clear();
    let gate = Gate::default();
    served.service.queue_faults([Fault::Gated(gate.clone())]);
    at_once(vec![true, false], |is_round| round_or_ask(is_round, &a, &served, &gate)).await;
}

/// The round ends only after all requests have a response.
#[maybe_async]
async fn round_or_ask(is_round: bool, a: &OwnershipManager, served: &Served, gate: &Gate) {
    if is_round {
        let _ = a.round(&partitions(2)).await.unwrap();
    } else {
        while served.loopback.requests().is_empty() {
            pause(Duration::from_millis(2)).await;
        }
        assert!(a.is_owned("0") && !a.is_owned("2"));
        assert_eq!((a.owned().len(), a.take_revoked().len()), (2, 0));
        gate.open();
    }
}

#[maybe_async]
#[test]
async fn concurrent_rounds_take_turns() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    let rounds = at_once(vec![a.clone(), a.clone(), a.clone()], round_of_three).await;
    assert_eq!(rounds.iter().map(|round| round.won.len()).sum::<usize>(), 3, "won once");
    assert!(rounds.iter().all(|round| round.owned.len() == 3 && round.revoked.is_empty()));
    let first = ["ownerships", "create", "create", "create", "checkpoints"];
    let other = ["ownerships", "renew", "renew", "renew"];
    assert_eq!(served.take_requests(), [&first[..], &other, &other].concat());
}

#[maybe_async]
async fn round_of_three(a: OwnershipManager) -> Round {
    a.round(&partitions(3)).await.unwrap()
}

/// The partitions that the round wins at that moment are given up with the rest, and never reported as won.
#[maybe_async]
#[test]
async fn a_consumer_that_stops_while_claims_are_under_way_gives_them_up_too() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 0), served.consumer("b", 0));
    let _ = a.round(&partitions(1)).await.unwrap();
    served.loopback.clear();
    // The list gets a response at once, the claims do not.
    let gate = Gate::default();
    served.service.queue_faults([Fault::None, Fault::Gated(gate.clone())]);
    let parts = vec![Part::Round, Part::Stop { after: 4 }, Part::LetGo];
    let released = stop_while_a_round_waits(&a, &served, &gate, parts).await;
    assert!(released.all_released() && released.len() == 3, "{released:?}");
    let round = b.round(&partitions(3)).await.unwrap();
    assert_eq!(round.won.len(), 3);
}

/// Nothing is under way that could still change a record, so nothing is waited for.
#[maybe_async]
#[test]
async fn a_consumer_that_stops_while_a_list_hangs_gives_all_up_at_once() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 0), served.consumer("b", 0));
    let _ = a.round(&partitions(3)).await.unwrap();
    served.loopback.clear();
    let gate = Gate::default();
    served.service.queue_faults([Fault::Gated(gate.clone())]);
    let parts = vec![Part::Round, Part::Stop { after: 1 }];
    let released = stop_while_a_round_waits(&a, &served, &gate, parts).await;
    assert!(released.all_released() && released.len() == 3, "{released:?}");
    assert!(!served.take_requests().contains(&"create"), "the round went on");
    let round = b.round(&partitions(3)).await.unwrap();
    assert_eq!((round.won.len(), round.active_owners), (3, 1));
}

/// The same where the checkpoints are read: nothing is said to be won although all requests of the round succeed.
#[maybe_async]
#[test]
async fn a_consumer_that_stops_while_checkpoints_are_read_wins_nothing() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 0), served.consumer("b", 0));
    let gate = Gate::default();
    let at_checkpoints = gate.clone();
    served.service.inject(move |request| match kind(request) {
        "checkpoints" => Fault::Gated(at_checkpoints.clone()),
        _ => Fault::None,
    });
    let parts = vec![Part::Round, Part::Stop { after: 5 }];
    let released = stop_while_a_round_waits(&a, &served, &gate, parts).await;
    assert!(released.all_released() && released.len() == 3, "{released:?}");
    let round = b.round(&partitions(3)).await.unwrap();
    assert_eq!(round.won.len(), 3);
}

#[derive(Clone, Copy)]
enum Part {
    Round,
    /// After so many requests. When it has ended, the round can go on, if it still can.
    Stop {
        after: usize,
    },
    /// Lets the round go on as soon as the stop has begun.
    LetGo,
}

/// However the round goes on, it wins nothing any more.
#[maybe_async]
async fn stop_while_a_round_waits(
    a: &OwnershipManager,
    served: &Served,
    gate: &Gate,
    parts: Vec<Part>,
) -> Relinquished {
    let released = at_once(parts, |part| play(part, a, served, gate)).await;
    assert!(a.owned().is_empty() && a.take_revoked().is_empty());
    released.into_iter().flatten().next().unwrap()
}

#[maybe_async]
async fn play(
    part: Part,
    a: &OwnershipManager,
    served: &Served,
    gate: &Gate,
) -> Option<Relinquished> {
    match part {
        Part::Round => {
            let error = a.round(&partitions(3)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Other, "{error}");
            None
        }
        Part::Stop { after } => {
            while served.loopback.requests().len() < after || served.service.blobs().len() < 3 {
                pause(Duration::from_millis(2)).await;
            }
            let released = a.relinquish_all(Duration::from_secs(5)).await;
            gate.open();
            Some(released)
        }
        Part::LetGo => {
            while a.is_owned("0") {
                pause(Duration::from_millis(2)).await;
            }
            gate.open();
            None
        }
    }
}

#[maybe_async]
#[test]
async fn a_stop_after_responses_that_were_lost_for_good() {
    let served = Served::new();
    let (a, b) = (served.consumer("a", 0), served.consumer("b", 0));
    let _ = a.round(&partitions(2)).await.unwrap();
    let lose = |request: &Recorded| match request.method.as_str() {
        "PUT" => Fault::DropAfterProcessing,
        _ => Fault::None,
    };
    served.service.inject(lose);
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!(round.failed.len(), 3);
    served.service.clear_faults();
    let released = a.relinquish_all(Duration::from_secs(5)).await;
    assert!(released.all_released() && released.len() == 3, "{released:?}");
    let round = b.round(&partitions(3)).await.unwrap();
    assert_eq!(round.won.len(), 3);

    // The stop itself: the list shows that it was done all the same.
    served.service.inject(lose);
    let released = b.relinquish_all(Duration::from_secs(5)).await;
    assert!(released.all_released() && released.len() == 3, "{released:?}");
}

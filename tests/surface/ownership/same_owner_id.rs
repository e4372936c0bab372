//! Versions of a consumer's own records that it does not know: its own late requests, and another process of the same id.

use eventhub_checkpointstore::ErrorKind;
use eventhub_checkpointstore::ownership::RevocationCause;

use super::super::{maybe_async, test};
use super::{Act, Call, Model, partitions, revoked, won};

/// The renewal of a round, of which nobody knows what came of it, is applied just before that of the next one.
#[maybe_async]
#[test]
async fn losing_to_an_own_late_renewal_loses_nothing() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Vanish } else { Act::Pass });
    model.advance(15);
    let _ = a.round(&partitions(1)).await.unwrap();

    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Rival("a") } else { Act::Pass });
    model.advance(15);
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.lost.len(), round.revoked.len(), round.owned.len()), (0, 0, 1));
    assert!(round.failed[0].error.is_outcome_unknown(), "{round:?}");

    a.script.clear();
    model.advance(15);
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.owned.len(), round.won.len(), round.failed.len()), (1, 0, 0));
    assert!(round.same_owner_id.is_empty(), "it was this consumer: {round:?}");
}

/// The same with a first claim, which the late one creates.
#[maybe_async]
#[test]
async fn losing_to_an_own_late_first_claim_is_a_win() {
    let model = Model::new();
    let a = model.consumer("a");
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Vanish } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Rival("a") } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.lost.len(), round.failed.len()), (0, 1));
    a.script.clear();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((won(&round), round.same_owner_id.len()), (vec!["0"], 0));
}

/// Another consumer was first: the next list tells, and until then the lease is as it was.
#[maybe_async]
#[test]
async fn a_renewal_that_may_have_lost_to_a_late_one_is_resolved_by_the_next_list() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Vanish } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Rival("b") } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.lost.len(), round.failed.len()), (0, 1));
    a.script.clear();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(revoked(&round.revoked), [("0", RevocationCause::Taken)]);
}

/// Once another version has been listed, no request for the former one can be applied any more.
#[maybe_async]
#[test]
async fn a_late_request_explains_one_version_only() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Vanish } else { Act::Pass });
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.clear();
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Rival("b") } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!((round.lost.len(), round.failed.len()), (1, 0));
}

#[maybe_async]
#[test]
async fn two_processes_with_one_owner_id_are_reported() {
    let model = Model::new();
    let (a, twin) = (model.consumer("a"), model.consumer("a"));
    let _ = a.round(&partitions(3)).await.unwrap();
    model.advance(5);
    let round = twin.round(&partitions(3)).await.unwrap();
    assert_eq!((won(&round), round.same_owner_id.len()), (vec!["0", "1", "2"], 0), "as a restart");
    for _ in 0..3 {
        model.advance(5);
        let round = a.round(&partitions(3)).await.unwrap();
        assert_eq!((round.same_owner_id, round.owned.len()), (partitions(3), 3));
        model.advance(5);
        let round = twin.round(&partitions(3)).await.unwrap();
        assert_eq!(round.same_owner_id, partitions(3));
    }
    drop(twin);
    let round = a.round(&partitions(3)).await.unwrap();
    assert_eq!(round.same_owner_id, partitions(3), "it was there until now");
    let round = a.round(&partitions(3)).await.unwrap();
    assert!(round.same_owner_id.is_empty());
}

/// The other process renews between the list and the renewal.
#[maybe_async]
#[test]
async fn a_renewal_that_is_lost_to_the_same_owner_id_is_told_by_the_next_list() {
    let model = Model::new();
    let a = model.consumer("a");
    let _ = a.round(&partitions(1)).await.unwrap();
    a.script.set(|call| if matches!(call, Call::Claim(_)) { Act::Rival("a") } else { Act::Pass });
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(round.lost.len(), 1);
    a.script.clear();
    let round = a.round(&partitions(1)).await.unwrap();
    assert_eq!(round.same_owner_id, ["0"]);
}

/// Whatever became of its requests, a consumer alone is never told of another process.
#[maybe_async]
#[test]
async fn no_fault_of_the_network_looks_like_another_process() {
    for seed in 0..200 {
        let model = Model::new();
        let a = model.consumer("a");
        let mut rng = fastrand::Rng::with_seed(seed);
        a.script.set(move |_| match rng.u8(..8) {
            0 => Act::Fail,
            1 => Act::LoseResponse,
            2 => Act::Vanish,
            3 => Act::Late(2),
            4 => Act::Hang,
            _ => Act::Pass,
        });
        for _ in 0..20 {
            model.advance(10);
            if let Ok(round) = a.round(&partitions(3)).await {
                assert!(round.same_owner_id.is_empty(), "seed {seed}: {round:?}");
                assert!(round.lost.is_empty(), "seed {seed}: {round:?}");
            }
            if model.elapsed().as_secs().is_multiple_of(7) {
                let _ = a.relinquish_all(std::time::Duration::from_secs(5)).await;
            }
        }
    }
}

#[maybe_async]
#[test]
async fn a_shared_owner_id_can_be_made_an_error() {
    let model = Model::new();
    let a = model.consumer_built("a", |builder| builder.fail_on_shared_owner_id(true));
    let twin = model.consumer("a");
    let _ = a.round(&partitions(2)).await.unwrap();
    let _ = twin.round(&partitions(2)).await.unwrap();
    a.script.take_calls();
    let error = a.round(&partitions(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = error.to_string();
    assert!(text.contains("owner id \"a\"") && text.contains("\"1\""), "{text}");
    assert_eq!(a.script.take_calls(), [Call::ListOwnership], "it renews nothing");
}

//! Tests of the balancing rules.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::model::ETag;

const FRESH: u64 = 10;
const EXPIRED: u64 = 121;
/// Expiration and interval together are 135 s.
const OVERDUE: u64 = 136;

fn group() -> ConsumerGroup {
    ConsumerGroup::new("ns", "hub", "$Default").unwrap()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|id| id.to_string()).collect()
}

/// A record of that age in seconds; no owner = released. The version tells owner and age.
fn record(partition: usize, owner: &str, age: u64) -> PartitionOwnership {
    let record = PartitionOwnership::new(&group(), partition.to_string(), "x").unwrap();
    let record =
        if owner.is_empty() { record.released() } else { record.claimed_by(owner).unwrap() };
    record
        .with_etag(ETag::new(format!("{owner}-{age}")).unwrap())
        .with_last_modified(now() - Duration::from_secs(age))
}

/// Records of one age, so many for each owner, from partition 0 on.
fn owned(counts: &[(&str, usize)]) -> Vec<PartitionOwnership> {
    let owners = counts.iter().flat_map(|(owner, count)| std::iter::repeat_n(*owner, *count));
    owners.enumerate().map(|(partition, owner)| record(partition, owner, FRESH)).collect()
}

fn plan_with(
    strategy: BalanceStrategy,
    seed: u64,
    partitions: usize,
    listed: &[PartitionOwnership],
) -> Plan {
    let (group, ids) = (group(), ids(partitions));
    let mut input = BalanceInput::new(&group, "me", &ids, listed, now());
    input.options = input.options.with_strategy(strategy);
    input.seed = seed;
    balance(&input).unwrap()
}

fn greedy(partitions: usize, listed: &[PartitionOwnership]) -> Plan {
    plan_with(BalanceStrategy::Greedy, 0, partitions, listed)
}

fn balanced(partitions: usize, listed: &[PartitionOwnership]) -> Plan {
    plan_with(BalanceStrategy::Balanced, 0, partitions, listed)
}

fn partitions_of(claims: &[PlannedClaim]) -> Vec<&str> {
    let mut ids: Vec<_> = claims.iter().map(PlannedClaim::partition_id).collect();
    ids.sort_unstable();
    ids
}

fn stolen_from(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for claim in &plan.steal {
        match &claim.reason {
            ClaimReason::Stolen { from } => *counts.entry(from.as_str()).or_default() += 1,
            other => panic!("{other:?} among the steals"),
        }
    }
    counts
}

#[test]
fn the_first_consumer_takes_all() {
    let plan = greedy(3, &[]);
    assert_eq!(partitions_of(&plan.claim), ["0", "1", "2"]);
    assert!(plan.claim.iter().all(|claim| claim.reason == ClaimReason::Unclaimed));
    assert!(plan.claim.iter().all(|claim| claim.ownership.etag().is_none()));
    assert_eq!((plan.needed, plan.free, plan.active_owners, plan.share), (3, 3, 1, 3));
    assert_eq!(balanced(3, &[]).claim.len(), 1);
}

#[test]
fn each_claim_carries_its_reason_and_the_listed_etag() {
    let listed = [
        record(0, "me", FRESH),
        record(1, "", FRESH),
        record(2, "gone", EXPIRED),
        record(3, "me", EXPIRED),
    ];
    let plan = greedy(4, &listed);
    assert_eq!(plan.renew, [PlannedClaim::new(listed[0].clone(), ClaimReason::Renewal)]);
    let expired = |from: &str| ClaimReason::Expired { from: from.to_owned() };
    for (partition, reason) in
        [(1, ClaimReason::Released), (2, expired("gone")), (3, expired("me"))]
    {
        let claim = PlannedClaim::new(listed[partition].claimed_by("me").unwrap(), reason);
        assert!(plan.claim.contains(&claim), "{claim:?} is not in {plan:?}");
    }
    assert_eq!(plan.ownerships().len(), 4);
}

#[test]
fn a_record_expires_after_the_expiration_and_not_at_it() {
    assert_eq!(greedy(1, &[record(0, "you", 120)]).free, 0);
    assert_eq!(greedy(1, &[record(0, "you", 121)]).free, 1);
    let undated = PartitionOwnership::new(&group(), "0", "you").unwrap();
    assert_eq!(greedy(1, &[undated]).free, 0, "nobody can show that it expired");
}

#[test]
fn a_newcomer_reaches_its_share_at_once_from_the_most_loaded() {
    let plan = greedy(12, &owned(&[("a", 7), ("b", 3), ("c", 2)]));
    assert_eq!((plan.share, plan.steal.len()), (3, 3));
    assert_eq!(stolen_from(&plan), BTreeMap::from([("a", 3)]));

    let plan = greedy(2_000, &owned(&[("a", 1_000), ("b", 1_000)]));
    assert_eq!(plan.steal.len(), 666, "the two others are entitled to 667");
    assert_eq!(stolen_from(&plan), BTreeMap::from([("a", 333), ("b", 333)]));
}

#[test]
fn free_partitions_come_before_steals() {
    let plan = greedy(9, &[owned(&[("a", 7)]), vec![record(7, "", FRESH)]].concat());
    assert_eq!(partitions_of(&plan.claim), ["7", "8"]);
    assert_eq!(plan.steal.len(), 2);
    let plan = balanced(9, &[owned(&[("a", 7)]), vec![record(7, "", FRESH)]].concat());
    assert_eq!((plan.claim.len(), plan.steal.len()), (1, 0));
    assert_eq!(balanced(7, &owned(&[("a", 7)])).steal.len(), 1);
}

#[test]
fn free_partitions_within_the_share_of_others_are_left_to_them() {
    let plan = greedy(9, &[owned(&[("me", 2), ("a", 3)]), vec![record(8, "b", FRESH)]].concat());
    assert_eq!((plan.claim.len(), plan.steal.len(), plan.share), (1, 0, 3));
    assert_eq!(plan.spare.len(), 2, "the other free ones do as well, if that one is lost");
}

#[test]
fn a_settled_fleet_is_left_alone() {
    for counts in [[3, 3, 3], [4, 3, 3], [3, 4, 3], [4, 4, 3], [3, 4, 4], [1, 0, 0], [1, 1, 0]] {
        let listed = owned(&[("me", counts[0]), ("a", counts[1]), ("b", counts[2])]);
        for plan in [greedy(listed.len(), &listed), balanced(listed.len(), &listed)] {
            assert!(plan.is_settled(), "{counts:?}: {plan:?}");
            assert_eq!((plan.renew.len(), plan.spare.len()), (counts[0], 0));
        }
    }
    // More consumers than partitions: one that has none waits.
    assert!(greedy(2, &owned(&[("a", 1), ("b", 1)])).is_settled());
}

#[test]
fn a_difference_of_two_is_levelled_even_if_nobody_is_below_the_share() {
    let plan = greedy(8, &owned(&[("me", 2), ("a", 4), ("b", 2)]));
    assert_eq!(stolen_from(&plan), BTreeMap::from([("a", 1)]));
}

#[test]
fn simultaneous_thieves_leave_the_owner_its_share() {
    let listed = owned(&[("a", 10), ("b", 2)]);
    let taken: std::collections::BTreeSet<_> = (0..200)
        .map(|seed| plan_with(BalanceStrategy::Balanced, seed, 12, &listed))
        .map(|plan| plan.steal[0].partition_id().to_owned())
        .collect();
    assert_eq!(taken.len(), 6, "six can be taken, four stay whatever the seed: {taken:?}");
}

#[test]
fn seed_and_owner_id_decide_which_and_equal_input_gives_an_equal_plan() {
    let listed = owned(&[("a", 100)]);
    let plan = |seed| plan_with(BalanceStrategy::Greedy, seed, 200, &listed);
    assert_eq!(plan(1), plan(1));
    assert_ne!(partitions_of(&plan(1).claim[..10]), partitions_of(&plan(2).claim[..10]));

    let (group, ids) = (group(), ids(200));
    let first = |owner_id| {
        balance(&BalanceInput::new(&group, owner_id, &ids, &[], now())).unwrap().claim[0].clone()
    };
    assert_ne!(first("me").partition_id(), first("you").partition_id());
}

#[test]
fn owner_ids_compare_exactly() {
    let plan = greedy(3, &[record(0, "Me", FRESH), record(1, "me", FRESH), record(2, "m", FRESH)]);
    assert_eq!((plan.active_owners, partitions_of(&plan.renew)), (3, vec!["1"]));
}

#[test]
fn foreign_and_duplicate_records_do_no_harm() {
    let listed = [
        record(7, "you", FRESH),
        record(0, "old", 100),
        record(0, "me", FRESH),
        record(0, "old", 50),
    ];
    let plan = greedy(1, &listed);
    assert_eq!((plan.active_owners, partitions_of(&plan.renew)), (1, vec!["0"]));

    let (group, ids) = (group(), [ids(2), ids(2)].concat());
    let plan = balance(&BalanceInput::new(&group, "me", &ids, &[], now())).unwrap();
    assert_eq!(partitions_of(&plan.claim), ["0", "1"]);
    assert_eq!(balance(&BalanceInput::new(&group, "me", &[], &listed, now())).unwrap().share, 0);
}

#[test]
fn unclaimed_partitions_are_taken_beyond_the_share() {
    let left = |age| {
        [owned(&[("me", 3), ("a", 1)]), vec![record(4, "b", age), record(5, "", age)]].concat()
    };
    assert!(greedy(6, &left(EXPIRED)).is_settled(), "it is for \"a\" to take them");
    let plan = greedy(6, &left(OVERDUE));
    assert_eq!((partitions_of(&plan.claim), plan.needed), (vec!["4", "5"], 0));
    assert_eq!(balanced(6, &left(OVERDUE)).claim.len(), 1);
}

/// As after partitions were added to the event hub, if the other consumers do not know of them.
#[test]
fn partitions_without_a_record_are_taken_beyond_the_share_if_nobody_else_does() {
    let (group, ids, listed) = (group(), ids(8), owned(&[("me", 4), ("a", 2)]));
    let plan_after = |seconds, strategy| {
        let unclaimed_for =
            ["6", "7"].map(|id| (id.to_owned(), Duration::from_secs(seconds))).into();
        let mut input = BalanceInput::new(&group, "me", &ids, &listed, now());
        input.options = input.options.with_strategy(strategy);
        input.unclaimed_for = &unclaimed_for;
        balance(&input).unwrap()
    };
    assert!(plan_after(135, BalanceStrategy::Greedy).is_settled(), "they are for \"a\" to take");
    let plan = plan_after(OVERDUE, BalanceStrategy::Greedy);
    assert_eq!((partitions_of(&plan.claim), plan.needed), (vec!["6", "7"], 0));
    assert_eq!(plan_after(OVERDUE, BalanceStrategy::Balanced).claim.len(), 1);
}

#[test]
fn the_oldest_renewal_comes_first() {
    let listed = [record(0, "me", 5), record(1, "me", 40), record(2, "me", 5), record(3, "me", 70)];
    let plan = greedy(4, &listed);
    let order: Vec<_> = plan.renew.iter().map(PlannedClaim::partition_id).collect();
    assert_eq!(order, ["3", "1", "0", "2"]);
}

/// "away" has two above the floor that cannot be stolen, so "full" is the only one to steal from; it has one more, and
/// would have one less then.
#[test]
fn a_partition_that_would_be_stolen_back_is_not_stolen() {
    let mut listed = owned(&[("away", 7), ("full", 6), ("b", 5), ("me", 5)]);
    assert_eq!(stolen_from(&greedy(23, &listed)), BTreeMap::from([("away", 1)]));
    for record in &mut listed[..7] {
        *record = record.clone().without_etag();
    }
    for plan in [greedy(23, &listed), balanced(23, &listed)] {
        assert_eq!((plan.share, plan.steal), (6, vec![]));
    }
}

#[test]
fn records_that_cannot_be_stored_are_refused() {
    let (group, ids) = (group(), vec!["a/b".to_owned()]);
    for (owner_id, ids) in [("me", ids.as_slice()), ("", &["0".to_owned()])] {
        let error = balance(&BalanceInput::new(&group, owner_id, ids, &[], now())).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidInput);
    }
}

/// Over random listings: who is stolen from keeps its share, and had at least two more than the thief then had.
#[test]
fn every_steal_makes_the_fleet_more_even() {
    let mut steals = 0;
    for seed in 0..2_000 {
        let mut rng = Rng::with_seed(seed);
        let (owners, partitions) = (rng.usize(1..=8), rng.usize(1..40));
        let names = ["a", "", "b", "c", "d", "e", "f", "me"];
        let listed: Vec<_> = (0..partitions)
            .map(|partition| (partition, rng.usize(..=owners).min(rng.usize(..=owners))))
            .filter(|(_, owner)| *owner < owners)
            .map(|(partition, owner)| record(partition, names[owner], FRESH))
            .collect();
        let plan = plan_with(BalanceStrategy::Greedy, seed, partitions, &listed);
        let mut counts = BTreeMap::<_, usize>::new();
        for owner in listed.iter().filter_map(PartitionOwnership::owner_id) {
            *counts.entry(owner).or_default() += 1;
        }
        let mut held = plan.renew.len() + plan.claim.len();
        for claim in &plan.steal {
            let ClaimReason::Stolen { from } = &claim.reason else { panic!("{claim:?}") };
            let robbed = counts.get_mut(from.as_str()).unwrap();
            assert!(*robbed >= held + 2, "seed {seed}: {robbed} and {held}: {plan:?}");
            *robbed -= 1;
            assert!(*robbed >= partitions / plan.active_owners, "seed {seed}: below its share");
            held += 1;
            steals += 1;
        }
        assert_eq!(held, held.max(plan.share), "seed {seed}: the share is reached in one round");
    }
    assert!(steals > 1_000, "{steals}");
}

//! Why two decisions differ.

use super::question::{Decision, Question};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    LeavesTheRemainder,
    TakesWhatIsOverdue,
    StealsBesidesClaiming,
    StealsMoreThanOne,
    LevelsADifferenceOfTwo,
    CountsForeignRecords,
}

impl Difference {
    pub const ALL: [Self; 6] = [
        Self::LeavesTheRemainder,
        Self::TakesWhatIsOverdue,
        Self::StealsBesidesClaiming,
        Self::StealsMoreThanOne,
        Self::LevelsADifferenceOfTwo,
        Self::CountsForeignRecords,
    ];

    pub fn reason(self) -> &'static str {
        match self {
            Self::LeavesTheRemainder => {
                "Python takes a free partition of the remainder although as many owners as the remainder has have \
                 one already; we leave it to whom it belongs"
            }
            Self::TakesWhatIsOverdue => {
                "we take what nobody has taken for an interval beyond the expiration, although it is not our share"
            }
            Self::StealsBesidesClaiming => {
                "we steal what is missing besides the free ones; Python does not steal in a round in which it claims"
            }
            Self::StealsMoreThanOne => {
                "we steal all that is missing at once; Python steals one partition in each round"
            }
            Self::LevelsADifferenceOfTwo => {
                "we have the least and another owner has two more or above; Python leaves that as it is"
            }
            Self::CountsForeignRecords => {
                "Python counts, renews and claims records of partitions that do not exist"
            }
        }
    }
}

/// The differences between our decision and Python's on the records of partitions that exist.
///
/// # Panics
///
/// For a difference that has none of the known reasons.
pub fn compare(question: &Question, ours: &Decision, theirs: &Decision) -> Vec<Difference> {
    let context = || format!("{question:?}\nours {ours:?}\ntheirs {theirs:?}");
    assert_eq!(ours.renewed, theirs.renewed, "{}", context());
    let (free, _) = question.free();
    for decision in [ours, theirs] {
        assert!(decision.claimed.is_subset(&free), "{}", context());
        check_victims(question, decision);
    }
    let mut differences = Vec::new();
    differences.extend(difference_in_claims(question, ours, theirs));
    differences.extend(difference_in_steals(question, ours, theirs));
    let is_explained = |what: fn(&Decision) -> usize, count: usize| {
        assert!((what(ours) == what(theirs)) == (count == 0), "no reason: {}", context());
    };
    let in_claims = |it: &&Difference| {
        matches!(it, Difference::LeavesTheRemainder | Difference::TakesWhatIsOverdue)
    };
    is_explained(|it| it.claimed.len(), differences.iter().filter(in_claims).count());
    is_explained(|it| it.stolen.len(), differences.iter().filter(|it| !in_claims(it)).count());
    differences
}

/// Both steal from the most loaded owner first.
fn check_victims(question: &Question, decision: &Decision) {
    let mut loads = question.loads();
    let mut victims: Vec<_> = decision.stolen.values().map(String::as_str).collect();
    while !victims.is_empty() {
        let most = loads.values().max().copied().unwrap();
        let victim = victims.iter().position(|victim| loads[victim] == most);
        let victim =
            victims.swap_remove(victim.unwrap_or_else(|| panic!("{question:?}\n{decision:?}")));
        *loads.get_mut(victim).unwrap() -= 1;
    }
}

fn difference_in_claims(
    question: &Question,
    ours: &Decision,
    theirs: &Decision,
) -> Option<Difference> {
    let (free, overdue) = question.free();
    let (floor, ceiling) = question.share();
    let mine = question.mine();
    let most = if question.is_greedy { usize::MAX } else { 1 };
    if ours.claimed.len() > theirs.claimed.len() {
        // All that Python may have is what it takes, and all we take is overdue, or as much.
        let allowed = ceiling.saturating_sub(mine).min(free.len()).min(most);
        let is_overdue =
            ours.claimed.is_subset(&overdue) && ours.claimed.len() == overdue.len().min(most);
        return (theirs.claimed.len() == allowed && is_overdue)
            .then_some(Difference::TakesWhatIsOverdue);
    }
    // One partition, which makes the difference between the floor and the ceiling.
    let is_one = ours.claimed.len() + 1 == theirs.claimed.len() && floor < ceiling;
    let remainder = question.partitions % question.loads().len();
    let others =
        question.loads().into_iter().filter(|(owner, load)| *owner != "me" && *load > floor);
    let is_spoken_for = others.count() >= remainder && mine + theirs.claimed.len() > floor;
    (is_one && is_spoken_for).then_some(Difference::LeavesTheRemainder)
}

fn difference_in_steals(
    question: &Question,
    ours: &Decision,
    theirs: &Decision,
) -> Option<Difference> {
    if ours.stolen.len() <= theirs.stolen.len() {
        return None;
    }
    let (floor, ceiling) = question.share();
    let held = question.mine() + ours.claimed.len() + ours.stolen.len();
    if held > ceiling || (!question.is_greedy && ours.stolen.len() > 1) {
        return None;
    }
    match (theirs.claimed.len(), theirs.stolen.len()) {
        (0, 0) if question.mine() >= floor => {
            let most = question.loads().into_values().max().unwrap();
            (most >= question.mine() + 2).then_some(Difference::LevelsADifferenceOfTwo)
        }
        (1.., 0) => Some(Difference::StealsBesidesClaiming),
        (0, 1) => Some(Difference::StealsMoreThanOne),
        _ => None,
    }
}

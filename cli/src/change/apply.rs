//! Makes the planned changes and gives an account of them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::GroupPlan;
use crate::core::partition_set::in_short;
use crate::core::plan::{Action, Change};
use crate::exit::{Exit, Failure};
use crate::parallel;
use crate::session::Session;
use crate::storage::{Storage, WriteError};

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It is the plan's decision, or nothing to do.
    Kept,
    /// The record is not the one that the plan saw.
    Conflict,
    Unknown(String),
    Failed(String),
    /// An earlier one failed.
    NotTried,
}

impl Outcome {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Kept => "kept",
            Self::Conflict => "conflict",
            Self::Unknown(_) => "unknown",
            Self::Failed(_) => "failed",
            Self::NotTried => "not tried",
        }
    }

    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Unknown(error) | Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// What failed once fails again, and a fleet that has started is not to be half reset.
    fn ends_it(&self) -> bool {
        !matches!(self, Self::Done | Self::Kept)
    }
}

/// One outcome per change, in the order of the plans.
///
/// The first change goes alone: what forbids it, such as a fleet that has started or a missing permission, forbids the others
/// too, and nothing is changed then. The rest goes several at a time; after a failure none is begun.
pub(super) fn apply(
    plans: &[GroupPlan],
    destination: Option<&Storage>,
    session: &mut Session,
) -> Result<Vec<Vec<Outcome>>, Failure> {
    session.storage()?;
    let progress = session.progress("Writing");
    let storage =
        destination.or(session.storage.as_ref()).ok_or_else(|| Failure::failed("no container"))?;
    let work: Vec<_> = plans
        .iter()
        .flat_map(|plan| plan.changes.iter().map(move |change| (plan, change)))
        .collect();
    progress.begin(work.iter().filter(|(_, change)| change.is_change()).count());
    let (interrupted, has_ended) = (&session.interrupted, AtomicBool::new(false));
    let attempt = |(plan, change): &(&GroupPlan, &Change)| {
        if !change.is_change() {
            return Outcome::Kept;
        }
        if has_ended.load(Ordering::SeqCst) || interrupted.load(Ordering::SeqCst) {
            return Outcome::NotTried;
        }
        let outcome = one(storage, plan, change);
        has_ended.fetch_or(outcome.ends_it(), Ordering::SeqCst);
        progress.step();
        outcome
    };
    let first = work.iter().position(|(_, change)| change.is_change()).map_or(0, |index| index + 1);
    let (alone, rest) = work.split_at(first);
    let mut outcomes: Vec<_> = alone.iter().map(&attempt).collect();
    outcomes.extend(parallel::map(rest, attempt));
    let mut outcomes = outcomes.into_iter();
    Ok(plans.iter().map(|plan| outcomes.by_ref().take(plan.changes.len()).collect()).collect())
}

fn one(storage: &Storage, plan: &GroupPlan, change: &Change) -> Outcome {
    let (group, naming, id) = (&plan.group, plan.naming, change.partition.id.as_str());
    let seen = change.seen();
    let made = match &change.action {
        Action::Write(position) => storage.write(group, naming, id, position, seen),
        Action::DeleteCheckpoint => storage.delete_checkpoint(group, naming, id, seen),
        Action::DeleteOwnership => storage.delete_ownership(group, naming, id, seen),
        Action::Release => storage.release(group, naming, id, seen),
        Action::WriteOwner(owner) => storage.write_owner(group, naming, id, owner),
        Action::Keep(_) => return Outcome::Kept,
    };
    match made {
        Ok(()) => Outcome::Done,
        Err(WriteError::Conflict) => Outcome::Conflict,
        Err(error @ WriteError::Unknown(_)) => Outcome::Unknown(error.into()),
        Err(error @ WriteError::Failed(_)) => Outcome::Failed(error.into()),
    }
}

/// Says what was done and what was not, and with which command it is undone; the exit code follows from it.
pub(super) fn account(
    plans: &[GroupPlan],
    results: &[Vec<Outcome>],
    restore: &str,
    session: &mut Session,
) -> Exit {
    let all: Vec<_> = results.iter().flatten().collect();
    let has = |wanted: fn(&Outcome) -> bool| all.iter().any(|outcome| wanted(outcome));
    let is_whole = !has(Outcome::ends_it);
    let console = &mut session.console;
    for (plan, outcomes) in plans.iter().zip(results) {
        let ids = |wanted: &dyn Fn(&Outcome) -> bool| {
            let pairs = plan.changes.iter().zip(outcomes).filter(|(_, outcome)| wanted(outcome));
            in_short(pairs.map(|(change, _)| change.partition.id.as_str()))
        };
        let mut lines = vec![("Changed", ids(&|outcome| *outcome == Outcome::Done))];
        if !is_whole {
            lines
                .push(("Changed by another writer", ids(&|outcome| *outcome == Outcome::Conflict)));
            lines.push(("Outcome unknown", ids(&|outcome| matches!(outcome, Outcome::Unknown(_)))));
            lines.push(("Failed", ids(&|outcome| matches!(outcome, Outcome::Failed(_)))));
            lines.push(("Not changed", ids(&|outcome| *outcome == Outcome::NotTried)));
        }
        for (label, ids) in lines.iter().filter(|(_, ids)| !ids.is_empty()) {
            let text = format!("{label}: {} ({})", ids, plan.group);
            if is_whole { console.say(&text) } else { console.complain(&text) }
        }
        for (change, outcome) in plan.changes.iter().zip(outcomes) {
            if let Some(error) = outcome.error() {
                console.complain(&format!("error: partition {}: {error}", change.partition.id));
            }
        }
    }
    let changed = has(|outcome| matches!(outcome, Outcome::Done | Outcome::Unknown(_)));
    if !is_whole && changed {
        console.complain(&format!("To restore the previous state: eventhub-checkpoints {restore}"));
    }
    if is_whole {
        Exit::Done
    } else if session.is_interrupted() {
        Exit::Interrupted
    } else if changed {
        Exit::Partly
    } else if has(|outcome| *outcome == Outcome::Conflict) {
        Exit::Refused
    } else {
        Exit::Failed
    }
}

//! The plan as a table, and after the change with its outcomes.

use serde_json::Value;

use super::GroupPlan;
use super::apply::Outcome;
use crate::core::partition::Position;
use crate::core::partition_set::in_short;
use crate::core::plan::{Action, Change};
use crate::core::text::grouped;
use crate::output::{Cell, Column, Report, Section, Tint};

const COLUMNS: &[Column] = &[
    Column::new("PARTITION", &["partition_id"]),
    Column::new("ACTION", &["action"]),
    Column::new("FROM", &["from_sequence_number"]),
    Column::new("TO", &["to_sequence_number"]),
    Column::new("REPLAY", &["replay"]),
    Column::new("SKIP", &["skip"]),
    Column::wide("OFFSET FROM", &["from_offset"]),
    Column::wide("OFFSET TO", &["to_offset"]),
    Column::new("OWNER", &["owner_id"]),
    Column::data(&["reason", "outcome", "error"]),
];

pub(super) fn report(plans: &[GroupPlan], results: Option<&[Vec<Outcome>]>) -> Report {
    let sections = plans.iter().enumerate().map(|(index, plan)| {
        section(plan, results.and_then(|results| results.get(index)).map(Vec::as_slice))
    });
    Report::new("changes", sections.collect())
}

fn section(plan: &GroupPlan, outcomes: Option<&[Outcome]>) -> Section {
    let group = &plan.group;
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    section.identity("namespace", group.fully_qualified_namespace());
    section.identity("eventhub", group.eventhub_name());
    section.identity("consumer_group", group.consumer_group());
    section.identity("name_case", plan.naming.word());
    section.heading = vec![format!(
        "{} / {} / {}",
        group.fully_qualified_namespace(),
        group.eventhub_name(),
        group.consumer_group()
    )];
    let outcome = |index: usize| outcomes.and_then(|outcomes| outcomes.get(index));
    section.rows = plan
        .changes
        .iter()
        .enumerate()
        .map(|(index, change)| row(change, outcome(index)))
        .collect();
    section.notes = notes(&plan.changes);
    section
}

fn notes(changes: &[Change]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for change in changes {
        let Action::Keep(reason) = &change.action else { continue };
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, ids)) => ids.push(&change.partition.id),
            None => reasons.push((reason, vec![&change.partition.id])),
        }
    }
    reasons.into_iter().map(|(reason, ids)| format!("{}: kept, {reason}.", in_short(ids))).collect()
}

fn row(change: &Change, outcome: Option<&Outcome>) -> Vec<Cell> {
    let none = Position::default();
    let before = change.partition.checkpoint.as_ref().map_or(&none, |stored| &stored.position);
    let after = match &change.action {
        Action::Write(position) => position,
        Action::DeleteCheckpoint => &none,
        _ => before,
    };
    let number = |number: Option<i64>| {
        Cell::new(number.map_or("-".to_owned(), grouped), [Value::from(number)])
    };
    let events = |events: Option<u64>| {
        Cell::new(events.map_or("-".to_owned(), grouped), [Value::from(events)])
    };
    let reason = match &change.action {
        Action::Keep(reason) => Some(reason.as_str()),
        _ => None,
    };
    let owner = match &change.action {
        Action::WriteOwner(owner) => Some(owner.as_str()),
        _ => change.partition.owner.as_ref().and_then(|owner| owner.id.as_deref()),
    };
    let tint = if change.is_change() { Tint::Warn } else { Tint::Plain };
    let word = outcome.map_or(if change.is_change() { "planned" } else { "kept" }, Outcome::word);
    vec![
        Cell::text(&change.partition.id),
        Cell::text(change.action.word()).tinted(tint),
        number(before.sequence_number),
        number(after.sequence_number),
        events(change.effect.replay),
        events(change.effect.skip),
        Cell::maybe(before.offset.as_deref()),
        Cell::maybe(after.offset.as_deref()),
        Cell::maybe(owner),
        Cell::new(
            "",
            [Value::from(reason), Value::from(word), Value::from(outcome.and_then(Outcome::error))],
        ),
    ]
}

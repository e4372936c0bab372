//! What a command would change, and what that means for the consumers.

use eventhub_checkpointstore::ETag;

use super::partition::{HubPartition, Partition, Position, count};
use super::text::grouped;

/// What is done about one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A checkpoint is written.
    Write(Position),
    /// The checkpoint is deleted.
    DeleteCheckpoint,
    /// The ownership record is deleted.
    DeleteOwnership,
    /// The owner is taken out of the ownership record.
    Release,
    /// An ownership record is written for an owner, where there is none.
    WriteOwner(String),
    /// Nothing, and why.
    Keep(String),
}

impl Action {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Write(_) => "write",
            Self::DeleteCheckpoint => "delete",
            Self::DeleteOwnership => "delete owner",
            Self::Release => "release",
            Self::WriteOwner(_) => "write owner",
            Self::Keep(_) => "keep",
        }
    }
}

/// The record that a plan was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// There was none.
    Nothing,
    Version(&'a ETag),
    /// One that is not readable, whose version a list does not tell.
    Unreadable,
}

/// Events that are received again, or never: `None` where nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effect {
    pub replay: Option<u64>,
    pub skip: Option<u64>,
}

/// The change of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub partition: Partition,
    pub action: Action,
    pub effect: Effect,
}

impl Change {
    pub fn write(partition: Partition, position: Position) -> Self {
        let before = partition.checkpoint.as_ref().map(|stored| &stored.position);
        if before == Some(&position) {
            return Self::keep(partition, "it has this position already");
        }
        let effect = effect(before, &position, partition.hub.as_ref());
        Self { partition, action: Action::Write(position), effect }
    }

    pub fn keep(partition: Partition, why: impl Into<String>) -> Self {
        Self { partition, action: Action::Keep(why.into()), effect: Effect::default() }
    }

    pub fn other(partition: Partition, action: Action) -> Self {
        Self { partition, action, effect: Effect::default() }
    }

    pub fn is_change(&self) -> bool {
        !matches!(self.action, Action::Keep(_))
    }

    /// What the plan was made from.
    pub fn seen(&self) -> Seen<'_> {
        let partition = &self.partition;
        let etag = match self.action {
            Action::DeleteOwnership | Action::Release | Action::WriteOwner(_) => {
                partition.owner.as_ref().and_then(|owner| owner.etag.as_ref())
            }
            _ if partition.unreadable.is_some() => return Seen::Unreadable,
            _ => partition.checkpoint.as_ref().and_then(|stored| stored.etag.as_ref()),
        };
        etag.map_or(Seen::Nothing, Seen::Version)
    }
}

/// What a consumer receives again or never, if its checkpoint moves.
pub fn effect(before: Option<&Position>, after: &Position, hub: Option<&HubPartition>) -> Effect {
    let (Some(before), Some(after)) =
        (before.and_then(|before| next(before, hub)), next(after, hub))
    else {
        return Effect::default();
    };
    Effect { replay: Some(count(before - after)), skip: Some(count(after - before)) }
}

/// The number of the event that a consumer would receive next.
fn next(position: &Position, hub: Option<&HubPartition>) -> Option<i128> {
    let Some(hub) = hub else {
        return position.sequence_number.map(|number| i128::from(number) + 1);
    };
    let number = super::assess::resume_number(position, hub)?;
    let (first, end) = (i128::from(hub.first), i128::from(hub.last) + 1);
    Some((i128::from(number) + 1).min(end).max(first.min(end)))
}

/// What a plan amounts to, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub partitions: usize,
    pub changes: usize,
    pub replay: u64,
    pub skip: u64,
    /// For some partitions nobody can say.
    pub has_unknown: bool,
}

pub fn totals(changes: &[Change]) -> Totals {
    let mut totals = Totals { partitions: changes.len(), ..Totals::default() };
    for change in changes.iter().filter(|change| change.is_change()) {
        totals.changes += 1;
        totals.replay = totals.replay.saturating_add(change.effect.replay.unwrap_or_default());
        totals.skip = totals.skip.saturating_add(change.effect.skip.unwrap_or_default());
        totals.has_unknown |=
            matches!(change.action, Action::Write(_)) && change.effect.replay.is_none();
    }
    totals
}

/// The sentence of the plan and of its question: `Move 4 of 32 partitions, replay 1,203,551 events, skip 0`.
pub fn sentence(verb: &str, changes: &[Change]) -> String {
    let totals = totals(changes);
    let partitions = if totals.partitions == 1 { "partition" } else { "partitions" };
    let mut text = format!("{verb} {} of {} {partitions}", totals.changes, totals.partitions);
    let moves = changes.iter().any(|change| matches!(change.action, Action::Write(_)));
    if moves {
        let (replay, skip) = (grouped(totals.replay), grouped(totals.skip));
        text = if totals.has_unknown {
            format!("{text}, replay {replay} events or more, skip {skip} or more")
        } else {
            format!("{text}, replay {replay} events, skip {skip}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::partition::StoredCheckpoint;
    use super::*;

    fn hub(first: i64, last: i64) -> HubPartition {
        HubPartition {
            first,
            last,
            last_offset: "9".to_owned(),
            last_enqueued: None,
            is_empty: false,
        }
    }

    fn at(number: i64) -> Position {
        Position::new((number * 10).to_string(), number)
    }

    fn partition(number: Option<i64>, hub: Option<HubPartition>) -> Partition {
        let stored = |number| StoredCheckpoint { position: at(number), written: None, etag: None };
        Partition {
            id: "0".to_owned(),
            checkpoint: number.map(stored),
            hub,
            ..Partition::default()
        }
    }

    fn known(replay: u64, skip: u64) -> Effect {
        Effect { replay: Some(replay), skip: Some(skip) }
    }

    #[test]
    fn replay_and_skip_are_those_events_that_are_kept() {
        let (before, kept) = (at(50), hub(10, 99));
        for (after, effect_) in [
            (at(50), known(0, 0)),
            (at(30), known(20, 0)),
            (at(60), known(0, 10)),
            (at(2), known(41, 0)),
            (Position::earliest(&kept), known(41, 0)),
            (Position::latest(&kept), known(0, 49)),
            (at(500), known(0, 49)),
        ] {
            assert_eq!(effect(Some(&before), &after, Some(&kept)), effect_, "{after:?}");
        }
        // Retention passed the checkpoint, so there is less to skip.
        assert_eq!(effect(Some(&at(2)), &Position::latest(&kept), Some(&kept)), known(0, 90));
        assert_eq!(effect(Some(&before), &at(30), None), known(20, 0));
        assert_eq!(effect(None, &at(30), Some(&kept)), Effect::default());
    }

    #[test]
    fn the_sentence_counts_what_changes() {
        let changes = [
            Change::write(partition(Some(50), Some(hub(0, 99))), at(20)),
            Change::write(partition(Some(50), Some(hub(0, 99))), at(50)),
            Change::write(partition(Some(50), Some(hub(0, 99))), at(99)),
        ];
        assert_eq!(sentence("Move", &changes), "Move 2 of 3 partitions, replay 30 events, skip 49");
        assert!(!changes[1].is_change());
        let unknown = [Change::write(partition(None, None), at(20))];
        assert_eq!(
            sentence("Move", &unknown),
            "Move 1 of 1 partition, replay 0 events or more, skip 0 or more"
        );
        let deleted = [Change::other(partition(Some(1), None), Action::DeleteCheckpoint)];
        assert_eq!(sentence("Delete", &deleted), "Delete 1 of 1 partition");
    }
}

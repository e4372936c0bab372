//! Where `reset` moves checkpoints. Resuming is exclusive: a checkpoint names the event before the first one received.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::assess::resume_number;
use super::partition::{EARLIEST_OFFSET, Partition, Position};

/// The goal of a reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// The first event that is kept.
    Earliest,
    /// Behind the last event.
    Latest,
    /// Behind the event of exactly this position.
    Behind(Position),
    /// At the event with this number.
    AtNumber(i64),
    /// At the first event that came at this time or later.
    AtTime(SystemTime),
    /// So many events forwards, or backwards.
    ShiftedBy(i64),
    /// Where each is; behind the last event where there is no checkpoint.
    Current,
    /// A position for each partition, from a file or another group.
    Each(BTreeMap<String, Position>),
}

/// Where a checkpoint goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    Position(Position),
    /// Nowhere, and why.
    Stay(&'static str),
    /// Before this event, whose predecessor must be read for its offset.
    Before(i64),
    /// Before the first event from this time on, which must be found.
    AtTime(SystemTime),
    /// Behind the event with this offset, which must be read for its number.
    BehindOffset(String),
}

impl Aim {
    /// Whether events must be read.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Before(_) | Self::AtTime(_) | Self::BehindOffset(_))
    }
}

/// Where a goal is in a partition.
pub fn aim(goal: &Goal, partition: &Partition) -> Result<Aim, String> {
    Ok(Aim::Position(match goal {
        Goal::Earliest => earliest(partition),
        Goal::Latest => Position::latest(hub(partition)?),
        Goal::Behind(position) => position.clone(),
        Goal::AtNumber(number) => return at_number(*number, partition),
        Goal::AtTime(moment) => {
            let hub = hub(partition)?;
            // Nothing came since.
            if hub.is_empty || hub.last_enqueued.is_some_and(|last| last < *moment) {
                Position::latest(hub)
            } else {
                return Ok(Aim::AtTime(*moment));
            }
        }
        Goal::ShiftedBy(events) => return shifted(*events, partition),
        Goal::Current => return current(partition),
        Goal::Each(positions) => match positions.get(&partition.id) {
            Some(position) => position.clone(),
            None => return Ok(Aim::Stay("no position is given for it")),
        },
    }))
}

/// Without the hub the number before the first is not known; the offset alone decides then in every SDK.
fn earliest(partition: &Partition) -> Position {
    let number = partition.hub.as_ref().map_or(-1, |hub| hub.first.saturating_sub(1));
    Position::new(EARLIEST_OFFSET, number)
}

fn at_number(number: i64, partition: &Partition) -> Result<Aim, String> {
    let hub = hub(partition)?;
    if number == hub.first {
        return Ok(Aim::Position(Position::earliest(hub)));
    }
    if Some(number) == hub.last.checked_add(1) {
        return Ok(Aim::Position(Position::latest(hub)));
    }
    if number < hub.first || number > hub.last {
        return Err(format!(
            "partition {}: there is no event {number}; it has events {} to {}",
            partition.id, hub.first, hub.last
        ));
    }
    Ok(Aim::Before(number))
}

/// From the next event that would be received; no further than to the ends.
fn shifted(events: i64, partition: &Partition) -> Result<Aim, String> {
    let hub = hub(partition)?;
    let position = partition.checkpoint.as_ref().map(|stored| &stored.position);
    let Some(number) = position.and_then(|position| resume_number(position, hub)) else {
        return Ok(Aim::Stay("its sequence number is not known"));
    };
    let end = hub.last.saturating_add(1).max(hub.first);
    let next = number.saturating_add(1).clamp(hub.first, end);
    at_number(next.saturating_add(events).clamp(hub.first, end), partition)
}

/// The position of the checkpoint with both parts; the end where there is no checkpoint.
fn current(partition: &Partition) -> Result<Aim, String> {
    let Some(stored) = &partition.checkpoint else {
        return Ok(Aim::Position(Position::latest(hub(partition)?)));
    };
    let position = &stored.position;
    let Some(hub) = &partition.hub else { return Ok(Aim::Stay("it stays where it is")) };
    let number = resume_number(position, hub);
    Ok(match (&position.offset, number) {
        (Some(_), Some(_)) if number == position.sequence_number => {
            Aim::Stay("it stays where it is")
        }
        (Some(offset), Some(number)) => Aim::Position(Position::new(&**offset, number)),
        (None, Some(number)) if number == hub.last => {
            Aim::Position(Position::new(&*hub.last_offset, number))
        }
        (None, Some(number)) if number < hub.first => {
            Aim::Position(Position::new(EARLIEST_OFFSET, number))
        }
        (None, Some(number)) if number < hub.last => Aim::Before(number.saturating_add(1)),
        (Some(offset), None) if !hub.is_empty => Aim::BehindOffset(offset.clone()),
        _ => Aim::Stay("the event hub has no event at its position"),
    })
}

fn hub(partition: &Partition) -> Result<&super::partition::HubPartition, String> {
    partition.hub.as_ref().ok_or_else(|| {
        format!(
            "partition {}: this goal needs the event hub's numbers; omit --no-hub",
            partition.id
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::partition::{HubPartition, StoredCheckpoint};
    use super::*;

    fn partition(position: Option<Position>) -> Partition {
        let hub = HubPartition {
            first: 100,
            last: 199,
            last_offset: "9999".to_owned(),
            last_enqueued: None,
            is_empty: false,
        };
        let stored = |position| StoredCheckpoint { position, written: None, etag: None };
        Partition {
            id: "3".to_owned(),
            checkpoint: position.map(stored),
            hub: Some(hub),
            ..Partition::default()
        }
    }

    fn goes_to(goal: &Goal, partition: &Partition) -> Option<Position> {
        match aim(goal, partition).unwrap() {
            Aim::Position(position) => Some(position),
            _ => None,
        }
    }

    #[test]
    fn both_ends_are_written_with_offset_and_number() {
        let somewhere = || partition(Some(Position::new("5000", 150)));
        assert_eq!(goes_to(&Goal::Earliest, &somewhere()), Some(Position::new("-1", 99)));
        assert_eq!(goes_to(&Goal::Latest, &somewhere()), Some(Position::new("9999", 199)));
        assert_eq!(goes_to(&Goal::AtNumber(100), &somewhere()), Some(Position::new("-1", 99)));
        assert_eq!(goes_to(&Goal::AtNumber(200), &somewhere()), Some(Position::new("9999", 199)));
        assert_eq!(
            goes_to(&Goal::Behind(Position::new("7", 120)), &somewhere()),
            Some(Position::new("7", 120))
        );
    }

    #[test]
    fn an_event_in_between_must_be_read() {
        assert_eq!(aim(&Goal::AtNumber(150), &partition(None)), Ok(Aim::Before(150)));
        let error = aim(&Goal::AtNumber(99), &partition(None)).unwrap_err();
        assert!(error.contains("100 to 199"), "{error}");
    }

    #[test]
    fn a_shift_counts_from_the_next_event_and_ends_at_the_ends() {
        let at = |number| partition(Some(Position::new("5000", number)));
        let shifted = |events, number| aim(&Goal::ShiftedBy(events), &at(number)).unwrap();
        assert_eq!(shifted(-10, 150), Aim::Before(141));
        assert_eq!(shifted(10, 150), Aim::Before(161));
        assert_eq!(shifted(-51, 150), Aim::Position(Position::new("-1", 99)));
        assert_eq!(shifted(i64::MIN, 150), Aim::Position(Position::new("-1", 99)));
        assert_eq!(shifted(i64::MAX, 150), Aim::Position(Position::new("9999", 199)));
        // Retention passed the checkpoint: it counts from the first event.
        assert_eq!(shifted(10, 5), Aim::Before(110));
        assert!(matches!(aim(&Goal::ShiftedBy(1), &partition(None)), Ok(Aim::Stay(_))));
    }

    #[test]
    fn a_time_after_the_last_event_is_its_end() {
        let time = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let mut one = partition(None);
        one.hub.as_mut().unwrap().last_enqueued = Some(time(100));
        assert_eq!(
            aim(&Goal::AtTime(time(101)), &one),
            Ok(Aim::Position(Position::new("9999", 199)))
        );
        assert_eq!(aim(&Goal::AtTime(time(100)), &one), Ok(Aim::AtTime(time(100))));
    }

    #[test]
    fn a_partition_that_never_had_an_event_begins_at_its_beginning() {
        let mut empty = partition(None);
        let hub = empty.hub.as_mut().unwrap();
        (hub.first, hub.last, hub.is_empty) = (0, -1, true);
        assert_eq!(goes_to(&Goal::Latest, &empty), Some(Position::new("-1", -1)));
        assert_eq!(goes_to(&Goal::Earliest, &empty), Some(Position::new("-1", -1)));
    }

    #[test]
    fn current_completes_positions_and_fixes_missing_ones() {
        let whole = Position::new("5000", 150);
        assert_eq!(goes_to(&Goal::Current, &partition(Some(whole))), None);
        assert_eq!(goes_to(&Goal::Current, &partition(None)), Some(Position::new("9999", 199)));
        let no_number = Position { offset: Some("9999".to_owned()), sequence_number: None };
        assert_eq!(
            goes_to(&Goal::Current, &partition(Some(no_number))),
            Some(Position::new("9999", 199))
        );
        let no_offset = Position { offset: None, sequence_number: Some(199) };
        assert_eq!(
            goes_to(&Goal::Current, &partition(Some(no_offset))),
            Some(Position::new("9999", 199))
        );
    }

    #[test]
    fn the_missing_part_of_a_position_in_between_must_be_read() {
        let current = |offset: Option<&str>, sequence_number| {
            let offset = offset.map(str::to_owned);
            aim(&Goal::Current, &partition(Some(Position { offset, sequence_number }))).unwrap()
        };
        assert_eq!(current(None, Some(150)), Aim::Before(151));
        assert_eq!(current(Some("5000"), None), Aim::BehindOffset("5000".to_owned()));
        // Retention passed one, and the other is past the end: there is no event to read.
        assert_eq!(current(None, Some(42)), Aim::Position(Position::new("-1", 42)));
        assert!(matches!(current(None, Some(200)), Aim::Stay(_)));
    }

    #[test]
    fn without_the_hub_only_the_beginning_can_be_written() {
        let mut one = partition(Some(Position::new("5000", 150)));
        one.hub = None;
        assert_eq!(goes_to(&Goal::Earliest, &one), Some(Position::new("-1", -1)));
        assert!(aim(&Goal::Latest, &one).unwrap_err().contains("--no-hub"));
    }

    #[test]
    fn given_positions_leave_the_other_partitions_alone() {
        let goal = Goal::Each(BTreeMap::from([("3".to_owned(), Position::new("1", 101))]));
        assert_eq!(goes_to(&goal, &partition(None)), Some(Position::new("1", 101)));
        let other = Goal::Each(BTreeMap::new());
        assert_eq!(goes_to(&other, &partition(None)), None);
    }
}

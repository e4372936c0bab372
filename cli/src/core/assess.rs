//! The state of a partition: status, lag, and how far behind in time.

use std::time::{Duration, SystemTime};

use super::partition::{HubPartition, OwnerState, Partition, Position, StoredCheckpoint, count};
use super::text::age;

/// A checkpoint may be this much older than the last event of a partition that is well.
const FRESH: Duration = Duration::from_secs(60);

/// The state of a partition, in the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It never had an event, and there is no checkpoint.
    Empty,
    /// The checkpoint is past the last event: the hub was recreated or failed over.
    Ahead,
    /// Retention has passed the checkpoint.
    Lost,
    /// There is no checkpoint.
    None,
    /// No lag, or a small one that is being worked on.
    Ok,
    /// Lag, and no live owner.
    Unowned,
    /// Lag and a live owner, who stores no checkpoints.
    Stalled,
    /// The checkpoint went back since the last sample.
    Rewound,
    /// Lag, and checkpoints move.
    Behind,
}

impl Status {
    pub const ALL: [Self; 9] = [
        Self::Empty,
        Self::Ahead,
        Self::Lost,
        Self::None,
        Self::Ok,
        Self::Unowned,
        Self::Stalled,
        Self::Rewound,
        Self::Behind,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Ahead => "ahead",
            Self::Lost => "lost",
            Self::None => "none",
            Self::Ok => "ok",
            Self::Unowned => "unowned",
            Self::Stalled => "stalled",
            Self::Rewound => "rewound",
            Self::Behind => "behind",
        }
    }
}

/// A number that is exact, or the most or least that it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounded<T> {
    pub value: T,
    pub is_bound: bool,
}

impl<T> Bounded<T> {
    pub fn exact(value: T) -> Self {
        Self { value, is_bound: false }
    }

    pub fn bound(value: T) -> Self {
        Self { value, is_bound: true }
    }
}

/// What the statuses depend on beside the partition.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The server's clock.
    pub now: SystemTime,
    /// Owners that have not renewed for longer count as gone.
    pub expiration: Duration,
    /// A lag that is nothing to worry about while checkpoints are fresh.
    pub ok_lag: u64,
}

/// What is to be said about a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// `None` where nobody can say: without the hub's numbers, or without a number in the checkpoint.
    pub status: Option<Status>,
    /// Unprocessed events; at most so many where there is no checkpoint.
    pub lag: Option<Bounded<u64>>,
    /// The age of the first unprocessed event; at least this.
    pub behind: Option<Bounded<Duration>>,
    /// Events that were deleted before they were processed.
    pub lost: Option<u64>,
    /// How far the checkpoint is past the last event.
    pub ahead: Option<u64>,
    pub owner: Option<OwnerState>,
    /// How long ago the checkpoint was written.
    pub checkpoint_age: Option<Duration>,
}

impl Assessment {
    pub fn has_lag(&self) -> bool {
        self.lag.is_some_and(|lag| lag.value > 0)
    }

    pub fn has_live_owner(&self) -> bool {
        self.owner == Some(OwnerState::Live)
    }
}

pub fn assess(partition: &Partition, rules: &Rules) -> Assessment {
    let owner = partition.owner.as_ref().map(|owner| owner.state(rules.now, rules.expiration));
    let written = partition.checkpoint.as_ref().and_then(|checkpoint| checkpoint.written);
    let mut assessment = Assessment {
        status: None,
        lag: None,
        behind: None,
        lost: None,
        ahead: None,
        owner,
        checkpoint_age: written.map(|written| age(written, rules.now)),
    };
    let Some(hub) = &partition.hub else {
        assessment.status = partition.checkpoint.is_none().then_some(Status::None);
        return assessment;
    };
    let Some(checkpoint) = &partition.checkpoint else {
        // Whether it starts at the earliest or the latest event is the consumer's choice.
        assessment.lag = Some(Bounded::bound(hub.kept()));
        let never_used = hub.last < 0 && partition.unreadable.is_none();
        assessment.status = Some(if never_used { Status::Empty } else { Status::None });
        return assessment;
    };
    let Some(number) = resume_number(&checkpoint.position, hub) else {
        return assessment;
    };
    assessment.ahead =
        Some(count(i128::from(number) - i128::from(hub.last))).filter(|ahead| *ahead > 0);
    if assessment.ahead.is_some() {
        assessment.status = Some(Status::Ahead);
        return assessment;
    }
    let lag = hub.kept_behind(number);
    assessment.lag = Some(Bounded::exact(lag));
    assessment.lost = lost_events(number, hub);
    assessment.behind = behind(lag, hub, rules.now);
    assessment.status = Some(status(&assessment, checkpoint, hub, rules));
    assessment
}

/// The number of the last processed event, as far as the hub and the checkpoint tell it.
pub fn resume_number(position: &Position, hub: &HubPartition) -> Option<i64> {
    position.sequence_number.or_else(|| match &position.offset {
        Some(_) if position.is_earliest() => Some(hub.first.saturating_sub(1)),
        Some(offset) if *offset == hub.last_offset && !offset.is_empty() => Some(hub.last),
        _ => None,
    })
}

fn lost_events(number: i64, hub: &HubPartition) -> Option<u64> {
    let all = count(i128::from(hub.last) - i128::from(number));
    let lost = all - hub.kept_behind(number);
    (lost > 0).then_some(lost)
}

/// The event behind the checkpoint is at least as old as the last one.
fn behind(lag: u64, hub: &HubPartition, now: SystemTime) -> Option<Bounded<Duration>> {
    if lag == 0 {
        return Some(Bounded::exact(Duration::ZERO));
    }
    hub.last_enqueued.map(|last| Bounded::bound(age(last, now)))
}

fn status(
    assessment: &Assessment,
    checkpoint: &StoredCheckpoint,
    hub: &HubPartition,
    rules: &Rules,
) -> Status {
    if assessment.lost.is_some() {
        return Status::Lost;
    }
    let lag = assessment.lag.map_or(0, |lag| lag.value);
    if lag == 0 || lag <= rules.ok_lag && is_fresh(checkpoint, hub) {
        Status::Ok
    } else if !assessment.has_live_owner() {
        Status::Unowned
    } else if is_stalled(assessment, checkpoint, hub, rules) {
        Status::Stalled
    } else {
        Status::Behind
    }
}

fn is_fresh(checkpoint: &StoredCheckpoint, hub: &HubPartition) -> bool {
    match (checkpoint.written, hub.last_enqueued) {
        (Some(written), Some(last)) => age(written, last) <= FRESH,
        _ => false,
    }
}

fn is_stalled(
    assessment: &Assessment,
    checkpoint: &StoredCheckpoint,
    hub: &HubPartition,
    rules: &Rules,
) -> bool {
    let is_old = assessment.checkpoint_age.is_some_and(|age| age > rules.expiration * 2);
    let is_behind_the_last = match (checkpoint.written, hub.last_enqueued) {
        (Some(written), Some(last)) => written < last,
        _ => true,
    };
    is_old && is_behind_the_last
}

/// The lag of several partitions; a bound if one of them is.
pub fn total<'a>(assessments: impl IntoIterator<Item = &'a Assessment>) -> Option<Bounded<u64>> {
    assessments.into_iter().filter_map(|assessment| assessment.lag).reduce(|sum, lag| Bounded {
        value: sum.value.saturating_add(lag.value),
        is_bound: sum.is_bound || lag.is_bound,
    })
}

#[cfg(test)]
mod tests {
    use super::super::partition::StoredOwner;
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn ago(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(1_000_000 - seconds)
    }

    fn rules() -> Rules {
        Rules { now: ago(0), expiration: Duration::from_secs(120), ok_lag: 1_000 }
    }

    fn hub(first: i64, last: i64, enqueued: u64) -> HubPartition {
        HubPartition {
            first,
            last,
            last_offset: (last * 100).to_string(),
            last_enqueued: Some(ago(enqueued)),
            is_empty: last < first,
        }
    }

    fn partition(
        number: Option<i64>,
        written: u64,
        renewed: Option<u64>,
        hub: HubPartition,
    ) -> Partition {
        Partition {
            id: "0".to_owned(),
            checkpoint: number.map(|number| StoredCheckpoint {
                position: Position::new((number * 100).to_string(), number),
                written: Some(ago(written)),
                etag: None,
            }),
            unreadable: None,
            owner: renewed.map(|renewed| StoredOwner {
                id: Some("worker".to_owned()),
                renewed: Some(ago(renewed)),
                etag: None,
            }),
            hub: Some(hub),
        }
    }

    fn seen(partition: &Partition) -> (Option<Status>, Option<u64>) {
        let assessment = assess(partition, &rules());
        (assessment.status, assessment.lag.map(|lag| lag.value))
    }

    #[test]
    fn the_first_status_that_fits() {
        let live = Some(8);
        for (expected, lag, partition) in [
            (Status::Empty, Some(0), partition(None, 0, None, hub(0, -1, 0))),
            (Status::Ok, Some(0), partition(Some(-1), 5, None, hub(0, -1, 0))),
            (Status::Ahead, None, partition(Some(500), 5, live, hub(0, 499, 0))),
            (Status::Ahead, None, partition(Some(7), 5, live, hub(0, -1, 0))),
            (
                Status::Lost,
                Some(1_000),
                partition(Some(1_200), 777_600, None, hub(19_601, 20_600, 3)),
            ),
            (Status::Lost, Some(0), partition(Some(1_200), 777_600, None, hub(20_601, 20_600, 3))),
            (Status::None, Some(790_001), partition(None, 0, live, hub(0, 790_000, 3))),
            (Status::Ok, Some(0), partition(Some(100), 777_600, None, hub(0, 100, 777_000))),
            (Status::Ok, Some(0), partition(Some(100), 777_600, None, hub(101, 100, 777_000))),
            (Status::Ok, Some(12), partition(Some(88), 2, live, hub(0, 100, 3))),
            (Status::Ok, Some(12), partition(Some(88), 62, None, hub(0, 100, 3))),
            (Status::Unowned, Some(12), partition(Some(88), 64, None, hub(0, 100, 3))),
            (Status::Unowned, Some(12), partition(Some(88), 64, Some(121), hub(0, 100, 3))),
            (Status::Behind, Some(12), partition(Some(88), 64, Some(120), hub(0, 100, 3))),
            (Status::Stalled, Some(41_298), partition(Some(2_118), 241, live, hub(0, 43_416, 3))),
            (Status::Behind, Some(41_298), partition(Some(2_118), 240, live, hub(0, 43_416, 3))),
            // Nothing came since the checkpoint.
            (Status::Behind, Some(41_298), partition(Some(2_118), 500, live, hub(0, 43_416, 500))),
        ] {
            assert_eq!(seen(&partition), (Some(expected), lag), "{partition:?}");
        }
    }

    #[test]
    fn lost_events_are_counted_up_to_the_first_that_is_kept() {
        let assessment = assess(&partition(Some(1_200), 9, None, hub(19_601, 20_600, 3)), &rules());
        assert_eq!(assessment.lost, Some(18_400));
        let next = assess(&partition(Some(19_600), 9, None, hub(19_601, 20_600, 3)), &rules());
        assert_eq!((next.lost, next.lag), (None, Some(Bounded::exact(1_000))));
    }

    #[test]
    fn a_checkpoint_without_a_number_is_understood_where_the_offset_says_enough() {
        let mut one = partition(Some(1), 5, None, hub(10, 20, 3));
        let mut offset = |offset: &str| {
            let position = Position { offset: Some(offset.to_owned()), sequence_number: None };
            one.checkpoint.as_mut().unwrap().position = position;
            seen(&one)
        };
        assert_eq!(offset("-1"), (Some(Status::Ok), Some(11)));
        assert_eq!(offset("2000"), (Some(Status::Ok), Some(0)));
        assert_eq!(offset("1500"), (None, None));
    }

    #[test]
    fn behind_is_zero_or_a_bound_and_never_a_guess() {
        let behind = |partition| assess(&partition, &rules()).behind;
        assert_eq!(
            behind(partition(Some(100), 5, None, hub(0, 100, 90))),
            Some(Bounded::exact(Duration::ZERO))
        );
        let bound = Bounded::bound(Duration::from_secs(90));
        assert_eq!(behind(partition(Some(99), 5, None, hub(0, 100, 90))), Some(bound));
        assert_eq!(behind(partition(None, 5, None, hub(0, 100, 90))), None);
    }

    #[test]
    fn without_the_hub_only_the_missing_checkpoint_is_certain() {
        let mut one = partition(Some(1), 5, Some(8), hub(0, 0, 0));
        one.hub = None;
        assert_eq!(seen(&one), (None, None));
        one.checkpoint = None;
        assert_eq!(seen(&one), (Some(Status::None), None));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        for (number, first, last) in
            [(i64::MIN + 1, 0, i64::MAX), (i64::MAX, i64::MIN, i64::MIN), (0, i64::MIN, i64::MAX)]
        {
            let mut extreme = hub(0, 0, 0);
            (extreme.first, extreme.last) = (first, last);
            let mut one = partition(Some(0), 5, None, extreme);
            one.checkpoint.as_mut().unwrap().position.sequence_number = Some(number);
            let _ = assess(&one, &rules());
        }
    }
}

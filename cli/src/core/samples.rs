//! Several looks at a group, one after the other: rates, how far behind in time, and what moved.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use super::assess::{Assessment, Bounded, Status, resume_number};
use super::partition::{OwnerState, Partition};
use super::text::age;

/// Enough for a day at an interval of a minute; more than a graph can show.
const MOST: usize = 1_500;

/// The numbers of a partition at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sample {
    at: SystemTime,
    last: i64,
    number: Option<i64>,
}

/// What is known of a partition over time.
#[derive(Debug, Clone, Default)]
struct Track {
    samples: VecDeque<Sample>,
    owner: Option<String>,
    has_been_seen: bool,
}

/// Events a second, and when the lag will be gone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// New events.
    pub incoming: Option<f64>,
    /// Processed events.
    pub outgoing: Option<f64>,
    /// The time until there is no lag, if it shrinks.
    pub drain: Option<Duration>,
}

/// A partition that has another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub partition_id: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// The numbers of a whole group at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Total {
    pub at: SystemTime,
    pub lag: u64,
    /// The rates of all partitions together, as far as they are known.
    pub incoming: Option<f64>,
    pub outgoing: Option<f64>,
}

/// The history of a group.
#[derive(Debug, Clone, Default)]
pub struct History {
    tracks: BTreeMap<String, Track>,
    totals: VecDeque<Total>,
}

impl History {
    /// Adds a look, and completes its assessments with what only several looks can tell.
    pub fn add(&mut self, at: SystemTime, rows: &mut [(Partition, Assessment)]) -> Vec<Move> {
        let mut moves = Vec::new();
        for (partition, assessment) in rows.iter_mut() {
            let track = self.tracks.entry(partition.id.clone()).or_default();
            moves.extend(track.change_of_owner(partition, assessment));
            track.add(at, partition, assessment);
        }
        let lag = super::assess::total(rows.iter().map(|(_, assessment)| assessment));
        let rates: Vec<_> = rows
            .iter()
            .map(|(partition, assessment)| self.rates(&partition.id, assessment))
            .collect();
        let total = Total {
            at,
            lag: lag.map_or(0, |lag| lag.value),
            incoming: sum(rates.iter().map(|rates| rates.incoming)),
            outgoing: sum(rates.iter().map(|rates| rates.outgoing)),
        };
        push(&mut self.totals, total);
        moves
    }

    pub fn rates(&self, partition_id: &str, assessment: &Assessment) -> Rates {
        self.tracks.get(partition_id).map_or_else(Rates::default, |track| track.rates(assessment))
    }

    /// The whole group over time.
    pub fn totals(&self) -> impl ExactSizeIterator<Item = Total> {
        self.totals.iter().copied()
    }
}

/// The sum of what is known; `None` if nothing is.
fn sum(rates: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    rates.flatten().fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Track {
    fn change_of_owner(&mut self, partition: &Partition, assessment: &Assessment) -> Option<Move> {
        let is_live = assessment.owner == Some(OwnerState::Live);
        let owner = partition.owner.as_ref().filter(|_| is_live).and_then(|owner| owner.id.clone());
        let is_first = !std::mem::replace(&mut self.has_been_seen, true);
        let before = std::mem::replace(&mut self.owner, owner.clone());
        (!is_first && before != owner).then(|| Move {
            partition_id: partition.id.clone(),
            from: before,
            to: owner,
        })
    }

    fn add(&mut self, at: SystemTime, partition: &Partition, assessment: &mut Assessment) {
        let Some(hub) = &partition.hub else { return };
        let position = partition.checkpoint.as_ref().map(|stored| &stored.position);
        let number = position.and_then(|position| resume_number(position, hub));
        let before = self.samples.back().and_then(|sample| sample.number);
        let has_gone_back = before.zip(number).is_some_and(|(before, number)| number < before);
        push(&mut self.samples, Sample { at, last: hub.last, number });
        if has_gone_back
            && matches!(assessment.status, Some(Status::Ok | Status::Behind | Status::Unowned))
        {
            assessment.status = Some(Status::Rewound);
        }
        let behind = number.and_then(|number| self.behind(number, at));
        if let Some(behind) = behind.filter(|_| assessment.has_lag()) {
            // Of two bounds the greater one says more.
            let known =
                assessment.behind.filter(|known| behind.is_bound && known.value > behind.value);
            assessment.behind = known.or(Some(behind));
        }
    }

    /// The age of the event behind the checkpoint, by the look that saw it first.
    fn behind(&self, number: i64, now: SystemTime) -> Option<Bounded<Duration>> {
        let index = self.samples.iter().position(|sample| sample.last > number)?;
        let seen = age(self.samples[index].at, now);
        // The first look of all cannot tell when the event came.
        Some(if index == 0 { Bounded::bound(seen) } else { Bounded::exact(seen) })
    }

    fn rates(&self, assessment: &Assessment) -> Rates {
        // Over the last looks, so that a rate follows a change.
        const LOOKS: usize = 12;
        let recent = self.samples.len().saturating_sub(LOOKS);
        let (Some(first), Some(last)) = (self.samples.get(recent), self.samples.back()) else {
            return Rates::default();
        };
        let seconds = age(first.at, last.at).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let rate = |from: i64, to: i64| per_second(from, to, seconds);
        let incoming = Some(rate(first.last, last.last));
        let outgoing = first.number.zip(last.number).map(|(from, to)| rate(from, to));
        let lag = assessment.lag.filter(|lag| !lag.is_bound).map(|lag| lag.value);
        let drain = match (lag, incoming, outgoing) {
            (Some(0), _, _) => Some(Duration::ZERO),
            (Some(lag), Some(incoming), Some(outgoing)) if outgoing > incoming => {
                Duration::try_from_secs_f64(as_float(lag) / (outgoing - incoming)).ok()
            }
            _ => None,
        };
        Rates { incoming, outgoing, drain }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a rate is rough")]
fn per_second(from: i64, to: i64, seconds: f64) -> f64 {
    (i128::from(to) - i128::from(from)).max(0) as f64 / seconds
}

#[allow(clippy::cast_precision_loss, reason = "a time to drain is rough")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::super::assess::{Rules, assess};
    use super::super::partition::{HubPartition, Position, StoredCheckpoint, StoredOwner};
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    /// One look: the last event, the checkpoint, the owner.
    fn look(
        history: &mut History,
        seconds: u64,
        last: i64,
        number: i64,
        owner: &str,
    ) -> (Assessment, Vec<Move>) {
        let partition = Partition {
            id: "0".to_owned(),
            checkpoint: Some(StoredCheckpoint {
                position: Position::new("1", number),
                written: Some(at(seconds)),
                etag: None,
            }),
            unreadable: None,
            owner: Some(StoredOwner {
                id: Some(owner.to_owned()),
                renewed: Some(at(seconds)),
                etag: None,
            }),
            hub: Some(HubPartition {
                first: 0,
                last,
                last_offset: "9".to_owned(),
                last_enqueued: Some(at(seconds)),
                is_empty: false,
            }),
        };
        let rules = Rules { now: at(seconds), expiration: Duration::from_secs(120), ok_lag: 10 };
        let assessment = assess(&partition, &rules);
        let mut rows = [(partition, assessment)];
        let moves = history.add(at(seconds), &mut rows);
        let [(_, assessment)] = rows;
        (assessment, moves)
    }

    #[test]
    fn rates_and_the_time_to_drain() {
        let mut history = History::default();
        look(&mut history, 0, 1_000, 0, "a");
        let (assessment, _) = look(&mut history, 10, 1_100, 600, "a");
        let rates = history.rates("0", &assessment);
        assert_eq!((rates.incoming, rates.outgoing), (Some(10.0), Some(60.0)));
        assert_eq!(rates.drain, Some(Duration::from_secs(10)));
        let (assessment, _) = look(&mut history, 20, 2_000, 600, "a");
        assert_eq!(history.rates("0", &assessment).drain, None, "the lag grows");
        assert_eq!(
            history.totals().map(|total| total.lag).collect::<Vec<_>>(),
            [1_000, 500, 1_400]
        );
        let rates: Vec<_> =
            history.totals().map(|total| total.incoming.zip(total.outgoing)).collect();
        assert_eq!(rates, [None, Some((10.0, 60.0)), Some((50.0, 30.0))]);
    }

    #[test]
    fn the_rates_of_a_group_are_the_sums_of_those_that_are_known() {
        assert_eq!(sum([Some(1.0), None, Some(2.5)].into_iter()), Some(3.5));
        assert_eq!(sum([None, None].into_iter()), None);
    }

    #[test]
    fn behind_is_exact_once_the_event_was_seen_to_come() {
        let mut history = History::default();
        let behind = |history: &mut History, seconds, last, number| {
            look(history, seconds, last, number, "a").0.behind
        };
        assert_eq!(behind(&mut history, 0, 100, 50), Some(Bounded::bound(Duration::ZERO)));
        assert_eq!(
            behind(&mut history, 10, 200, 50),
            Some(Bounded::bound(Duration::from_secs(10)))
        );
        assert_eq!(
            behind(&mut history, 30, 300, 150),
            Some(Bounded::exact(Duration::from_secs(20)))
        );
        assert_eq!(behind(&mut history, 40, 300, 300), Some(Bounded::exact(Duration::ZERO)));
    }

    #[test]
    fn a_checkpoint_that_went_back_is_rewound() {
        let mut history = History::default();
        look(&mut history, 0, 1_000, 900, "a");
        assert_eq!(look(&mut history, 10, 1_000, 100, "a").0.status, Some(Status::Rewound));
        assert_eq!(look(&mut history, 20, 1_000, 200, "a").0.status, Some(Status::Behind));
    }

    #[test]
    fn a_new_owner_is_a_move() {
        let mut history = History::default();
        assert_eq!(look(&mut history, 0, 10, 0, "a").1, []);
        assert_eq!(look(&mut history, 10, 10, 0, "a").1, []);
        let (_, moves) = look(&mut history, 20, 10, 0, "b");
        let expected = Move {
            partition_id: "0".to_owned(),
            from: Some("a".to_owned()),
            to: Some("b".to_owned()),
        };
        assert_eq!(moves, [expected]);
    }

    #[test]
    fn the_memory_of_a_long_watch_is_bounded() {
        let mut history = History::default();
        for second in 0..2 * MOST as u64 {
            look(&mut history, second, 10, 0, "a");
        }
        assert_eq!(history.totals().len(), MOST);
        assert_eq!(history.tracks["0"].samples.len(), MOST);
    }
}

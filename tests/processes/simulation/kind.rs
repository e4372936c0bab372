//! The kinds of members of a fleet.

use std::fmt;
use std::time::Duration;

use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
use fastrand::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All have the default options.
    Greedy,
    /// Greedy ones with intervals and expirations of their own; the shortest expiration is 60 s.
    GreedyOfAllNumbers,
    /// Each moves one partition per round.
    Balanced,
    /// Both strategies, and intervals and expirations of their own.
    Mixed,
}

impl Kind {
    pub(crate) fn options(self, rng: &mut Rng) -> OwnershipOptions {
        match self {
            Self::Greedy => OwnershipOptions::default(),
            Self::Balanced => OwnershipOptions::default().with_strategy(BalanceStrategy::Balanced),
            Self::GreedyOfAllNumbers => of_all_numbers(rng),
            Self::Mixed if rng.bool() => of_all_numbers(rng),
            Self::Mixed => of_all_numbers(rng).with_strategy(BalanceStrategy::Balanced),
        }
    }

    /// In how many rounds of each member a fleet of this size settles.
    ///
    /// One that takes a partition per round needs as many as its share has, and some more because others take the same.
    pub(crate) fn most_rounds(self, consumers: usize, partitions: usize) -> usize {
        match self {
            Self::Greedy | Self::GreedyOfAllNumbers => 3,
            Self::Balanced | Self::Mixed => 6 + 2 * partitions.div_ceil(consumers),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Greedy => "greedy",
            Self::GreedyOfAllNumbers => "greedy, all numbers",
            Self::Balanced => "balanced",
            Self::Mixed => "both, all numbers",
        })
    }
}

fn of_all_numbers(rng: &mut Rng) -> OwnershipOptions {
    let seconds = Duration::from_secs;
    let numbers = [(15, 120), (10, 60), (25, 120), (29, 180)];
    let (interval, expiration) = numbers[rng.usize(..numbers.len())];
    OwnershipOptions::new(seconds(interval), seconds(expiration))
        .and_then(|options| options.with_fleet_expiration(seconds(60)))
        .unwrap()
}

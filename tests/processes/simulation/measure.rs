//! How long a fleet takes to settle, and whether it has.

use std::fmt;
use std::time::Duration;

use super::world::World;

/// An even fleet in which nothing moves for so many rounds of each member is at rest: former owners have learned of it.
const ROUNDS_AT_REST: usize = 3;

/// The worst of what was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settling {
    /// The rounds of each member until the last record changed its owner.
    pub(crate) rounds: usize,
    /// Records that changed their owner beyond the least possible number.
    pub(crate) extra_moves: usize,
    /// Claims that somebody else was faster with.
    pub(crate) lost: usize,
}

impl Settling {
    pub(crate) fn merge(&mut self, other: Self) {
        self.rounds = self.rounds.max(other.rounds);
        self.extra_moves = self.extra_moves.max(other.extra_moves);
        self.lost = self.lost.max(other.lost);
    }
}

impl fmt::Display for Settling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} {:>6} {:>5}", self.rounds, self.extra_moves, self.lost)
    }
}

/// The least number of records that must change their owner: what the poor lack.
fn least_moves(world: &World) -> usize {
    let counts = counts(world);
    let (floor, remainder) = (
        world.store.partition_ids.len() / counts.len(),
        world.store.partition_ids.len() % counts.len(),
    );
    let mut sorted = counts;
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let shares = (0..sorted.len()).map(|rank| floor + usize::from(rank < remainder));
    sorted.iter().zip(shares).map(|(count, share)| share.saturating_sub(*count)).sum()
}

fn unevenness(world: &World) -> usize {
    let counts = counts(world);
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// The unexpired records of each running consumer.
fn counts(world: &World) -> Vec<usize> {
    let options = world.running().next().unwrap().options;
    let counts = world.store.counts(&options, world.now);
    world.running().map(|it| counts.get(it.owner_id.as_str()).copied().unwrap_or(0)).collect()
}

/// Runs so many rounds of each member after the last join, or fewer if the fleet comes to rest, and counts those that
/// something still happened in.
pub(crate) fn settle(world: &mut World, rounds: usize) -> Settling {
    let (from, least, moves, lost) =
        (world.now, least_moves(world), world.moves, world.requests_lost);
    let all_did = |world: &World, since: Duration, count: usize| {
        world.running().all(|it| it.rounds_since(it.joined.max(since)) >= count)
    };
    let is_at_rest = |world: &World| {
        all_did(world, from.max(world.last_move), ROUNDS_AT_REST) && unevenness(world) <= 1
    };
    while !all_did(world, from, rounds) && !is_at_rest(world) {
        world.run_for(Duration::from_secs(1));
    }
    let before_last_move = |since: Duration| {
        let ended = |rounds: &[Duration]| {
            rounds.iter().filter(|at| (since..world.last_move).contains(*at)).count()
        };
        world.running().map(|it| ended(&it.rounds) + 1).min().unwrap_or(0)
    };
    Settling {
        rounds: if world.moves > moves { before_last_move(from) } else { 0 },
        extra_moves: (world.moves - moves).saturating_sub(least),
        lost: world.requests_lost - lost,
    }
}

/// Every partition has exactly one owner, and the counts differ by at most one.
pub(crate) fn expect_settled(world: &mut World, when: &str) {
    world.check_all();
    assert!(unevenness(world) <= 1, "seed {} {when}: uneven: {:?}", world.seed, counts(world));
    for partition in 0..world.store.partition_ids.len() {
        let holders = world.ledger.holders(partition);
        assert_eq!(
            holders.len(),
            1,
            "seed {} {when}: owners of partition {partition}: {holders:?}",
            world.seed
        );
    }
}

/// Nothing moves in a settled fleet.
pub(crate) fn expect_quiet(world: &mut World, time: Duration) {
    let moves = world.moves;
    world.run_for(time);
    assert_eq!(world.moves, moves, "seed {}: a settled fleet was not left alone", world.seed);
}

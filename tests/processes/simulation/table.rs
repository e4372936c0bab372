//! One row of the table: a fleet that starts, grows, loses members by crashes and by stops.

use std::fmt;
use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;

use super::kind::Kind;
use super::measure::{Settling, expect_quiet, expect_settled, settle};
use super::world::World;

/// Rounds of each member until the fleet was balanced, records that moved beyond the least possible number, claims that
/// were lost; then the longest time that a partition was free, the longest time that two owners believed in it after a
/// steal, and how often two did otherwise.
pub(crate) const HEADER: &str = "\
| fleet               | consumers | partitions | start               | join at one moment  | join in an interval | crash, s | stop, s  | steal, s | double |
|                     |           |            | rounds moves+  lost | rounds moves+  lost | rounds moves+  lost |     free |     free |  overlap | owners |
|---------------------|----------:|-----------:|--------------------:|--------------------:|--------------------:|---------:|---------:|---------:|-------:|";

/// The worst of what one size of fleet showed.
pub(crate) struct Row {
    kind: Kind,
    consumers: usize,
    partitions: usize,
    start: Settling,
    together: Settling,
    spread: Settling,
    crash: Duration,
    stop: Duration,
    overlap: Duration,
    doubles: usize,
}

impl Row {
    pub(crate) fn new(kind: Kind, consumers: usize, partitions: usize) -> Self {
        let (start, together, spread) = Default::default();
        let (crash, stop, overlap) = Default::default();
        Self {
            kind,
            consumers,
            partitions,
            start,
            together,
            spread,
            crash,
            stop,
            overlap,
            doubles: 0,
        }
    }

    pub(crate) fn live_through(&mut self, seed: u64) {
        self.start_and_join(true, seed + 1_000);
        let mut world = self.start_and_join(false, seed);
        self.crash_and_stop(&mut world);
    }

    pub(crate) fn expect_bounds(&self) {
        let most = self.kind.most_rounds(self.consumers, self.partitions);
        for settling in [self.start, self.together, self.spread] {
            assert!(settling.rounds <= most, "{} rounds, not {most}:\n{self}", settling.rounds);
        }
        assert_eq!(self.doubles, 0, "{self}");
    }

    /// Starts half of a fleet and lets the other half join, at one moment or within an interval.
    fn start_and_join(&mut self, spread: bool, seed: u64) -> World {
        let mut world = World::new(self.partitions, seed);
        let first_half = self.consumers.div_ceil(2);
        let start = self.join(&mut world, first_half, spread);
        self.start.merge(start);
        expect_settled(&mut world, "after the start");
        let joined = self.join(&mut world, self.consumers - first_half, spread);
        if spread { &mut self.spread } else { &mut self.together }.merge(joined);
        expect_settled(&mut world, "after the join");
        expect_quiet(&mut world, OwnershipOptions::default().interval());
        self.add_ledger(&world);
        world
    }

    fn join(&self, world: &mut World, count: usize, spread: bool) -> Settling {
        for _ in 0..count {
            let options = self.kind.options(&mut world.rng);
            let delay = options.interval().mul_f64(world.rng.f64());
            world.join(options, if spread { delay } else { Duration::ZERO });
        }
        self.settle(world)
    }

    /// One round more than it may take, in which whoever was stolen from learns of it.
    fn settle(&self, world: &mut World) -> Settling {
        let running = world.running().count();
        settle(world, self.kind.most_rounds(running, self.partitions) + 1)
    }

    /// Crashes a quarter of the consumers, and later stops as many others.
    fn crash_and_stop(&mut self, world: &mut World) {
        let count = (self.consumers / 4).max(usize::from(self.consumers > 2));
        world.ledger.longest_unowned = Duration::ZERO;
        for index in 0..count {
            world.crash(index);
        }
        world.run_for(world.longest_expiration());
        self.settle(world);
        self.crash = self.crash.max(world.ledger.longest_unowned);
        expect_settled(world, "after the crash");

        world.ledger.longest_unowned = Duration::ZERO;
        for index in count..count * 2 {
            world.stop(index);
        }
        self.settle(world);
        self.stop = self.stop.max(world.ledger.longest_unowned);
        expect_settled(world, "after the stop");
        self.add_ledger(world);
    }

    fn add_ledger(&mut self, world: &World) {
        self.overlap = self.overlap.max(world.ledger.longest_overlap);
        self.doubles += world.ledger.doubles_after_expiry;
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, consumers, partitions, start, together, spread, doubles, .. } = self;
        let [crash, stop, overlap] =
            [self.crash, self.stop, self.overlap].map(|time| time.as_secs_f64());
        write!(
            f,
            "| {kind:<19} | {consumers:>9} | {partitions:>10} | {start} | {together} | {spread} "
        )?;
        write!(f, "| {crash:>8.1} | {stop:>8.1} | {overlap:>8.1} | {doubles:>6} |")
    }
}

//! Fleets of consumers on a model clock and a model store: what `balance` and `Leases` promise, for any seed.
//!
//! `cargo test --test balance_simulation -- --nocapture` prints the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the table is for people")]

#[path = "balance_simulation/consumer.rs"]
mod consumer;
#[path = "balance_simulation/ledger.rs"]
mod ledger;
#[path = "balance_simulation/measure.rs"]
mod measure;
#[path = "balance_simulation/store.rs"]
mod store;
#[path = "balance_simulation/world.rs"]
mod world;

use std::time::Duration;

use consumer::Faults;
use eventhub_checkpointstore::balance::{BalanceStrategy, OwnershipOptions};
use measure::{Settling, expect_quiet, expect_settled, settle};
use world::World;

/// Rounds of each member until the fleet was balanced, records that moved beyond the least possible number, claims that
/// were lost; then the longest time that a partition was free, the longest time that two owners believed in it after a
/// steal, and how often two did otherwise.
const HEADER: &str = "\
| consumers | partitions | start at one moment | join at one moment  | join in an interval | crash, s | stop, s  | steal, s | double |
|           |            | rounds moves+  lost | rounds moves+  lost | rounds moves+  lost |     free |     free |  overlap | owners |
|----------:|-----------:|--------------------:|--------------------:|--------------------:|---------:|---------:|---------:|-------:|";

/// What one size of fleet showed, over some seeds.
#[derive(Default)]
struct Row {
    start: Settling,
    together: Settling,
    spread: Settling,
    crash: Duration,
    stop: Duration,
    overlap: Duration,
    doubles: usize,
}

impl Row {
    fn add_ledger(&mut self, world: &World) {
        self.overlap = self.overlap.max(world.ledger.longest_overlap);
        self.doubles += world.ledger.doubles_after_expiry;
    }
}

/// Starts half of a greedy fleet at one moment, lets the other half join, then crashes and stops a quarter each.
fn greedy_fleet(consumers: usize, partitions: usize, spread: bool, seed: u64, row: &mut Row) {
    let options = OwnershipOptions::default();
    let mut world = World::new(partitions, seed);
    let join = |world: &mut World, count: usize| {
        for _ in 0..count {
            let delay = options.interval().mul_f64(world.rng.f64());
            world.join(options, if spread { delay } else { Duration::ZERO });
        }
        settle(world, 4)
    };
    let start = join(&mut world, consumers.div_ceil(2));
    expect_settled(&mut world, "after the start");
    let joined = join(&mut world, consumers / 2);
    if spread {
        row.spread.merge(joined);
    } else {
        row.start.merge(start);
        row.together.merge(joined);
    }
    expect_settled(&mut world, "after the join");
    expect_quiet(&mut world, options.interval());
    row.add_ledger(&world);
    if !spread {
        crash_and_stop(&mut world, (consumers / 4).max(usize::from(consumers > 2)), row);
    }
}

/// Crashes so many consumers, and later stops as many others.
fn crash_and_stop(world: &mut World, count: usize, row: &mut Row) {
    world.ledger.longest_unowned = Duration::ZERO;
    for index in 0..count {
        world.crash(index);
    }
    world.run_for(world.unowned_bound());
    row.crash = row.crash.max(world.ledger.longest_unowned);
    settle(world, 2);
    expect_settled(world, "after the crash");

    world.ledger.longest_unowned = Duration::ZERO;
    for index in count..count * 2 {
        world.stop(index);
    }
    settle(world, 3);
    row.stop = row.stop.max(world.ledger.longest_unowned);
    expect_settled(world, "after the stop");
    row.add_ledger(world);
}

#[test]
fn greedy_fleets_of_all_sizes() {
    let sizes = [
        (1, 1, 4),
        (3, 8, 10),
        (4, 32, 10),
        (8, 5, 10),
        (16, 100, 4),
        (32, 32, 4),
        (64, 64, 1),
        (16, 1_000, 1),
        (64, 2_000, 1),
    ];
    println!("{HEADER}");
    for (consumers, partitions, seeds) in sizes {
        let mut row = Row::default();
        for seed in 0..seeds {
            greedy_fleet(consumers, partitions, false, seed, &mut row);
            greedy_fleet(consumers, partitions, true, seed + 1_000, &mut row);
        }
        println!(
            "| {consumers:>9} | {partitions:>10} | {} | {} | {} | {:>8.1} | {:>8.1} | {:>8.1} | {:>6} |",
            row.start,
            row.together,
            row.spread,
            row.crash.as_secs_f64(),
            row.stop.as_secs_f64(),
            row.overlap.as_secs_f64(),
            row.doubles
        );
        for settling in [row.start, row.together, row.spread] {
            assert!(settling.rounds <= 3, "{consumers} x {partitions}: {} rounds", settling.rounds);
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Options as different members of one fleet may have them; the shortest expiration is 60 s.
fn mixed_options(rng: &mut fastrand::Rng, greedy_only: bool) -> OwnershipOptions {
    let numbers = [(15, 120), (10, 60), (25, 120), (29, 180)];
    let (interval, expiration) = numbers[rng.usize(..numbers.len())];
    let strategy =
        if greedy_only || rng.bool() { BalanceStrategy::Greedy } else { BalanceStrategy::Balanced };
    OwnershipOptions::new(seconds(interval), seconds(expiration))
        .and_then(|options| options.with_fleet_expiration(seconds(60)))
        .unwrap()
        .with_strategy(strategy)
}

/// One thing that happens to a fleet.
fn happen(world: &mut World, most: usize, greedy_only: bool) {
    let running = world.running().count();
    let Some(index) = world.any_running() else { return };
    match world.rng.u8(0..7) {
        0 | 1 if running < most => {
            for _ in 0..world.rng.usize(1..=(most - running).min(8)) {
                let (options, delay) =
                    (mixed_options(&mut world.rng, greedy_only), world.rng.u64(0..20));
                world.join(options, seconds(delay));
            }
        }
        2 if running > 1 => world.stop(index),
        3 if running > 1 => world.crash(index),
        4 => {
            world.crash(index);
            let delay = world.rng.u64(0..30);
            world.restart(index, seconds(delay));
        }
        5 => world.set_faults(index, Faults { list: 1.0, ..Faults::default() }),
        _ => {
            let chance = world.rng.f64() / 3.0;
            world.set_faults(index, Faults { list: chance, request: chance, answer: chance });
        }
    }
}

/// Some minutes of trouble, then calm. What must not happen is asserted by the world at all times.
fn troubled_fleet(
    most: usize,
    partitions: usize,
    events: usize,
    greedy_only: bool,
    seed: u64,
) -> World {
    let mut world = World::new(partitions, seed);
    let options = mixed_options(&mut world.rng, greedy_only);
    world.join(options, Duration::ZERO);
    for _ in 0..events {
        happen(&mut world, most, greedy_only);
        let pause = world.rng.u64(0..90);
        world.run_for(seconds(pause));
        world.check_all();
    }
    for index in 0..world.consumers.len() {
        world.set_faults(index, Faults::default());
    }
    if world.unowned_bound() < Duration::MAX {
        world.run_for(world.unowned_bound());
        world.check_all();
    }
    // A balanced consumer moves one partition per round.
    settle(&mut world, if greedy_only { 4 } else { 4 + partitions });
    expect_settled(&mut world, "after the trouble");
    expect_quiet(&mut world, seconds(60));
    world
}

#[test]
fn mixed_fleets_in_trouble_recover() {
    let (mut overlap, mut moves) = (Duration::ZERO, 0);
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (most, partitions) = (rng.usize(1..=12), rng.usize(1..=40));
        let world = troubled_fleet(most, partitions, 12, false, seed);
        overlap = overlap.max(world.ledger.longest_overlap);
        moves += world.moves;
    }
    println!("mixed fleets in trouble: {moves} moves, longest overlap after a steal {overlap:.1?}");
}

#[test]
fn greedy_fleets_in_trouble_recover() {
    for (most, partitions, events, seeds) in
        [(12, 100, 12, 0..20), (64, 300, 12, 100..102), (16, 1_000, 6, 200..201)]
    {
        for seed in seeds {
            troubled_fleet(most, partitions, events, true, seed);
        }
    }
}

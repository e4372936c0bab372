//! Fleets of consumers on a model clock and a model store: what `balance` and `Leases` promise, for any seed.

mod consumer;
mod kind;
mod ledger;
mod measure;
mod store;
mod table;
mod trouble;
mod world;

use std::time::Duration;

use crate::support::report;
use fastrand::Rng;
use kind::Kind;
use table::Row;
use trouble::troubled_fleet;

const MOST_CONSUMERS: usize = 64;
const MOST_PARTITIONS: usize = 2_000;

/// As likely with one digit as with any other number of them.
fn log_uniform(rng: &mut Rng, most: usize) -> usize {
    let power = 1 << rng.u32(0..=most.ilog2());
    rng.usize(power..power * 2).min(most)
}

/// Every size from the smallest to the largest can be drawn.
fn drawn_sizes(rng: &mut Rng, count: usize) -> Vec<(usize, usize)> {
    (0..count)
        .map(|_| (log_uniform(rng, MOST_CONSUMERS), log_uniform(rng, MOST_PARTITIONS)))
        .collect()
}

/// Lives through fleets of one kind, small ones with several seeds.
fn fleets(kind: Kind, sizes: impl IntoIterator<Item = (usize, usize)>) {
    let mut table = vec![table::HEADER.to_owned()];
    for (consumers, partitions) in sizes {
        let mut row = Row::new(kind, consumers, partitions);
        let seeds = if consumers * partitions < 1_000 { 6 } else { 1 };
        (0..seeds).for_each(|seed| row.live_through(seed));
        row.expect_bounds();
        table.push(row.to_string());
    }
    report::show(&table.join("\n"));
}

#[test]
fn greedy_fleets_of_all_sizes() {
    let corners = [
        (1, 1),
        (1, MOST_PARTITIONS),
        (MOST_CONSUMERS, 1),
        (3, 8),
        (4, 32),
        (8, 5),
        (16, 100),
        (MOST_CONSUMERS, MOST_CONSUMERS),
        (3, 1_000),
        (MOST_CONSUMERS, MOST_PARTITIONS),
    ];
    let drawn = drawn_sizes(&mut Rng::with_seed(1), 10);
    fleets(Kind::Greedy, corners.into_iter().chain(drawn));
}

#[test]
fn greedy_fleets_of_all_numbers() {
    fleets(Kind::GreedyOfAllNumbers, [(3, 8), (16, 100), (16, 1_000), (MOST_CONSUMERS, 300)]);
}

#[test]
fn balanced_fleets() {
    fleets(Kind::Balanced, [(3, 8), (8, 5), (3, 100), (16, 100), (MOST_CONSUMERS, 300)]);
}

#[test]
fn mixed_fleets() {
    fleets(Kind::Mixed, [(3, 8), (16, 100), (MOST_CONSUMERS, 300), (8, 1_000)]);
}

#[test]
fn fleets_in_trouble_recover() {
    let mut table = vec![
        "| in trouble          | fleets | moves | most rounds to settle | longest overlap |"
            .to_owned(),
    ];
    for kind in [Kind::GreedyOfAllNumbers, Kind::Mixed] {
        let (mut moves, mut rounds, mut overlap) = (0, 0, Duration::ZERO);
        let mut sizes = drawn_sizes(&mut Rng::with_seed(2), 20);
        sizes.extend([(MOST_CONSUMERS, 300), (MOST_CONSUMERS, 1)]);
        let fleets = sizes.len();
        for (seed, (most, mut partitions)) in (0..).zip(sizes) {
            if kind == Kind::Mixed {
                // One per round: a larger share would take days of the model's time.
                partitions = partitions.min(most * 60);
            }
            let (world, settling) = troubled_fleet(kind, most, partitions, seed);
            moves += world.moves;
            rounds = rounds.max(settling.rounds);
            overlap = overlap.max(world.ledger.longest_overlap);
        }
        let overlap = overlap.as_secs_f64();
        table.push(format!(
            "| {kind:<19} | {fleets:>6} | {moves:>5} | {rounds:>21} | {overlap:>13.1} s |"
        ));
    }
    report::show(&table.join("\n"));
}

//! A fleet to which everything happens that can; what must not happen is asserted by the world at all times.

use std::time::Duration;

use super::consumer::Faults;
use super::kind::Kind;
use super::measure::{Settling, expect_quiet, expect_settled, settle};
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Some minutes of trouble, then calm.
pub(crate) fn troubled_fleet(
    kind: Kind,
    most: usize,
    partitions: usize,
    seed: u64,
) -> (World, Settling) {
    let mut world = World::new(partitions, seed);
    let options = kind.options(&mut world.rng);
    world.join(options, Duration::ZERO);
    // What large fleets live through takes long.
    let events = if most * partitions < 5_000 { 12 } else { 6 };
    for _ in 0..events {
        happen(&mut world, kind, most);
        let pause = world.rng.u32(0..90);
        world.run_for(SECOND * pause);
        world.check_all();
    }
    for index in 0..world.consumers.len() {
        world.set_faults(index, Faults::default());
    }
    world.run_for(world.longest_expiration());
    let rounds = kind.most_rounds(world.running().count(), partitions);
    let settling = settle(&mut world, rounds + 1);
    assert!(settling.rounds <= rounds, "seed {seed}: {} rounds, not {rounds}", settling.rounds);
    expect_settled(&mut world, "after the trouble");
    expect_quiet(&mut world, SECOND * 60);
    (world, settling)
}

fn happen(world: &mut World, kind: Kind, most: usize) {
    let running = world.running().count();
    let Some(index) = world.any_running() else { return };
    match world.rng.u8(0..7) {
        0 | 1 if running < most => {
            for _ in 0..world.rng.usize(1..=(most - running).min(8)) {
                let (options, delay) = (kind.options(&mut world.rng), world.rng.u32(0..20));
                world.join(options, SECOND * delay);
            }
        }
        2 if running > 1 => world.stop(index),
        3 if running > 1 => world.crash(index),
        4 => {
            world.crash(index);
            let delay = world.rng.u32(0..30);
            world.restart(index, SECOND * delay);
        }
        5 => world.set_faults(index, Faults { list: 1.0, ..Faults::default() }),
        _ => {
            let chance = world.rng.f64() / 3.0;
            world.set_faults(index, Faults { list: chance, request: chance, response: chance });
        }
    }
}

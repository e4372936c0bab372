//! What receiving through `EventHubConsumerClient` costs beside reading the bare source, how long a takeover takes, and
//! what many partitions and many events need.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench client` measures, and fails if a bound is not met. Without
//! `--bench` everything runs once, small, and only what holds on any machine is asserted. A word after `--` keeps the
//! sections that contain it.
//!
//! Processor time is measured, of the whole process, in turns with the bare source, so that what else the machine does
//! meets both. Memory and threads are measured in separate processes. Takeovers are in model time.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

use clean_environment as _;

mod aio;
mod blocking;
mod figures;
mod resources;

use std::process::{Command, ExitCode};
use std::time::Duration;

use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::Summary;

use figures::Figures;
use resources::{Resources, resources};
use support::measure::{Effort, Side, in_turns, middle_of};

/// The argument with which the bench starts itself for a figure of a whole process.
const ALONE: &str = "--alone";
/// The argument with which the bench shows that it can fail.
const IMPOSSIBLE: &str = "--impossible-bound";

/// Microseconds of processor time that the client may add to an event.
const BATCH_BOUND: f64 = 0.3;
const EACH_BOUND_AIO: f64 = 1.0;
const EACH_BOUND_BLOCKING: f64 = 2.0;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub is_full: bool,
    /// In one sample.
    pub events: usize,
    pub effort: Effort,
    pub flat_events: usize,
    pub partitions: usize,
    pub watch: Duration,
    pub pace: Duration,
    pub takeovers: u32,
}

const FULL: Size = Size {
    is_full: true,
    events: 50_000,
    effort: Effort { sample: Duration::from_millis(1), samples: 61 },
    flat_events: 10_000_000,
    partitions: 1_000,
    watch: Duration::from_secs(30),
    pace: Duration::from_secs(4),
    takeovers: 40,
};
const SMOKE: Size = Size {
    is_full: false,
    events: 2_000,
    effort: support::measure::SMOKE,
    flat_events: 50_000,
    partitions: 50,
    watch: Duration::from_secs(2),
    pace: Duration::from_millis(300),
    takeovers: 3,
};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let size = if arguments.iter().any(|it| it == "--bench") { FULL } else { SMOKE };
    let mut figures = Figures::default();
    match arguments.first().map(String::as_str) {
        Some(ALONE) => {
            let size = if arguments[3] == "full" { FULL } else { SMOKE };
            print!("{}", alone(&arguments[1], arguments[2] == "blocking", size));
            return ExitCode::SUCCESS;
        }
        Some(IMPOSSIBLE) => {
            let mut figures = Figures::default();
            figures.add("nobody", 1.0, "", Some(0.0));
            return figures.finish();
        }
        _ => {}
    }
    let only = arguments.iter().find(|it| !it.starts_with('-')).cloned().unwrap_or_default();
    let mut sections = 0;
    for (name, section) in [
        ("events", events as fn(&mut Figures, Size)),
        ("checkpoints", checkpoints),
        ("memory", memory),
        ("partitions", partitions),
        ("takeovers", takeovers),
    ] {
        if name.contains(&only) {
            section(&mut figures, size);
            sections += 1;
        }
    }
    assert!(sections > 0, "no section contains {only:?}");
    if size.is_full {
        return figures.finish();
    }
    check_that_it_can_fail();
    ExitCode::SUCCESS
}

/// Events of one partition, which all sides read from the beginning.
fn published(events: usize) -> EventHub {
    let hub = EventHub::new(1);
    for _ in 0..events {
        hub.publish("0", "{\"degrees\":21.5,\"humidity\":40,\"sensor\":\"sensor-7\"}")
            .expect("a partition");
    }
    hub
}

#[track_caller]
pub fn assert_events(summary: &Summary, events: usize) {
    assert_eq!(summary.events, events);
    assert!(summary.unsaved.is_empty() && summary.unfinished.is_empty(), "{summary}");
}

/// What the client adds to an event over the bare source.
fn events(figures: &mut Figures, size: Size) {
    let hub = published(size.events);
    let runtime = aio::runtime();
    let (hub, events) = (&hub, size.events);
    let times = |count: u32, work: &dyn Fn()| (0..count).for_each(|_| work());
    let sides: [(&str, [Side<'_>; 3]); 2] = [
        (
            "blocking",
            [
                &mut |count| times(count, &|| blocking::bare(hub, events)),
                &mut |count| times(count, &|| blocking::in_batches(hub, events)),
                &mut |count| times(count, &|| blocking::one_by_one(hub, events)),
            ],
        ),
        (
            "aio",
            [
                &mut |count| times(count, &|| runtime.block_on(aio::bare(hub, events))),
                &mut |count| times(count, &|| runtime.block_on(aio::in_batches(hub, events))),
                &mut |count| times(count, &|| runtime.block_on(aio::one_by_one(hub, events))),
            ],
        ),
    ];
    for (surface, mut sides) in sides {
        let costs = in_turns(size.effort, &mut sides);
        let each = |cost: f64| cost / events as f64;
        let bare = each(middle_of(&costs, |costs| costs[0].cpu));
        let bounds = match surface {
            "aio" => [BATCH_BOUND, EACH_BOUND_AIO],
            _ => [BATCH_BOUND, EACH_BOUND_BLOCKING],
        };
        figures.add(&format!("{surface}: an event of the bare source, CPU"), bare, "µs", None);
        for (side, name) in [(1, "receive_batch"), (2, "receive")] {
            let added = each(middle_of(&costs, |costs| costs[side].cpu - costs[0].cpu));
            let bound = size.is_full.then_some(bounds[side - 1]);
            figures.add(&format!("{surface}: {name} adds to an event, CPU"), added, "µs", bound);
        }
    }
}

/// How many checkpoints are written at 100,000 events a second, for each 1,000 events.
fn checkpoints(figures: &mut Figures, size: Size) {
    let runtime = aio::runtime();
    for latency in [Duration::ZERO, Duration::from_millis(20)] {
        for surface in ["blocking", "aio"] {
            let began = std::time::Instant::now();
            let summary = match surface {
                "blocking" => blocking::paced(size.pace, latency),
                _ => runtime.block_on(aio::paced(size.pace, latency)),
            };
            let took = began.elapsed();
            let rate = summary.events as f64 / took.as_secs_f64();
            // One for 1,000 events, one at the stop, and one for each 10 s.
            let mut allowed = summary.events / 1_000 + 1 + took.as_secs() as usize / 10;
            if !latency.is_zero() {
                // One at a time, and the newest only.
                allowed = allowed.min((took.as_millis() / latency.as_millis()) as usize + 2);
            }
            assert!(summary.checkpoints <= allowed, "{summary}, {allowed} allowed");
            let what = format!(
                "{surface}: checkpoints of {} at {rate:.0}/s, writes of {latency:?}",
                summary.events
            );
            figures.add(&what, summary.checkpoints as f64, "", Some(allowed as f64));
        }
    }
}

/// Whether memory stays the same over many events.
fn memory(figures: &mut Figures, size: Size) {
    for surface in ["blocking", "aio"] {
        let [early, late] = in_a_process("memory", surface, size);
        let what = format!(
            "{surface}: memory after {} events beyond that after a tenth",
            size.flat_events
        );
        let bound = size.is_full.then_some(1.0);
        figures.add(&what, late.mebibytes() - early.mebibytes(), "MiB", bound);
        figures.add(
            &format!("{surface}: memory of the process then"),
            late.mebibytes(),
            "MiB",
            None,
        );
    }
}

/// What many owned partitions need.
fn partitions(figures: &mut Figures, size: Size) {
    for surface in ["blocking", "aio"] {
        let [before, then] = in_a_process("partitions", surface, size);
        let name = format!("{surface}: {} partitions", size.partitions);
        let threads = then.threads.saturating_sub(before.threads);
        // A thread for each partition, or a task; and the rounds, the timer, and a write that may be under way.
        let bound = if surface == "aio" { 4 } else { size.partitions + 20 };
        figures.add(&format!("{name}: threads"), threads as f64, "", Some(bound as f64));
        figures.add(&format!("{name}: memory"), then.mebibytes() - before.mebibytes(), "MiB", None);
        figures.add(
            &format!("{name}: rounds in {:?} at 2 s", size.watch),
            then.rounds as f64,
            "",
            None,
        );
        let late = then.latest_round_ms as f64 / 1e3;
        figures.add(
            &format!("{name}: latest round after its time"),
            late,
            "s",
            size.is_full.then_some(2.0),
        );
    }
}

/// How long an event of a partition waits whose owner is gone, in model time and with the default options.
fn takeovers(figures: &mut Figures, size: Size) {
    for surface in ["blocking", "aio"] {
        for (how, bound) in [("crash", 150.0), ("graceful stop", 30.0)] {
            let mut waits: Vec<_> = (0..size.takeovers)
                .map(|phase| {
                    let phase = Duration::from_millis(
                        u64::from(phase) * 15_000 / u64::from(size.takeovers),
                    );
                    let wait = match surface {
                        "blocking" => blocking::takeover(how == "crash", phase),
                        _ => aio::paused_runtime().block_on(aio::takeover(how == "crash", phase)),
                    };
                    wait.as_secs_f64()
                })
                .collect();
            waits.sort_by(f64::total_cmp);
            let middle = waits[waits.len() / 2];
            let last = waits[waits.len() - 1];
            figures.add(
                &format!("{surface}: next owner's first event after a {how}, median"),
                middle,
                "s",
                None,
            );
            figures.add(
                &format!("{surface}: next owner's first event after a {how}, longest"),
                last,
                "s",
                Some(bound),
            );
        }
    }
}

fn alone(what: &str, is_blocking: bool, size: Size) -> String {
    let [before, then] = match (what, is_blocking) {
        ("memory", true) => blocking::flat(size),
        ("memory", false) => aio::runtime().block_on(aio::flat(size)),
        ("partitions", true) => blocking::many(size),
        ("partitions", false) => aio::runtime().block_on(aio::many(size)),
        _ => panic!("what is {what}?"),
    };
    format!("{before} {then}")
}

fn in_a_process(what: &str, surface: &str, size: Size) -> [Resources; 2] {
    let this = std::env::current_exe().expect("the path of the bench");
    let effort = if size.is_full { "full" } else { "smoke" };
    let output =
        Command::new(this).args([ALONE, what, surface, effort]).output().expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Resources::parse_two(&String::from_utf8_lossy(&output.stdout))
}

/// A bound that nobody meets, a figure that is no number and a word that nothing contains must not pass.
fn check_that_it_can_fail() {
    assert!(support::measure::miss("no number", f64::NAN, Some(1.0)).is_some());
    let this = std::env::current_exe().expect("the path of the bench");
    for argument in [IMPOSSIBLE, "there is no such section"] {
        let output = Command::new(&this).arg(argument).output().expect("a process");
        assert!(!output.status.success(), "{argument:?} passes");
    }
    assert!(resources().threads > 0 || !cfg!(target_os = "linux"));
}

//! Events in a second, each consumer alone, over all partitions and without a store.

use std::time::Duration;
use std::{fs, iter};

use eventhubs_double::Content;

use crate::bed::Bed;
use crate::peer::{Consumer, Kind, Options};

const PARTITIONS: usize = 8;
const PASSES: usize = 3;
const EVENTS_OF_OURS: usize = 200_000;
/// Fewer, because they take longer.
const EVENTS_OF_OTHERS: usize = 40_000;

/// How much faster than Python's client of the same kind ours must be.
const BOUND: f64 = 10.0;

/// What one consumer needed.
#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    cpu_per_event: f64,
    peak_mebibytes: u64,
}

/// Returns whether ours are as much faster as they must be.
pub fn run() -> bool {
    println!(
        "Events over {PARTITIONS} partitions, received in batches; medians of {PASSES} passes\n"
    );
    println!("| client | events | bytes | events/s | × Python | µs of CPU per event | peak MiB |");
    println!("|---|---|---|---|---|---|---|");
    let mut is_fast = true;
    for bytes in [100, 1024] {
        let mut passes = vec![Vec::new(); Kind::ALL.len()];
        // One after the other in each pass, so that a busy minute meets all.
        for _ in 0..PASSES {
            for (figures, kind) in passes.iter_mut().zip(Kind::ALL) {
                figures.push(one(kind, bytes));
            }
        }
        let medians: Vec<_> = passes.into_iter().map(median).collect();
        let rate_of = |kind| medians[Kind::ALL.iter().position(|one| *one == kind).unwrap()].rate;
        for (figures, kind) in medians.iter().zip(Kind::ALL) {
            let python = match kind {
                Kind::PythonSync | Kind::Ours => rate_of(Kind::PythonSync),
                Kind::PythonAio | Kind::OursAio | Kind::JavaScript => rate_of(Kind::PythonAio),
            };
            let ratio = figures.rate / python;
            is_fast &= !kind.is_ours() || ratio >= BOUND;
            println!(
                "| {kind:?} | {} | {bytes} | {:.0} | {ratio:.1} | {:.1} | {} |",
                events_for(kind),
                figures.rate,
                figures.cpu_per_event,
                figures.peak_mebibytes,
            );
        }
    }
    println!();
    if !is_fast {
        println!("Less than {BOUND} times Python's rate");
    }
    is_fast
}

fn events_for(kind: Kind) -> usize {
    if kind.is_ours() { EVENTS_OF_OURS } else { EVENTS_OF_OTHERS }
}

fn one(kind: Kind, bytes: usize) -> Figures {
    let events = events_for(kind);
    // The others need frames as the service writes them, which take the double longer. They do not keep it busy, ours do.
    let bed =
        Bed::on_hub(
            PARTITIONS,
            |config| {
                if kind.is_ours() { config } else { config.whole_performatives() }
            },
        );
    let body = Content::from(vec![b'x'; bytes]);
    for id in bed.partition_ids() {
        bed.double.fill(&id, iter::repeat_n(body.clone(), events / PARTITIONS));
    }
    let options = Options {
        has_store: false,
        checkpoint_every: 0,
        expect: Some(events),
        ..Options::sharing("$Default")
    };
    let mut consumer = Consumer::start(kind, &bed, &options);
    // Without the start of the interpreter.
    let before = cpu(consumer.id());
    let seconds = consumer
        .until("all events", |heard| heard.0.iter().find_map(|line| line["seconds"].as_f64()));
    let used = cpu(consumer.id()).saturating_sub(before);
    let peak_mebibytes = peak_kibibytes(consumer.id()) / 1024;
    consumer.kill();
    Figures {
        rate: events as f64 / seconds,
        cpu_per_event: used.as_secs_f64() * 1e6 / events as f64,
        peak_mebibytes,
    }
}

fn median(mut passes: Vec<Figures>) -> Figures {
    passes.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    passes[passes.len() / 2]
}

/// The CPU time of a process, where Linux tells it.
fn cpu(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn peak_kibibytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

//! Events in a second, each consumer alone, over all partitions and without a store.

use std::fs;
use std::time::Duration;

use crate::bed::Bed;
use crate::peer::{Consumer, Kind, Options};

const PARTITIONS: usize = 8;
const EVENTS_OF_OURS: u64 = 80_000;
/// Fewer, because they take longer.
const EVENTS_OF_OTHERS: u64 = 16_000;

pub fn run() {
    println!("Events over {PARTITIONS} partitions, handled one by one\n");
    println!("| client | events | bytes | events/s | µs of CPU per event | peak MiB |");
    println!("|---|---|---|---|---|---|");
    for bytes in [100, 1024] {
        for kind in Kind::ALL {
            let events = if kind.is_ours() { EVENTS_OF_OURS } else { EVENTS_OF_OTHERS };
            let bed = Bed::new(PARTITIONS);
            for id in bed.partition_ids() {
                bed.double.fill(&id, (0..events / PARTITIONS as u64).map(|_| vec![b'x'; bytes]));
            }
            let expect = Some(events);
            let options = Options {
                has_store: false,
                checkpoint_every: 0,
                expect,
                ..Options::sharing("$Default")
            };
            let mut consumer = Consumer::start(kind, &bed, &options);
            // Without the start of the interpreter.
            let before = cpu(consumer.id());
            let seconds = consumer.until("all events", |heard| {
                heard.0.iter().find_map(|line| line["seconds"].as_f64())
            });
            let used = cpu(consumer.id()).saturating_sub(before);
            let mebibytes = peak_kibibytes(consumer.id()) / 1024;
            println!(
                "| {kind:?} | {events} | {bytes} | {:.0} | {:.1} | {mebibytes} |",
                events as f64 / seconds,
                used.as_secs_f64() * 1e6 / events as f64,
            );
            consumer.kill();
        }
    }
    println!();
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

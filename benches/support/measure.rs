//! Two ways to do the same work, measured in turns, so that what else the machine does meets both.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How long one sample of one side lasts.
    pub sample: Duration,
    pub samples: usize,
}

/// Enough for a median that stands still.
pub const FULL: Effort = Effort { sample: Duration::from_millis(12), samples: 101 };
/// Only whether it runs.
pub const SMOKE: Effort = Effort { sample: Duration::ZERO, samples: 1 };

/// The largest ratios, store / bare client, that are good enough.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    pub wall: Option<f64>,
    pub cpu: Option<f64>,
}

/// Work that is done so many times.
pub type Side<'a> = &'a mut dyn FnMut(u32);

/// Microseconds per repetition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub wall: f64,
    /// Of all threads of this process.
    pub cpu: f64,
}

/// The outcome of one comparison.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    pub bounds: Bounds,
    /// Per call, the same on both sides.
    pub requests: u64,
    /// Microseconds of processor time per request.
    pub server: f64,
    pub bare: Cost,
    pub store: Cost,
    pub ratio: Cost,
}

/// The medians of both sides, and of their ratio.
pub fn compare(effort: Effort, bare: Side<'_>, store: Side<'_>) -> [Cost; 3] {
    let costs = in_turns(effort, &mut [bare, store]);
    let cost = |side: usize| Cost {
        wall: middle_of(&costs, |costs| costs[side].wall),
        cpu: middle_of(&costs, |costs| costs[side].cpu),
    };
    let ratio = Cost {
        wall: middle_of(&costs, |costs| costs[1].wall / costs[0].wall),
        cpu: middle_of(&costs, |costs| costs[1].cpu / costs[0].cpu),
    };
    [cost(0), cost(1), ratio]
}

/// The costs of each side in each sample; who begins changes from sample to sample.
pub fn in_turns(effort: Effort, sides: &mut [Side<'_>]) -> Vec<Vec<Cost>> {
    let repetitions: Vec<_> = sides.iter_mut().map(|side| calibrate(effort, side)).collect();
    let sample = |sample: usize| {
        let mut costs = vec![Cost::default(); sides.len()];
        for turn in 0..sides.len() {
            let side = (sample + turn) % sides.len();
            costs[side] = cost(repetitions[side], sides[side]);
        }
        costs
    };
    (0..effort.samples).map(sample).collect()
}

/// How many repetitions make a sample. The first calls make connections and fill caches.
fn calibrate(effort: Effort, side: Side<'_>) -> u32 {
    if effort.sample.is_zero() {
        return 1;
    }
    let first = Instant::now();
    side(1);
    let rough = repetitions(effort, first.elapsed());
    let warm = Instant::now();
    side(rough);
    repetitions(effort, warm.elapsed() / rough)
}

fn repetitions(effort: Effort, once: Duration) -> u32 {
    let fits = effort.sample.as_nanos() / once.as_nanos().max(1);
    u32::try_from(fits.clamp(1, 1_000_000)).expect("within the limits")
}

fn cost(repetitions: u32, side: Side<'_>) -> Cost {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    side(repetitions);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(repetitions);
    Cost { cpu: each(cpu.elapsed()), wall: each(wall.elapsed()) }
}

/// The median of a value over the samples.
pub fn middle_of(costs: &[Vec<Cost>], value: impl Fn(&[Cost]) -> f64) -> f64 {
    let mut values: Vec<_> = costs.iter().map(|costs| value(costs)).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn print_header() {
    println!(
        "Medians per call; ratio is the median of store / bare client, measured in turns. The server's time is for one request.\n"
    );
    println!(
        "| {:<54} | {:>8} | {:>11} | {:>11} | {:>6} | {:>6} | {:>10} | {:>10} | {:>6} | {:>6} | {:>10} |",
        "work",
        "requests",
        "bare wall",
        "store wall",
        "ratio",
        "bound",
        "bare CPU",
        "store CPU",
        "ratio",
        "bound",
        "server CPU"
    );
    println!(
        "|{:-<56}|{:->10}|{:->13}|{:->13}|{:->8}|{:->8}|{:->12}|{:->12}|{:->8}|{:->8}|{:->12}|",
        "", ":", ":", ":", ":", ":", ":", ":", ":", ":", ":"
    );
}

impl Row {
    pub fn print(&self) {
        let Self { name, bounds, requests, server, bare, store, ratio } = self;
        let bound = |bound: Option<f64>| bound.map_or_else(String::new, |it| format!("{it:.2}"));
        println!(
            "| {name:<54} | {requests:>8} | {:>8.1} µs | {:>8.1} µs | {:>6.2} | {:>6} | {:>7.1} µs | {:>7.1} µs | {:>6.2} | {:>6} | {server:>7.1} µs |",
            bare.wall,
            store.wall,
            ratio.wall,
            bound(bounds.wall),
            bare.cpu,
            store.cpu,
            ratio.cpu,
            bound(bounds.cpu),
        );
    }

    /// What is beyond its bound.
    pub fn misses(&self) -> Vec<String> {
        let Self { name, bounds, ratio, .. } = self;
        let wall = miss(&format!("{name}: wall"), ratio.wall, bounds.wall);
        wall.into_iter().chain(miss(&format!("{name}: CPU"), ratio.cpu, bounds.cpu)).collect()
    }
}

/// Says that a ratio is beyond its bound; one that is no number is.
pub fn miss(what: &str, ratio: f64, bound: Option<f64>) -> Option<String> {
    let bound = bound?;
    let is_met = ratio <= bound;
    (!is_met).then(|| format!("{what} {ratio:.2} > {bound:.2}"))
}

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
pub const SMOKE: Effort = Effort { sample: Duration::from_millis(1), samples: 1 };

/// The largest ratios, store / bare client, that are good enough.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub wall: f64,
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
    name: String,
    bounds: Bounds,
    bare: Cost,
    store: Cost,
    ratio: Cost,
}

pub fn compare(name: &str, effort: Effort, bounds: Bounds, bare: Side<'_>, store: Side<'_>) -> Row {
    let costs = in_turns(effort, &mut [bare, store]);
    let cost = |side: usize| Cost {
        wall: middle_of(&costs, |costs| costs[side].wall),
        cpu: middle_of(&costs, |costs| costs[side].cpu),
    };
    let ratio = Cost {
        wall: middle_of(&costs, |costs| costs[1].wall / costs[0].wall),
        cpu: middle_of(&costs, |costs| costs[1].cpu / costs[0].cpu),
    };
    let row = Row { name: name.to_owned(), bounds, bare: cost(0), store: cost(1), ratio };
    row.print();
    row
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
    println!("Medians per call; ratio is the median of store / bare client, measured in turns.\n");
    println!(
        "| {:<44} | {:>11} | {:>11} | {:>6} | {:>6} | {:>10} | {:>10} | {:>6} | {:>6} |",
        "work",
        "bare wall",
        "store wall",
        "ratio",
        "bound",
        "bare CPU",
        "store CPU",
        "ratio",
        "bound"
    );
    println!(
        "|{:-<46}|{:->13}|{:->13}|{:->8}|{:->8}|{:->12}|{:->12}|{:->8}|{:->8}|",
        "", ":", ":", ":", ":", ":", ":", ":", ":"
    );
}

impl Row {
    fn print(&self) {
        let Self { name, bounds, bare, store, ratio } = self;
        println!(
            "| {name:<44} | {:>8.1} µs | {:>8.1} µs | {:>6.2} | {:>6} | {:>7.1} µs | {:>7.1} µs | {:>6.2} | {:>6} |",
            bare.wall,
            store.wall,
            ratio.wall,
            format!("{:.2}", bounds.wall),
            bare.cpu,
            store.cpu,
            ratio.cpu,
            bounds.cpu.map_or_else(String::new, |bound| format!("{bound:.2}")),
        );
    }

    /// What is beyond its bound.
    pub fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let mut judge = |what: &str, ratio: f64, bound: f64| {
            if ratio > bound {
                misses.push(format!("{}: {what} {ratio:.2} > {bound:.2}", self.name));
            }
        };
        judge("wall", self.ratio.wall, self.bounds.wall);
        if let Some(bound) = self.bounds.cpu {
            judge("CPU", self.ratio.cpu, bound);
        }
        misses
    }
}

//! The medians, the ratios, and whether the bounds are met.

use crate::clients::Kind;
use crate::meter::Measured;

/// All rounds of one kind of event over one kind of connection.
pub struct Row {
    kinds: Vec<Kind>,
    secure: bool,
    bytes: usize,
    rounds: Vec<Vec<Measured>>,
}

pub fn print_header(events: u64, rounds: usize) {
    println!(
        "{events} events over 8 partitions, medians of {rounds} rounds; × is beside the bare receiver.\n"
    );
    println!("| connection | bytes | client | events/s | × | CPU per event | × | peak RSS | × |");
    println!("|---|---|---|---|---|---|---|---|---|");
}

impl Row {
    pub fn new(kinds: &[Kind], secure: bool, bytes: usize) -> Self {
        Self { kinds: kinds.to_vec(), secure, bytes, rounds: Vec::new() }
    }

    pub fn add(&mut self, round: Vec<Measured>) {
        self.rounds.push(round);
    }

    fn connection(&self) -> &'static str {
        if self.secure { "TLS" } else { "plain" }
    }

    fn median(&self, value: impl Fn(&[Measured]) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(|round| value(round)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn at(&self, kind: Kind) -> Option<usize> {
        self.kinds.iter().position(|other| *other == kind)
    }

    /// The median of a ratio in each round.
    fn ratio(&self, one: Kind, other: Kind, value: impl Fn(&Measured) -> f64) -> Option<f64> {
        let (one, other) = (self.at(one)?, self.at(other)?);
        Some(self.median(|round| value(&round[one]) / value(&round[other])))
    }

    pub fn print(&self) {
        for (at, kind) in self.kinds.iter().enumerate() {
            let ratio = |value: fn(&Measured) -> f64| {
                self.ratio(*kind, Kind::Bare, value).unwrap_or(f64::NAN)
            };
            println!(
                "| {} | {} | {} | {:.0} | {:.2} | {:.2} µs | {:.2} | {:.1} MiB | {:.2} |",
                self.connection(),
                self.bytes,
                kind.name(),
                self.median(|round| round[at].per_second),
                ratio(|measured| measured.per_second),
                self.median(|round| round[at].cpu),
                ratio(|measured| measured.cpu),
                self.median(|round| round[at].peak_rss) / 1024.0,
                ratio(|measured| measured.peak_rss),
            );
        }
    }

    /// What is beyond its bound; a ratio that is no number is.
    pub fn misses(&self) -> Vec<String> {
        let speed = |measured: &Measured| measured.per_second;
        let memory = |measured: &Measured| measured.peak_rss;
        let mut misses = Vec::new();
        let mut check = |what: &str, is_met: bool, ratio: f64, bound: f64| {
            if !is_met {
                misses.push(format!(
                    "MISSED: {} {} bytes, {what}: {ratio:.2}, bound {bound}",
                    self.connection(),
                    self.bytes
                ));
            }
        };
        for (kind, bound) in [(Kind::Aio, 0.9), (Kind::Blocking, 0.8)] {
            let ratio = self.ratio(kind, Kind::Bare, speed).unwrap_or(f64::NAN);
            check(&format!("events/s of {} / bare", kind.name()), ratio >= bound, ratio, bound);
            let ratio = self.ratio(kind, Kind::Bare, memory).unwrap_or(f64::NAN);
            check(&format!("memory of {} / bare", kind.name()), ratio <= 1.5, ratio, 1.5);
            if let Some(ratio) = self.ratio(kind, Kind::Official, speed) {
                check(&format!("events/s of {} / official", kind.name()), ratio >= 3.0, ratio, 3.0);
            }
        }
        misses
    }
}

//! What receiving costs a client, from its first event to its last one.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cpu_time::ProcessTime;
use firehose::Content;

/// Counts events, and checks that each comes once and in order.
pub struct Meter {
    content: Content,
    next: Vec<AtomicI64>,
    left: AtomicU64,
    begun: Mutex<Option<(Instant, ProcessTime)>>,
    measured: Mutex<Option<Measured>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub per_second: f64,
    /// Microseconds of processor time for each event.
    pub cpu: f64,
    /// In KiB, of the whole process at its end.
    pub peak_rss: f64,
}

impl Meter {
    pub fn new(content: Content) -> Self {
        Self {
            content,
            next: (0..content.partitions).map(|_| AtomicI64::new(0)).collect(),
            left: AtomicU64::new(u64::from(content.partitions) * u64::from(content.events)),
            begun: Mutex::default(),
            measured: Mutex::default(),
        }
    }

    /// Takes events of a partition, by sequence number and length; true with the last one of all.
    pub fn saw(&self, partition: usize, events: impl Iterator<Item = (i64, usize)>) -> bool {
        let first = self.next[partition].load(Ordering::Relaxed);
        if first == 0 {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.get_or_insert_with(|| (Instant::now(), ProcessTime::now()));
        }
        let mut next = first;
        for (number, bytes) in events {
            assert_eq!(number, next, "partition {partition}");
            assert_eq!(bytes, self.content.bytes, "partition {partition}");
            next += 1;
        }
        self.next[partition].store(next, Ordering::Relaxed);
        let count = u64::try_from(next - first).unwrap();
        let is_last = self.left.fetch_sub(count, Ordering::Relaxed) == count;
        if is_last {
            self.finish();
        }
        is_last
    }

    fn finish(&self) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let (wall, cpu) = begun.as_ref().expect("the first event was seen");
        let events = f64::from(self.content.partitions) * f64::from(self.content.events);
        let measured = Measured {
            per_second: events / wall.elapsed().as_secs_f64(),
            cpu: cpu.elapsed().as_secs_f64() * 1e6 / events,
            peak_rss: peak_rss(),
        };
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
    }

    pub fn measured(&self) -> Measured {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured
            .unwrap_or_else(|| panic!("{} events are missing", self.left.load(Ordering::Relaxed)))
    }
}

/// Only Linux says it; elsewhere it is not a number.
fn peak_rss() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.per_second, self.cpu, self.peak_rss)
    }
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Vec<f64> = text
            .split(' ')
            .map(|number| number.parse().map_err(|error| format!("{error}")))
            .collect::<Result<_, _>>()?;
        let [per_second, cpu, peak_rss] = numbers[..] else {
            return Err("not three numbers".into());
        };
        Ok(Self { per_second, cpu, peak_rss })
    }
}

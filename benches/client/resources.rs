//! What a process uses, as Linux counts it; elsewhere nothing.

use std::fmt;

#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    pub resident: usize,
    pub threads: usize,
    pub rounds: usize,
    pub latest_round_ms: usize,
}

pub fn resources() -> Resources {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0)
    };
    Resources {
        resident: field("VmRSS:") * 1024,
        threads: field("Threads:"),
        ..Resources::default()
    }
}

impl Resources {
    pub fn mebibytes(&self) -> f64 {
        self.resident as f64 / 1_048_576.0
    }

    pub fn parse_two(text: &str) -> [Self; 2] {
        let numbers: Vec<usize> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let one = |numbers: &[usize]| {
            let [resident, threads, rounds, latest_round_ms] = numbers[..] else {
                panic!("four numbers: {text}")
            };
            Self { resident, threads, rounds, latest_round_ms }
        };
        [one(&numbers[..4]), one(&numbers[4..])]
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, threads, rounds, latest_round_ms } = self;
        write!(f, "{resident} {threads} {rounds} {latest_round_ms}")
    }
}

/// When the rounds of the load balancing ended.
#[derive(Default, Clone)]
pub struct Rounds(std::sync::Arc<std::sync::Mutex<Vec<std::time::Instant>>>);

impl Rounds {
    pub fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    /// How much longer than the interval two of them were apart, at most, in milliseconds.
    pub fn latest(&self, interval: std::time::Duration) -> usize {
        let times = self.0.lock().expect("no panic").clone();
        let gaps = times.windows(2).map(|two| (two[1] - two[0]).saturating_sub(interval));
        gaps.max().unwrap_or_default().as_millis() as usize
    }
}

impl eventhub_checkpointstore::processing::Observer for Rounds {
    fn round(
        &self,
        _took: std::time::Duration,
        owned: Result<usize, &eventhub_checkpointstore::Error>,
    ) {
        owned.expect("a round");
        self.0.lock().expect("no panic").push(std::time::Instant::now());
    }
}

/// Publishes 100,000 events a second for so long.
pub fn publish_at_pace(
    hub: &eventhub_checkpointstore::memory::EventHub,
    duration: std::time::Duration,
) {
    let (began, mut published) = (std::time::Instant::now(), 0);
    while began.elapsed() < duration {
        let due = began.elapsed().as_micros() / 10;
        while published < due {
            hub.publish("0", "{\"degrees\":21.5}").expect("a partition");
            published += 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

//! One consumer: what an ownership manager would keep, with a clock of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ETag;
use eventhub_checkpointstore::ownership::balance::PlannedClaim;
use eventhub_checkpointstore::ownership::{Leases, OwnershipOptions};

/// The local monotonic clock: any origin, and a rate that is a little off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalClock {
    pub(crate) origin: Instant,
    pub(crate) rate: f64,
}

impl LocalClock {
    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.origin + time.mul_f64(self.rate)
    }

    pub(crate) fn when(&self, instant: Instant) -> Duration {
        instant.duration_since(self.origin).div_f64(self.rate)
    }
}

/// How often something goes wrong, from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The list fails, and with it the round.
    pub(crate) list: f64,
    /// A claim does not reach the service.
    pub(crate) request: f64,
    /// A claim is applied, but the response is lost.
    pub(crate) response: f64,
}

impl Faults {
    /// The store cannot be reached at all.
    pub(crate) fn is_outage(&self) -> bool {
        self.list >= 1.0
    }
}

pub(crate) struct Consumer {
    pub(crate) owner_id: String,
    pub(crate) options: OwnershipOptions,
    pub(crate) clock: LocalClock,
    pub(crate) faults: Faults,
    pub(crate) is_running: bool,
    pub(crate) leases: Leases,
    pub(crate) etags: HashMap<String, ETag>,
    pub(crate) round: Option<Round>,
    pub(crate) joined: Duration,
    /// When its rounds ended.
    pub(crate) rounds: Vec<Duration>,
    /// When a round or a claim of it failed last.
    pub(crate) last_fault: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct Round {
    pub(crate) outstanding: usize,
    pub(crate) needed: usize,
    pub(crate) won: usize,
    /// Lost in the wave that is on its way.
    pub(crate) lost: usize,
    pub(crate) spare: std::vec::IntoIter<PlannedClaim>,
}

impl Round {
    /// The claims to try in place of those that were lost, once all responses are there.
    pub(crate) fn next_wave(&mut self) -> Vec<PlannedClaim> {
        let wanted = self.needed.saturating_sub(self.won).min(self.lost);
        self.lost = 0;
        self.spare.by_ref().take(wanted).collect()
    }
}

impl Consumer {
    pub(crate) fn new(
        owner_id: String,
        options: OwnershipOptions,
        clock: LocalClock,
        now: Duration,
    ) -> Self {
        Self {
            owner_id,
            options,
            clock,
            faults: Faults::default(),
            is_running: true,
            leases: Leases::new(&options),
            etags: HashMap::new(),
            round: None,
            joined: now,
            rounds: Vec::new(),
            last_fault: None,
        }
    }

    /// How many of its rounds have ended since then.
    pub(crate) fn rounds_since(&self, since: Duration) -> usize {
        self.rounds.len() - self.rounds.partition_point(|ended| *ended < since)
    }

    /// The interval in true time.
    pub(crate) fn interval(&self) -> Duration {
        self.options.interval().div_f64(self.clock.rate)
    }
}

//! The options of an `OwnershipManager`: strategy, interval and expiration.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The shortest default expiration of another SDK (JavaScript, Go, C++, official Rust).
const SHORTEST_FOREIGN_EXPIRATION: Duration = Duration::from_secs(60);
/// The longest default interval of another SDK (Python, .NET, Java, official Rust).
const LONGEST_FOREIGN_INTERVAL: Duration = Duration::from_secs(30);
/// The number of rounds in an expiration. With four, two rounds in a row may fail, or hang for an interval each, and the
/// third is still in time.
const ROUNDS_PER_EXPIRATION: u32 = 4;
const DEFAULT_MARGIN: Duration = Duration::from_secs(5);
/// The longest expiration: the partitions of a crashed consumer would otherwise wait for more than a day.
const LONGEST_EXPIRATION: Duration = Duration::from_secs(24 * 60 * 60);
/// `Last-Modified` and `Date` are truncated to whole seconds, so a record can look this much older than it is.
const CLOCK_RESOLUTION: Duration = Duration::from_secs(1);
/// The shortest time in which the requests of a round can be expected to end.
const SHORTEST_ROUND: Duration = Duration::from_secs(1);

/// How fast a consumer takes its fair share of the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BalanceStrategy {
    /// Takes all missing partitions in one round.
    #[default]
    Greedy,
    /// Takes one partition per round. Gentle if opening a partition is expensive, slow if there are many partitions.
    ///
    /// After a crash, the free partitions wait for one round each, unless the fleet has a greedy consumer.
    Balanced,
}

/// The options of a consumer in its fleet: strategy, interval and expirations.
///
/// The default is an interval of 15 s and an expiration of 120 s, in a fleet whose shortest expiration is 60 s. The
/// [module documentation](super#choosing-interval-and-expiration) has the rule behind these numbers.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
///
/// // A fleet in which every consumer has 30 s / 120 s, as .NET and Java.
/// let options = OwnershipOptions::new(Duration::from_secs(30), Duration::from_secs(120))?
///     .with_strategy(BalanceStrategy::Balanced);
/// assert_eq!(options.lease_duration(), Duration::from_secs(115));
/// assert!(OwnershipOptions::new(Duration::from_secs(30), Duration::from_secs(60)).is_err());
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnershipOptions {
    strategy: BalanceStrategy,
    interval: Duration,
    expiration: Duration,
    fleet_expiration: Duration,
    margin: Duration,
}

impl Default for OwnershipOptions {
    fn default() -> Self {
        Self {
            strategy: BalanceStrategy::default(),
            interval: SHORTEST_FOREIGN_EXPIRATION / ROUNDS_PER_EXPIRATION,
            expiration: LONGEST_FOREIGN_INTERVAL * ROUNDS_PER_EXPIRATION,
            fleet_expiration: SHORTEST_FOREIGN_EXPIRATION,
            margin: DEFAULT_MARGIN,
        }
    }
}

impl OwnershipOptions {
    /// Creates options for a fleet in which every consumer has this interval and this expiration.
    ///
    /// `interval` is the longest time between the starts of two rounds. `expiration` is the age beyond which this consumer
    /// takes over another consumer's record. The margin of the lease is 5 s, or the interval if that is shorter.
    ///
    #[doc = shared_example!("ownership/options")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if the interval is below 1 s (the resolution of the service's clock), or if the
    /// expiration is not longer than two intervals (one failed round would give the partitions away) or above a day, or
    /// if both together leave less than 1 s for a [round](Self::round_timeout).
    pub fn new(interval: Duration, expiration: Duration) -> Result<Self> {
        Self {
            interval,
            expiration,
            fleet_expiration: expiration,
            margin: DEFAULT_MARGIN.min(interval),
            ..Self::default()
        }
        .checked()
    }

    /// Sets how fast this consumer takes its share.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/options"))]
    #[must_use]
    pub fn with_strategy(mut self, strategy: BalanceStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets the shortest expiration of any consumer in the fleet, that is, how long the most impatient consumer waits
    /// before it takes over a record.
    ///
    /// Only the duration of the lease depends on it. It has no effect if it is longer than this consumer's own expiration.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/options"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if it is not longer than two intervals, or above a day, or leaves less than 1 s for a
    /// [round](Self::round_timeout).
    pub fn with_fleet_expiration(mut self, fleet_expiration: Duration) -> Result<Self> {
        self.fleet_expiration = fleet_expiration;
        self.checked()
    }

    /// Sets how long before the expiration a lease ends.
    ///
    /// The margin covers what makes a record look older to other consumers than it is: the service's clock, which has whole
    /// seconds, and the clocks of consumers with other SDKs, which all judge by their local clock. It is also the time for
    /// finishing the current batch.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/options"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] if it is below 1 s or above the interval, or leaves less than 1 s for a
    /// [round](Self::round_timeout).
    pub fn with_margin(mut self, margin: Duration) -> Result<Self> {
        self.margin = margin;
        self.checked()
    }

    fn checked(self) -> Result<Self> {
        let Self { interval, margin, .. } = self;
        let refused = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        if interval < CLOCK_RESOLUTION {
            return refused(format!(
                "interval {interval:?}: it must be at least 1 s, the resolution of the service's clock"
            ));
        }
        for (what, expiration) in
            [("expiration", self.expiration), ("fleet expiration", self.fleet_expiration)]
        {
            if expiration <= interval.saturating_mul(2) {
                return refused(format!(
                    "{what} {expiration:?}: it must be longer than two intervals of {interval:?}, or one failed \
                     round gives the partitions away"
                ));
            }
            if expiration > LONGEST_EXPIRATION {
                return refused(format!("{what} {expiration:?}: it must be at most a day"));
            }
        }
        if margin < CLOCK_RESOLUTION || margin > interval {
            return refused(format!(
                "margin {margin:?}: it must be at least 1 s and at most the interval, {interval:?}"
            ));
        }
        if self.round_timeout() < SHORTEST_ROUND {
            return refused(format!(
                "the shortest expiration {:?} less a margin of {margin:?} and an interval of {interval:?} leaves {:?} \
                 for a round: it must be at least 1 s",
                self.fleet_expiration(),
                self.round_timeout(),
            ));
        }
        Ok(self)
    }

    /// Returns how fast this consumer takes its share.
    pub fn strategy(&self) -> BalanceStrategy {
        self.strategy
    }

    /// Returns the longest time between the starts of two rounds.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns the age beyond which this consumer takes over another consumer's record.
    pub fn expiration(&self) -> Duration {
        self.expiration
    }

    /// Returns the shortest expiration of any consumer in the fleet, including this one.
    pub fn fleet_expiration(&self) -> Duration {
        self.fleet_expiration.min(self.expiration)
    }

    /// Returns how long before the expiration a lease ends.
    pub fn margin(&self) -> Duration {
        self.margin
    }

    /// Returns the duration of a lease, counted from the start of the renewal's request: the shortest expiration minus the
    /// margin.
    pub fn lease_duration(&self) -> Duration {
        self.fleet_expiration().saturating_sub(self.margin)
    }

    /// Returns how long a partition without an owner is left to the consumer whose share it belongs to.
    pub(super) fn patience(&self) -> Duration {
        self.expiration.saturating_add(self.interval)
    }

    /// Returns how long a round may take: an interval, or less if a renewal would otherwise be too late.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use eventhub_checkpointstore::ownership::OwnershipOptions;
    /// let options = OwnershipOptions::default();
    /// assert_eq!(options.round_timeout(), Duration::from_secs(15));
    /// let tight = OwnershipOptions::new(Duration::from_secs(30), Duration::from_secs(61))?;
    /// assert_eq!(tight.round_timeout(), Duration::from_secs(26)); // 61 s - 5 s - 30 s
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    pub fn round_timeout(&self) -> Duration {
        self.lease_duration().saturating_sub(self.interval).min(self.interval)
    }

    /// Returns the time between the starts of two rounds: 80 % to 100 % of the interval.
    ///
    /// It is never longer than the interval, on which the guarantees depend. It is randomly shorter, so that consumers that
    /// started together drift apart.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use eventhub_checkpointstore::ownership::OwnershipOptions;
    /// let pause = OwnershipOptions::default().jittered_interval(7);
    /// assert!(pause >= Duration::from_secs(12) && pause <= Duration::from_secs(15));
    /// ```
    pub fn jittered_interval(&self, seed: u64) -> Duration {
        let jitter = fastrand::Rng::with_seed(seed).f64() / 5.0;
        self.interval.mul_f64(1.0 - jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn impossible_options_are_refused_with_their_values() {
        for (interval, expiration, named) in [
            (0, 10, "interval 0ns"),
            (30, 60, "60s"),
            (30, 0, "0ns"),
            (u64::MAX, 1, "1s"),
            (1, 86_401, "day"),
        ] {
            let error = OwnershipOptions::new(seconds(interval), seconds(expiration))
                .expect_err("must be refused");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(named), "{error}");
        }
        let options = OwnershipOptions::new(seconds(30), seconds(61)).unwrap();
        assert!(options.with_fleet_expiration(seconds(60)).is_err());
        assert!(options.with_margin(Duration::ZERO).is_err());
        assert!(options.with_margin(seconds(31)).is_err());
    }

    #[test]
    fn a_round_that_cannot_end_in_time_is_refused_with_its_values() {
        let tight = OwnershipOptions::new(seconds(1), Duration::from_millis(2_001)).unwrap_err();
        assert!(
            tight.to_string().contains("2.001s") && tight.to_string().contains("1ms"),
            "{tight}"
        );
        let options = OwnershipOptions::new(seconds(30), Duration::from_millis(60_001)).unwrap();
        let tight = options.with_margin(seconds(30)).unwrap_err();
        assert_eq!(tight.kind(), ErrorKind::Configuration);
        let options = OwnershipOptions::new(seconds(1), seconds(60)).unwrap();
        assert!(options.with_fleet_expiration(Duration::from_millis(2_999)).is_err());
        assert!(options.with_fleet_expiration(seconds(3)).is_ok());
    }

    #[test]
    fn two_rounds_can_hang_before_the_third_renews_in_time() {
        for options in [
            OwnershipOptions::default(),
            OwnershipOptions::new(seconds(30), seconds(120)).unwrap(),
            OwnershipOptions::new(seconds(10), seconds(60)).unwrap(),
        ] {
            let third = options.interval() + options.round_timeout() * 2;
            assert!(third + seconds(1) < options.lease_duration(), "{options:?}");
        }
    }

    #[test]
    fn the_defaults_keep_the_rule_beside_every_other_sdk() {
        let ours = OwnershipOptions::default();
        assert_eq!(ours.checked().unwrap(), ours);
        for (interval, expiration) in [(30, 180), (30, 120), (10, 60), (30, 60)] {
            assert!(ours.interval() * 4 <= seconds(expiration), "they would take ours");
            assert!(ours.expiration() >= seconds(interval) * 4, "we would take theirs");
            assert!(ours.lease_duration() < seconds(expiration), "both would hold it");
        }
    }

    #[test]
    fn the_lease_ends_before_the_most_impatient_consumer_takes_over() {
        let options = OwnershipOptions::new(seconds(10), seconds(120)).unwrap();
        assert_eq!(options.lease_duration(), seconds(115));
        let mixed = options.with_fleet_expiration(seconds(60)).unwrap();
        assert_eq!(mixed.lease_duration(), seconds(55));
        let lonely = options.with_fleet_expiration(seconds(600)).unwrap();
        assert_eq!(lonely.lease_duration(), seconds(115));
    }

    #[test]
    fn jitter_only_shortens() {
        let options = OwnershipOptions::default();
        let pauses: Vec<_> = (0..100).map(|seed| options.jittered_interval(seed)).collect();
        assert!(pauses.iter().all(|pause| (seconds(12)..=seconds(15)).contains(pause)));
        assert_ne!(pauses.iter().min(), pauses.iter().max());
    }
}

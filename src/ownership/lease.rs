//! Leases: until when each partition may be worked on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::OwnershipOptions;
use crate::model::PartitionOwnership;

/// Why a partition is no longer owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationCause {
    /// The ownership was not renewed in time. Other consumers see its record expire.
    Lapsed,
    /// Another consumer claimed the partition, or someone else released the record.
    Taken,
}

/// A partition that this consumer must stop working on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Revocation {
    /// The id of the partition.
    pub partition_id: String,
    /// Why.
    pub cause: RevocationCause,
}

/// Tracks until when this consumer owns each of its partitions.
///
/// A lease is counted on the local monotonic clock, from the *start* of the request that claimed or renewed the
/// partition, for [`OwnershipOptions::lease_duration`]. The service stamps the record later than that, so the lease
/// ends before any other consumer may take the record as expired, whatever the local time of day is. A renewal that failed
/// or got no response changes nothing: the last successful one counts.
///
/// Take the time from [`SystemClock`](crate::SystemClock), not from `Instant::now()`: on Linux the latter stands still while
/// the machine is suspended, and a lease would last on although other consumers have taken the partition.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::ownership::{Leases, OwnershipOptions, RevocationCause};
/// use eventhub_checkpointstore::{Clock, SystemClock};
///
/// let mut leases = Leases::new(&OwnershipOptions::default());
/// let start = SystemClock.now();
/// assert!(leases.grant("0", start), "newly owned");
/// assert!(leases.is_owned("0", start + Duration::from_secs(54)));
///
/// // Not renewed for 60 s less the margin of 5 s.
/// let late = start + Duration::from_secs(55);
/// assert!(!leases.is_owned("0", late));
/// assert_eq!(leases.take_revoked(late)[0].cause, RevocationCause::Lapsed);
/// assert!(leases.take_revoked(late).is_empty(), "each is reported once");
/// ```
#[derive(Debug, Clone)]
pub struct Leases {
    duration: Duration,
    held: HashMap<String, Lease>,
}

#[derive(Debug, Clone, Copy)]
enum Lease {
    Until(Instant),
    /// Another consumer has it; not reported yet.
    Taken,
}

impl Lease {
    fn is_valid(self, now: Instant) -> bool {
        matches!(self, Self::Until(end) if now < end)
    }

    fn end(self) -> Option<Instant> {
        match self {
            Self::Until(end) => Some(end),
            Self::Taken => None,
        }
    }
}

impl Leases {
    /// Creates an empty set of leases. Each granted lease lasts for [`OwnershipOptions::lease_duration`].
    ///
    #[doc = shared_example!("ownership/leases")]
    pub fn new(options: &OwnershipOptions) -> Self {
        Self { duration: options.lease_duration(), held: HashMap::new() }
    }

    /// Records a successful claim or renewal whose request started at `request_started`.
    ///
    /// Returns `true` if the partition is new, so you have to start reading it. A partition whose end has not been reported
    /// is not new: call [`take_revoked`](Self::take_revoked) first.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn grant(&mut self, partition_id: impl Into<String>, request_started: Instant) -> bool {
        let end = request_started + self.duration;
        self.held.insert(partition_id.into(), Lease::Until(end)).is_none()
    }

    /// Records a lost claim: the partition is no longer owned, and will be reported as revoked.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn lose(&mut self, partition_id: &str) {
        if let Some(lease) = self.held.get_mut(partition_id) {
            *lease = Lease::Taken;
        }
    }

    /// Applies a listing: partitions with another owner, or none, are lost.
    ///
    /// The listing must have been requested after the response to the last claim. Partitions without a record in it are not
    /// affected.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn observe(&mut self, owner_id: &str, ownerships: &[PartitionOwnership]) {
        for record in ownerships {
            if record.owner_id() != Some(owner_id) {
                self.lose(record.partition_id());
            }
        }
    }

    /// Forgets a partition that this consumer relinquishes. It will not be reported.
    ///
    /// Returns `true` if the partition was known.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn release(&mut self, partition_id: &str) -> bool {
        self.held.remove(partition_id).is_some()
    }

    /// Returns whether the partition is owned at this moment. Cheap: call it before each batch and each checkpoint.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.held.get(partition_id).is_some_and(|lease| lease.is_valid(now))
    }

    /// Returns when the lease of a partition ends or ended; `None` if there is none, or if another consumer has the
    /// partition.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn owned_until(&self, partition_id: &str) -> Option<Instant> {
        self.held.get(partition_id)?.end()
    }

    /// Returns when the next lease ends unless it is renewed. Look for revocations no later than that.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn next_end(&self) -> Option<Instant> {
        self.held.values().filter_map(|lease| lease.end()).min()
    }

    /// Iterates over the partitions that are owned at this moment, in no particular order.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    pub fn owned(&self, now: Instant) -> impl Iterator<Item = &str> {
        let valid = self.held.iter().filter(move |(_, lease)| lease.is_valid(now));
        valid.map(|(partition_id, _)| partition_id.as_str())
    }

    /// Removes and returns the partitions that are no longer owned, sorted by id. Each is reported once.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("ownership/leases"))]
    #[must_use = "each revocation is reported only once"]
    pub fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        let over = self.held.extract_if(|_, lease| !lease.is_valid(now));
        let mut revoked: Vec<_> = over
            .map(|(partition_id, lease)| {
                let cause = match lease {
                    Lease::Until(_) => RevocationCause::Lapsed,
                    Lease::Taken => RevocationCause::Taken,
                };
                Revocation { partition_id, cause }
            })
            .collect();
        revoked.sort_by(|a, b| a.partition_id.cmp(&b.partition_id));
        revoked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConsumerGroup;

    const LEASE: Duration = Duration::from_secs(55);

    fn leases() -> (Leases, Instant) {
        (Leases::new(&OwnershipOptions::default()), Instant::now())
    }

    #[test]
    fn a_lease_runs_from_the_start_of_the_last_successful_request() {
        let (mut leases, start) = leases();
        assert!(leases.grant("0", start));
        let renewal = start + Duration::from_secs(15);
        assert!(!leases.grant("0", renewal), "a renewal is nothing new");
        assert_eq!(leases.owned_until("0"), Some(renewal + LEASE));
        assert_eq!(leases.next_end(), Some(renewal + LEASE));
        assert!(leases.is_owned("0", renewal + Duration::from_secs(54)));
        assert!(!leases.is_owned("0", renewal + LEASE));
        assert!(!leases.is_owned("1", start));
    }

    #[test]
    fn a_taken_partition_ends_at_once_and_is_reported_once() {
        let (mut leases, now) = leases();
        leases.grant("0", now);
        leases.grant("1", now);
        leases.lose("0");
        leases.lose("2");
        assert_eq!(leases.owned(now).collect::<Vec<_>>(), ["1"]);
        assert_eq!(
            leases.take_revoked(now),
            [Revocation { partition_id: "0".to_owned(), cause: RevocationCause::Taken }]
        );
        assert_eq!(leases.take_revoked(now), []);
        assert!(leases.grant("0", now), "won again");
    }

    #[test]
    fn a_released_partition_is_not_reported() {
        let (mut leases, now) = leases();
        leases.grant("0", now);
        assert!(leases.release("0"));
        assert!(!leases.release("0"));
        assert_eq!(leases.take_revoked(now + LEASE), []);
    }

    #[test]
    fn a_listing_tells_what_was_stolen() {
        let (mut leases, now) = leases();
        let group = ConsumerGroup::new("ns", "hub", "$Default").unwrap();
        let listed = [("0", "me"), ("1", "Me"), ("2", "you"), ("9", "you")]
            .map(|(id, owner)| PartitionOwnership::new(&group, id, owner).unwrap());
        for id in ["0", "1", "2", "3"] {
            leases.grant(id, now);
        }
        leases.observe("me", &[listed.as_slice(), &[listed[2].released()]].concat());
        let revoked = leases.take_revoked(now);
        assert_eq!(
            revoked.iter().map(|it| it.partition_id.as_str()).collect::<Vec<_>>(),
            ["1", "2"]
        );
        assert!(leases.is_owned("0", now) && leases.is_owned("3", now));
    }
}

//! The outcomes of relinquishing partitions.

use std::fmt;

use super::{ClaimOutcome, Claims, PartitionOwnership};
use crate::error::Error;

/// The outcome of relinquishing one partition.
#[derive(Debug)]
#[non_exhaustive]
pub enum RelinquishOutcome {
    /// The partition was released. Contains the stored record with its new ETag and time, or without an ETag if the record
    /// had vanished.
    Released(PartitionOwnership),
    /// Another consumer has the partition. Contains the ownership as given. A normal outcome, not a failure.
    Lost(PartitionOwnership),
    /// The release failed, or its outcome is unknown. Contains the ownership as given. Try again, or let it expire.
    ///
    /// [`Error::is_outcome_unknown`] tells whether the record may have been written anyway.
    Failed(PartitionOwnership, Error),
}

impl RelinquishOutcome {
    /// Returns the ownership: the stored record if released, otherwise as given.
    pub fn ownership(&self) -> &PartitionOwnership {
        match self {
            Self::Released(ownership) | Self::Lost(ownership) | Self::Failed(ownership, _) => {
                ownership
            }
        }
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        self.ownership().partition_id()
    }

    /// Converts it into the outcome of a claim without an owner.
    pub(crate) fn into_claim(self) -> ClaimOutcome {
        match self {
            Self::Released(ownership) => ClaimOutcome::Claimed(ownership),
            Self::Lost(ownership) => ClaimOutcome::Lost(ownership, None),
            Self::Failed(ownership, error) => ClaimOutcome::Failed(ownership, error),
        }
    }

    /// Returns the stored record if the partition was released.
    pub fn released(&self) -> Option<&PartitionOwnership> {
        match self {
            Self::Released(ownership) => Some(ownership),
            _ => None,
        }
    }
}

/// A record that is claimed without an owner is released.
impl From<ClaimOutcome> for RelinquishOutcome {
    fn from(outcome: ClaimOutcome) -> Self {
        match outcome {
            ClaimOutcome::Claimed(ownership) => Self::Released(ownership),
            ClaimOutcome::Lost(ownership, _) => Self::Lost(ownership),
            ClaimOutcome::Failed(ownership, error) => Self::Failed(ownership, error),
        }
    }
}

/// One outcome per relinquished partition, in the order of the ownerships.
///
/// ```
/// use eventhub_checkpointstore::{ConsumerGroup, PartitionOwnership, RelinquishOutcome, Relinquished};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let relinquished = Relinquished::new(vec![
///     RelinquishOutcome::Released(PartitionOwnership::new(&group, "0", "me")?.released()),
///     RelinquishOutcome::Lost(PartitionOwnership::new(&group, "1", "me")?),
/// ]);
/// let free: Vec<_> = relinquished.released().map(|ownership| ownership.partition_id()).collect();
/// assert_eq!(free, ["0"]);
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a partition may have been lost, or its release may have failed"]
pub struct Relinquished {
    outcomes: Vec<RelinquishOutcome>,
}

impl Relinquished {
    /// Creates a collection of outcomes; for implementers of stores.
    ///
    #[doc = shared_example!("model/relinquished")]
    pub fn new(outcomes: Vec<RelinquishOutcome>) -> Self {
        Self { outcomes }
    }

    /// Returns all outcomes, in the order of the ownerships.
    pub fn outcomes(&self) -> &[RelinquishOutcome] {
        &self.outcomes
    }

    /// Iterates over the records that were released.
    pub fn released(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(RelinquishOutcome::released)
    }

    /// Iterates over the ownerships of partitions that another consumer has.
    pub fn lost(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            RelinquishOutcome::Lost(ownership) => Some(ownership),
            _ => None,
        })
    }

    /// Iterates over the ownerships that could not be released, with their errors.
    pub fn failed(&self) -> impl Iterator<Item = (&PartitionOwnership, &Error)> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            RelinquishOutcome::Failed(ownership, error) => Some((ownership, error)),
            _ => None,
        })
    }

    /// Returns whether every partition was released.
    pub fn all_released(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.released().is_some())
    }

    /// Iterates over all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, RelinquishOutcome> {
        self.outcomes.iter()
    }

    /// Returns the number of partitions.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Returns whether there were no partitions.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }
}

/// Claims without an owner are releases.
impl From<Claims> for Relinquished {
    fn from(claims: Claims) -> Self {
        Self::new(claims.into_iter().map(RelinquishOutcome::from).collect())
    }
}

impl fmt::Debug for Relinquished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.outcomes).finish()
    }
}

impl IntoIterator for Relinquished {
    type Item = RelinquishOutcome;
    type IntoIter = std::vec::IntoIter<RelinquishOutcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a> IntoIterator for &'a Relinquished {
    type Item = &'a RelinquishOutcome;
    type IntoIter = std::slice::Iter<'a, RelinquishOutcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.iter()
    }
}

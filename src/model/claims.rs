//! The outcomes of a batch of claims.

use std::fmt;

use super::PartitionOwnership;
use crate::error::Error;

/// The outcome of one claim.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClaimOutcome {
    /// The claim succeeded. Contains the stored record with its new ETag and time.
    Claimed(PartitionOwnership),
    /// Another consumer was first: the stored version is not the one that the claim expected. A normal outcome, not a
    /// failure.
    ///
    /// Contains the claim as given, and the current record if it could be read. Its
    /// [`owner_id`](PartitionOwnership::owner_id) tells who was first. If that is your own owner id, either you wrote the
    /// record earlier, for example before a restart, or another process runs under the same id. To continue with such a
    /// record, claim it with [`claimed_by`](PartitionOwnership::claimed_by).
    Lost(PartitionOwnership, Option<PartitionOwnership>),
    /// The claim failed, or its outcome is unknown. Contains the claim as given, and the error.
    ///
    /// [`Error::is_outcome_unknown`] tells whether the record may have been written anyway.
    Failed(PartitionOwnership, Error),
}

impl ClaimOutcome {
    /// Returns the ownership: the stored record if the claim succeeded, otherwise the claim as given.
    pub fn ownership(&self) -> &PartitionOwnership {
        match self {
            Self::Claimed(ownership) | Self::Lost(ownership, _) | Self::Failed(ownership, _) => {
                ownership
            }
        }
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        self.ownership().partition_id()
    }

    /// Returns the record that is stored now, if known: yours if the claim succeeded, the current owner's if it was lost.
    pub fn present(&self) -> Option<&PartitionOwnership> {
        match self {
            Self::Claimed(present) | Self::Lost(_, Some(present)) => Some(present),
            Self::Lost(_, None) | Self::Failed(..) => None,
        }
    }

    /// Returns the stored record if the claim succeeded.
    pub fn claimed(&self) -> Option<&PartitionOwnership> {
        match self {
            Self::Claimed(ownership) => Some(ownership),
            _ => None,
        }
    }
}

/// One outcome per claim, in the order of the claims.
///
/// ```
/// use eventhub_checkpointstore::{ClaimOutcome, Claims, ConsumerGroup, PartitionOwnership};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let claims = Claims::new(vec![
///     ClaimOutcome::Claimed(PartitionOwnership::new(&group, "0", "me")?),
///     ClaimOutcome::Lost(
///         PartitionOwnership::new(&group, "1", "me")?,
///         Some(PartitionOwnership::new(&group, "1", "other")?),
///     ),
/// ]);
/// let present = claims.outcomes()[1].present().unwrap();
/// assert_eq!(present.owner_id(), Some("other"));
/// let mine: Vec<_> = claims.claimed().map(|ownership| ownership.partition_id()).collect();
/// assert_eq!(mine, ["0"]);
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a claim may have been lost or have failed"]
pub struct Claims {
    outcomes: Vec<ClaimOutcome>,
}

impl Claims {
    /// Creates a collection of outcomes; for implementers of stores.
    ///
    #[doc = shared_example!("model/claims")]
    pub fn new(outcomes: Vec<ClaimOutcome>) -> Self {
        Self { outcomes }
    }

    /// Returns all outcomes, in the order of the claims.
    pub fn outcomes(&self) -> &[ClaimOutcome] {
        &self.outcomes
    }

    /// Iterates over the records that were claimed.
    pub fn claimed(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(ClaimOutcome::claimed)
    }

    /// Iterates over the claims that another consumer won.
    pub fn lost(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            ClaimOutcome::Lost(ownership, _) => Some(ownership),
            _ => None,
        })
    }

    /// Iterates over the claims that failed, with their errors.
    pub fn failed(&self) -> impl Iterator<Item = (&PartitionOwnership, &Error)> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            ClaimOutcome::Failed(ownership, error) => Some((ownership, error)),
            _ => None,
        })
    }

    /// Returns the records that were claimed, by value.
    pub fn into_claimed(self) -> Vec<PartitionOwnership> {
        self.outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                ClaimOutcome::Claimed(ownership) => Some(ownership),
                _ => None,
            })
            .collect()
    }

    /// Returns whether every claim succeeded.
    pub fn all_claimed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.claimed().is_some())
    }

    /// Iterates over all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, ClaimOutcome> {
        self.outcomes.iter()
    }

    /// Returns the number of claims.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Returns whether there were no claims.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.outcomes).finish()
    }
}

impl IntoIterator for Claims {
    type Item = ClaimOutcome;
    type IntoIter = std::vec::IntoIter<ClaimOutcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a> IntoIterator for &'a Claims {
    type Item = &'a ClaimOutcome;
    type IntoIter = std::slice::Iter<'a, ClaimOutcome>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.iter()
    }
}

//! The outcome of each claim of a batch.

use std::fmt;

use super::PartitionOwnership;
use crate::error::Error;

/// What became of one claim.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClaimOutcome {
    /// The record is ours now, with its new ETag and time. After a relinquish: the record has no owner now.
    Claimed(PartitionOwnership),
    /// The record has another version than the claim expected; a normal outcome, not a failure.
    ///
    /// Holds the claim as it was given, and the present record if it could be read: its
    /// [`owner_id`](PartitionOwnership::owner_id) tells who was first. If that is your own owner id, the record is one
    /// that you wrote before, as before a restart, or another process runs under the same id: to go on with it, claim it
    /// with [`claimed_by`](PartitionOwnership::claimed_by).
    Lost(PartitionOwnership, Option<PartitionOwnership>),
    /// Nobody can say, or the service refused; holds the claim as it was given.
    ///
    /// [`Error::is_outcome_unknown`] tells whether the record may have been written all the same.
    Failed(PartitionOwnership, Error),
}

impl ClaimOutcome {
    /// The ownership: as stored if claimed, else as it was given.
    pub fn ownership(&self) -> &PartitionOwnership {
        match self {
            Self::Claimed(ownership) | Self::Lost(ownership, _) | Self::Failed(ownership, _) => {
                ownership
            }
        }
    }

    /// The id of the partition that was claimed.
    pub fn partition_id(&self) -> &str {
        self.ownership().partition_id()
    }

    /// The record as it is stored now, if it is known: ours if claimed, that of the present owner if lost.
    pub fn present(&self) -> Option<&PartitionOwnership> {
        match self {
            Self::Claimed(present) | Self::Lost(_, Some(present)) => Some(present),
            Self::Lost(_, None) | Self::Failed(..) => None,
        }
    }

    /// The ownership as stored, if the claim succeeded.
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
    /// Collects outcomes; for implementers of stores.
    ///
    #[doc = shared_example!("model/claims")]
    pub fn new(outcomes: Vec<ClaimOutcome>) -> Self {
        Self { outcomes }
    }

    /// All outcomes, in the order of the claims.
    pub fn outcomes(&self) -> &[ClaimOutcome] {
        &self.outcomes
    }

    /// The records that are ours now.
    pub fn claimed(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(ClaimOutcome::claimed)
    }

    /// The claims that another consumer won.
    pub fn lost(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            ClaimOutcome::Lost(ownership, _) => Some(ownership),
            _ => None,
        })
    }

    /// The claims that failed, with their errors.
    pub fn failed(&self) -> impl Iterator<Item = (&PartitionOwnership, &Error)> {
        self.outcomes.iter().filter_map(|outcome| match outcome {
            ClaimOutcome::Failed(ownership, error) => Some((ownership, error)),
            _ => None,
        })
    }

    /// The records that are ours now, by value.
    pub fn into_claimed(self) -> Vec<PartitionOwnership> {
        self.outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                ClaimOutcome::Claimed(ownership) => Some(ownership),
                _ => None,
            })
            .collect()
    }

    /// Whether every claim succeeded.
    pub fn all_claimed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.claimed().is_some())
    }

    /// Iterates over all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, ClaimOutcome> {
        self.outcomes.iter()
    }

    /// How many claims there were.
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether nothing was claimed at all.
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

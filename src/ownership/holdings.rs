//! What a consumer holds: leases, the records behind them, and what of it was reported.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::balance::Plan;
use super::claim_queue::{ClaimUnderWay, Health};
use super::records::{Listed, Records};
use super::round::{UnstartedPartition, WonPartition};
use super::{Leases, OwnershipOptions, Revocation, RevocationCause};
use super::{StartingPosition, StartingPositions};
use crate::error::{Error, Result};
use crate::model::{Checkpoint, ClaimOutcome, Listing, PartitionOwnership};

#[derive(Debug)]
pub(super) struct Holdings {
    pub(super) leases: Leases,
    pub(super) records: Records,
    pub(super) health: Health,
    /// Owned, but not yet reported as won, because their checkpoints could not be read; since when.
    unstarted: BTreeMap<String, Instant>,
    /// Given up because they could not be started; until when they are left to others.
    left: BTreeMap<String, Instant>,
    /// Taken by others, as their readers noticed; since when. A renewal that was sent before says nothing about it.
    displaced: BTreeMap<String, Instant>,
    /// Found, and not yet reported.
    revoked: Vec<Revocation>,
    /// How long a partition may be held that cannot be started.
    patience: Duration,
}

/// What was read of the checkpoints of partitions that are to be started.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// Those that were read, in no particular order.
    partition_ids: Vec<String>,
    checkpoints: BTreeMap<String, Checkpoint>,
    failed: BTreeMap<String, Error>,
}

impl Starts {
    /// Whatever is not listed has no checkpoint.
    pub(crate) fn listed(partition_ids: Vec<String>, listing: Listing<Checkpoint>) -> Self {
        let checkpoints = listing
            .into_items()
            .into_iter()
            .map(|checkpoint| (checkpoint.partition_id().to_owned(), checkpoint))
            .collect();
        Self { partition_ids, checkpoints, failed: BTreeMap::new() }
    }

    pub(crate) fn note(&mut self, partition_id: String, found: Result<Option<Checkpoint>>) {
        match found {
            Ok(None) => {}
            Ok(Some(checkpoint)) => {
                self.checkpoints.insert(partition_id.clone(), checkpoint);
            }
            Err(error) => {
                self.failed.insert(partition_id.clone(), error);
            }
        }
        self.partition_ids.push(partition_id);
    }

    pub(crate) fn is_any_readable(&self) -> bool {
        self.failed.len() < self.partition_ids.len()
    }
}

impl Holdings {
    pub(super) fn new(options: &OwnershipOptions) -> Self {
        Self {
            leases: Leases::new(options),
            records: Records::default(),
            health: Health::default(),
            unstarted: BTreeMap::new(),
            left: BTreeMap::new(),
            displaced: BTreeMap::new(),
            revoked: Vec::new(),
            patience: options.expiration(),
        }
    }

    /// Takes in a listing.
    ///
    /// What ended is noted before anything is claimed: a partition that was lost and is won again in one round must be
    /// read anew from its checkpoint.
    pub(super) fn observe(&mut self, owner_id: &str, listed: &Listed, now: Instant) {
        self.leases.observe(owner_id, &listed.records);
        self.displaced.clear();
        self.note_revoked(now);
    }

    /// Leaves what could not be started for an expiration to others, and returns the records that are to be given up for
    /// that. Nobody was told that they were won, so nobody is told that they are not.
    pub(super) fn leave(&mut self, plan: &mut Plan, now: Instant) -> Vec<PartitionOwnership> {
        self.left.retain(|_, until| now < *until);
        let is_over = |since: Instant| now.saturating_duration_since(since) >= self.patience;
        let over = self.unstarted.iter().filter(|(_, since)| is_over(**since));
        let over: Vec<_> = over.map(|(partition_id, _)| partition_id.clone()).collect();
        for partition_id in &over {
            self.unstarted.remove(partition_id);
            self.leases.release(partition_id);
            self.left.insert(partition_id.clone(), now + self.patience);
        }
        plan.leave(|partition_id| self.left.contains_key(partition_id));
        over.iter().filter_map(|id| self.records.undoubted_one(id)).cloned().collect()
    }

    /// Takes in an outcome as soon as it is known, and returns it as it is to be believed.
    ///
    /// A lease that ended meanwhile was over for whoever asked, so it is revoked and won anew, not prolonged.
    pub(super) fn settle(
        &mut self,
        ended: &ClaimUnderWay,
        outcome: ClaimOutcome,
        is_stopped: bool,
        now: Instant,
    ) -> ClaimOutcome {
        self.note_revoked(now);
        let partition_id = ended.claim.partition_id();
        let outcome = self.records.claimed(&ended.claim.ownership, outcome);
        self.health.note(partition_id, &outcome);
        match &outcome {
            ClaimOutcome::Claimed(_) if is_stopped || self.is_displaced(ended) => {}
            ClaimOutcome::Claimed(_) => {
                // Counted from the start of its own request: the service stamps the record later than that.
                if self.leases.grant(partition_id, ended.started) {
                    self.unstarted.insert(partition_id.to_owned(), ended.started);
                }
            }
            ClaimOutcome::Lost(..) => self.leases.lose(partition_id),
            ClaimOutcome::Failed(..) => {}
        }
        outcome
    }

    fn is_displaced(&self, ended: &ClaimUnderWay) -> bool {
        let since = self.displaced.get(ended.claim.partition_id());
        since.is_some_and(|since| ended.started <= *since)
    }

    /// A reader learned that another consumer has the partition. The record may be ours still, which the next list tells.
    pub(super) fn note_taken(&mut self, partition_id: &str, now: Instant) {
        self.note_revoked(now);
        self.displaced.insert(partition_id.to_owned(), now);
        if self.leases.release(partition_id) && self.unstarted.remove(partition_id).is_none() {
            let partition_id = partition_id.to_owned();
            self.revoked.push(Revocation { partition_id, cause: RevocationCause::Taken });
        }
    }

    /// The owned partitions that were not reported yet, for which checkpoints must be read to say where reading begins.
    pub(super) fn unstarted(&self, now: Instant) -> Vec<String> {
        let owned = self.unstarted.keys().filter(|id| self.leases.is_owned(id, now));
        owned.cloned().collect()
    }

    /// Those of them that can be started, with the positions that the checkpoints say, and the others.
    pub(super) fn start(
        &mut self,
        mut starts: Starts,
        positions: &StartingPositions,
        now: Instant,
    ) -> (Vec<WonPartition>, Vec<UnstartedPartition>) {
        self.note_revoked(now);
        starts.partition_ids.sort();
        let (mut won, mut unstarted) = (Vec::new(), Vec::new());
        for partition_id in starts.partition_ids {
            if !self.unstarted.contains_key(&partition_id) {
                continue;
            }
            if let Some(error) = starts.failed.remove(&partition_id) {
                unstarted.push(UnstartedPartition { partition_id, error });
                continue;
            }
            self.unstarted.remove(&partition_id);
            let checkpoint = starts.checkpoints.remove(&partition_id);
            let start = checkpoint.as_ref().and_then(StartingPosition::after);
            let start = start.unwrap_or_else(|| positions.for_partition(&partition_id).clone());
            won.push(WonPartition { partition_id, checkpoint, start });
        }
        (won, unstarted)
    }

    /// Each revocation once.
    pub(super) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        self.note_revoked(now);
        std::mem::take(&mut self.revoked)
    }

    /// What was never reported as won is not reported as revoked. The record of a lapsed lease is kept: it may still
    /// be ours to relinquish.
    fn note_revoked(&mut self, now: Instant) {
        for revocation in self.leases.take_revoked(now) {
            if revocation.cause == RevocationCause::Taken {
                self.records.forget(&revocation.partition_id);
            }
            if self.unstarted.remove(&revocation.partition_id).is_none() {
                self.revoked.push(revocation);
            }
        }
    }

    pub(super) fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.leases.is_owned(partition_id, now) && !self.unstarted.contains_key(partition_id)
    }

    pub(super) fn owned(&self, now: Instant) -> Vec<String> {
        let owned = self.leases.owned(now).filter(|id| !self.unstarted.contains_key(*id));
        let mut owned: Vec<_> = owned.map(str::to_owned).collect();
        owned.sort();
        owned
    }

    /// What is given up on purpose is not reported. The records are still to be given up.
    pub(super) fn drop_leases(&mut self, options: &OwnershipOptions) {
        self.leases = Leases::new(options);
        self.unstarted.clear();
    }
}

//! The holdings of a consumer: its leases, the records behind them, and what has been reported.

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
    /// Partitions that are owned but not yet reported as won, because their checkpoints could not be read; with the time
    /// since when.
    unstarted: BTreeMap<String, Instant>,
    /// Partitions that were relinquished on purpose, or because they could not be started; with the time until which they
    /// are left to others.
    left: BTreeMap<String, Instant>,
    /// Partitions that a reader found to be taken by others; with the time since when. The outcome of a renewal that was
    /// sent earlier is no evidence.
    displaced: BTreeMap<String, Instant>,
    /// Revocations that are not reported yet.
    revoked: Vec<Revocation>,
    /// How long a partition that cannot be started may be held.
    patience: Duration,
}

/// The checkpoints that were read for partitions to start.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    /// The checkpoints that were read, in no particular order.
    partition_ids: Vec<String>,
    checkpoints: BTreeMap<String, Checkpoint>,
    failed: BTreeMap<String, Error>,
}

impl Starts {
    /// A complete list: a partition that is not in it has no checkpoint.
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

    /// Applies a listing.
    ///
    /// Ended leases are recorded before anything is claimed: if a partition is lost and won again within one round, its
    /// reading must start again from the checkpoint.
    pub(super) fn observe(&mut self, owner_id: &str, listed: &Listed, now: Instant) {
        self.leases.observe(owner_id, &listed.records);
        self.displaced.clear();
        self.note_revoked(now);
    }

    /// Leaves partitions that could not be started for a whole expiration to other consumers, and returns the records to
    /// relinquish. They were never reported as won, so they are not reported as revoked.
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
        over.iter().filter_map(|id| self.records.certain_one(id)).cloned().collect()
    }

    /// Leaves these partitions to other consumers for an expiration, and returns the records to relinquish. The caller
    /// knows that they are not owned any more, so they are not reported as revoked.
    pub(super) fn give_up(
        &mut self,
        partition_ids: &[String],
        now: Instant,
    ) -> Vec<PartitionOwnership> {
        self.note_revoked(now);
        let owned = partition_ids.iter().filter(|id| self.records.known.contains_key(*id));
        let owned: Vec<_> = owned.cloned().collect();
        for partition_id in &owned {
            self.unstarted.remove(partition_id);
            self.leases.release(partition_id);
            // The outcome of a renewal that is in flight brings nothing back.
            self.displaced.insert(partition_id.clone(), now);
            self.left.insert(partition_id.clone(), now + self.patience);
        }
        owned.iter().filter_map(|id| self.records.certain_one(id)).cloned().collect()
    }

    /// Returns whether this consumer leaves a partition to others.
    pub(super) fn is_left(&self, partition_id: &str) -> bool {
        self.left.contains_key(partition_id)
    }

    /// Applies an outcome as soon as it is known, and returns the corrected outcome.
    ///
    /// A lease that ended in the meantime was over for every caller of `is_owned`, so the partition is revoked and won anew
    /// instead of renewed.
    pub(super) fn apply_outcome(
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
                // The lease counts from the start of its own request, because the service stamps the record later than
                // that.
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

    /// Notes that a reader lost the partition to another consumer. The record may still be ours; the next list tells.
    pub(super) fn note_taken(&mut self, partition_id: &str, now: Instant) {
        self.note_revoked(now);
        self.displaced.insert(partition_id.to_owned(), now);
        if self.leases.release(partition_id) && self.unstarted.remove(partition_id).is_none() {
            let partition_id = partition_id.to_owned();
            self.revoked.push(Revocation { partition_id, cause: RevocationCause::Taken });
        }
    }

    /// Returns the owned partitions that are not reported yet. Their checkpoints must be read to find the starting
    /// positions.
    pub(super) fn unstarted(&self, now: Instant) -> Vec<String> {
        let owned = self.unstarted.keys().filter(|id| self.leases.is_owned(id, now));
        owned.cloned().collect()
    }

    /// Splits them into partitions that can be started, with their positions, and the others.
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

    /// Returns each revocation once.
    pub(super) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        self.note_revoked(now);
        std::mem::take(&mut self.revoked)
    }

    /// A partition that was never reported as won is not reported as revoked. The record of a lapsed lease is kept, because
    /// it may still be ours to relinquish.
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

    /// Ends all leases without reporting them, because they end on purpose. The records still have to be relinquished.
    pub(super) fn drop_leases(&mut self, options: &OwnershipOptions) {
        self.leases = Leases::new(options);
        self.unstarted.clear();
    }
}

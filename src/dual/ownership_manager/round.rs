//! The steps of a round: list, plan, claim, read starting positions, report.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::warn;

use super::super::runtime::work_off;
use super::super::{LOG, maybe_async};
use super::{OwnershipManager, lock};
use crate::error::{ErrorKind, Result};
use crate::model::PartitionOwnership;
use crate::ownership::{Budget, ClaimUnderWay, OpenRound, Round, RoundToken, Starts, unsent};

#[maybe_async]
impl OwnershipManager {
    pub(super) async fn run_round(
        &self,
        token: RoundToken,
        partition_ids: &[String],
        renews_only: bool,
    ) -> Result<Round> {
        self.state().check(token)?;
        let started = self.now();
        let deadline = started + self.state().options().round_timeout();

        let listing = self.list(deadline).await?;
        let now = self.now();
        let budget = self.claim_budget(now, deadline);
        let round = self.state().open(token, partition_ids, renews_only, listing, budget, now)?;
        self.warn_of_shared_owner_id(&round);
        let round = Mutex::new(round);
        self.claim_all(&round).await;
        let mut round = round.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.state().check(token)?;

        self.relinquish_unstarted(&mut round, deadline).await;
        let starts = self.read_starts(deadline).await?;
        self.report(round, starts, started)
    }

    /// Each claim is a separate call, so that a claim that hangs does not delay the others, and each outcome takes effect
    /// at once.
    async fn claim_all(&self, round: &Mutex<OpenRound>) {
        let slots = lock(round).slots();
        let next = || {
            let mut round = lock(round);
            let now = self.now();
            self.state().next_claim(&mut round, now)
        };
        let claim = |claim| async move { self.claim(claim, round).await };
        work_off(slots, next, claim).await;
    }

    async fn claim(&self, claim: ClaimUnderWay, round: &Mutex<OpenRound>) {
        let ownership = claim.claim.ownership.clone();
        let store = self.with_time_limit(claim.limit);
        let outcomes = store.claim_ownership(std::slice::from_ref(&ownership)).await;
        let outcome = outcomes.into_iter().next().unwrap_or_else(|| unsent(ownership));
        let mut round = lock(round);
        let now = self.now();
        self.state().apply_outcome(&mut round, claim, outcome, now);
    }

    /// Another consumer that can read the checkpoints may then take the partitions.
    async fn relinquish_unstarted(&self, round: &mut OpenRound, deadline: Instant) {
        let records = self.state().relinquish(round);
        if records.is_empty() {
            return;
        }
        let ids: Vec<_> = records.iter().map(PartitionOwnership::partition_id).collect();
        warn!(target: LOG, "partitions {ids:?} are relinquished: their checkpoints could not be read for a whole expiration");
        let limit = deadline.saturating_duration_since(self.now()) / 2;
        let outcomes = self.with_time_limit(limit).relinquish_ownership(&records).await;
        drop(self.state().relinquished(&records, outcomes));
    }

    /// Reads the starting positions of the won partitions with one list. A failed read never means "start at the default".
    ///
    /// With a store that fails on unreadable blobs, one damaged checkpoint fails the list. It must not block the others, so
    /// they are read one by one in that case.
    async fn read_starts(&self, deadline: Instant) -> Result<Starts> {
        let partition_ids = self.state().unstarted(self.now());
        if partition_ids.is_empty() {
            return Ok(Starts::default());
        }
        let group = self.state().group().clone();
        let error = match self.until(deadline)?.list_checkpoints(&group).await {
            Ok(listing) => return Ok(Starts::listed(partition_ids, listing)),
            Err(error) => error,
        };
        if error.kind() != ErrorKind::InvalidData {
            return Err(error);
        }
        let starts = self.read_one_by_one(partition_ids, deadline).await;
        if starts.is_any_readable() { Ok(starts) } else { Err(error) }
    }

    async fn read_one_by_one(&self, partition_ids: Vec<String>, deadline: Instant) -> Starts {
        let group = self.state().group().clone();
        let waiting = Mutex::new(partition_ids);
        let starts = Mutex::new(Starts::default());
        let (group, starts_read) = (&group, &starts);
        let read = |partition_id: String| async move {
            let found = match self.until(deadline) {
                Ok(store) => store.get_checkpoint(group, &partition_id).await,
                Err(error) => Err(error),
            };
            lock(starts_read).note(partition_id, found);
        };
        work_off(self.inner.store.claim_concurrency(), || lock(&waiting).pop(), read).await;
        starts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwnershipManager {
    /// Returns the time limit of the claims: most of the remaining time. The rest is reserved for reading checkpoints, so
    /// that won partitions can be started whatever happens to other claims.
    fn claim_budget(&self, now: Instant, deadline: Instant) -> Budget {
        let left = deadline.saturating_duration_since(now);
        Budget {
            slots: self.inner.store.claim_concurrency(),
            round: self.state().options().round_timeout(),
            end: now + left / 4 * 3,
        }
    }

    fn warn_of_shared_owner_id(&self, round: &OpenRound) {
        if !round.same_owner_id.is_empty() {
            let (owner_id, ids) = (self.owner_id(), &round.same_owner_id);
            warn!(target: LOG, "another process uses the owner id {owner_id:?} of this consumer, and both process partitions {ids:?}: give each running consumer its own owner id");
        }
    }

    fn report(&self, round: OpenRound, starts: Starts, started: Instant) -> Result<Round> {
        let mut state = self.state();
        let now = self.now();
        let (won, unstarted) = state.start(round.token, starts, now)?;
        for checkpoint in won.iter().filter_map(|won| won.checkpoint.as_ref()) {
            self.inner.store.resume_from(checkpoint);
        }
        let pause = state.options().jittered_interval(fastrand::u64(..));
        let pause = pause.saturating_sub(now.saturating_duration_since(started));
        let (active_owners, share) = (round.active_owners, round.share);
        let (same_owner_id, tally) = round.into_tally();
        Ok(Round {
            won,
            revoked: state.take_revoked(now),
            owned: state.owned(now),
            unstarted,
            same_owner_id,
            lost: tally.lost,
            failed: tally.failed,
            next_round_in: if tally.is_incomplete { Duration::ZERO } else { pause },
            active_owners,
            share,
        })
    }
}

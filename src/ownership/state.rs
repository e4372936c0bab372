//! The state of an `OwnershipManager`, without any I/O: a facade over the membership, the holdings and the stop, which
//! make the decisions.

use std::time::{Duration, Instant};

use super::claim_queue::{Budget, ClaimQueue, ClaimUnderWay};
use super::holdings::{Holdings, Starts};
use super::membership::Membership;
use super::records::conclusive;
use super::round::{OpenRound, UnstartedPartition, WonPartition};
use super::stop::{Released, RoundToken, Stop};
use super::{OwnershipOptions, Revocation, StartingPositions};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    ClaimOutcome, ConsumerGroup, Listing, PartitionOwnership, RelinquishOutcome, Relinquished,
};

/// The facade of a consumer over its membership, its holdings, and its stop.
#[derive(Debug)]
pub(crate) struct RoundState {
    membership: Membership,
    holdings: Holdings,
    stop: Stop,
}

impl RoundState {
    pub(crate) fn new(
        group: ConsumerGroup,
        owner_id: String,
        options: OwnershipOptions,
        positions: StartingPositions,
        seed: u64,
    ) -> Result<Self> {
        Ok(Self {
            membership: Membership::new(group, owner_id, options, positions, seed)?,
            holdings: Holdings::new(&options),
            stop: Stop::default(),
        })
    }

    /// Whether a round fails if it finds another process with the same owner id.
    pub(crate) fn set_fail_on_shared_owner_id(&mut self, fail: bool) {
        self.membership.fails_on_shared_owner_id = fail;
    }

    pub(crate) fn group(&self) -> &ConsumerGroup {
        &self.membership.group
    }

    pub(crate) fn owner_id(&self) -> &str {
        &self.membership.owner_id
    }

    pub(crate) fn options(&self) -> &OwnershipOptions {
        &self.membership.options
    }

    /// # Errors
    ///
    /// The consumer is relinquishing everything at this moment.
    pub(crate) fn begin_round(&mut self, now: Instant) -> Result<RoundToken> {
        let token = self.stop.token()?;
        self.membership.begin_round(now);
        Ok(token)
    }

    /// # Errors
    ///
    /// The consumer has relinquished everything since the round began.
    pub(crate) fn check(&self, token: RoundToken) -> Result<()> {
        self.stop.check(token)
    }

    pub(crate) fn retry_in(&self, pause: Duration, now: Instant) -> Duration {
        self.membership.retry_in(pause, now)
    }

    /// Applies a listing, plans the claims, and opens the round. With `renews_only`, nothing else is claimed.
    pub(crate) fn open(
        &mut self,
        token: RoundToken,
        partition_ids: &[String],
        renews_only: bool,
        listing: Listing<PartitionOwnership>,
        budget: Budget,
        now: Instant,
    ) -> Result<OpenRound> {
        self.check(token)?;
        let (server_time, lags) = (listing.server_time(), listing.is_from_secondary());
        let owner_id = &self.membership.owner_id;
        let listed = self.holdings.records.observe(owner_id, listing);
        self.holdings.observe(owner_id, &listed, now);
        if self.membership.fails_on_shared_owner_id && !listed.same_owner_id.is_empty() {
            return Err(shared_owner_id(owner_id, &listed.same_owner_id));
        }
        let mut plan = self.membership.plan(partition_ids, &listed.records, server_time, now)?;
        if lags {
            // In a secondary, the records of others look older than they are, and some may be missing.
            let records = &self.holdings.records;
            plan.keep_renewals(|renewal| !records.is_outcome_unknown(renewal.partition_id()));
        } else if renews_only {
            plan.keep_renewals(|_| true);
        }
        let to_relinquish = self.holdings.leave(&mut plan, now);
        let (active_owners, share) = (plan.active_owners, plan.share);
        let Holdings { health, leases, .. } = &self.holdings;
        let queue = ClaimQueue::new(plan, health, leases, budget, now);
        let mut round = OpenRound::new(token, queue);
        (round.active_owners, round.share) = (active_owners, share);
        (round.same_owner_id, round.to_relinquish) = (listed.same_owner_id, to_relinquish);
        Ok(round)
    }

    /// Returns the next claim to send. From here on its outcome is unknown.
    pub(crate) fn next_claim(
        &mut self,
        round: &mut OpenRound,
        now: Instant,
    ) -> Option<ClaimUnderWay> {
        // This is the last moment at which the claim can be refused.
        self.check(round.token).ok()?;
        let mut next = round.queue.next(now)?;
        while self.holdings.is_left(next.claim.partition_id()) {
            round.queue.drop_claim(&next);
            next = round.queue.next(now)?;
        }
        self.holdings.records.sent(std::slice::from_ref(&next.claim.ownership));
        Some(next)
    }

    /// Applies the outcome of a claim at once, so that a round that is dropped here loses nothing.
    pub(crate) fn apply_outcome(
        &mut self,
        round: &mut OpenRound,
        ended: ClaimUnderWay,
        outcome: ClaimOutcome,
        now: Instant,
    ) {
        let is_stopped = self.check(round.token).is_err();
        let outcome = self.holdings.apply_outcome(&ended, outcome, is_stopped, now);
        round.queue.end(&ended, &outcome, now);
        round.note(ended.claim, outcome);
    }

    /// Gives these partitions up, and returns the records to relinquish. Afterwards, call
    /// [`relinquished`](Self::relinquished).
    pub(crate) fn give_up_some(
        &mut self,
        partition_ids: &[String],
        now: Instant,
    ) -> Vec<PartitionOwnership> {
        let records = self.holdings.give_up(partition_ids, now);
        self.holdings.records.sent(&records);
        records
    }

    /// Returns the records to relinquish because their partitions could not be started.
    pub(crate) fn relinquish(&mut self, round: &mut OpenRound) -> Vec<PartitionOwnership> {
        let records = std::mem::take(&mut round.to_relinquish);
        self.holdings.records.sent(&records);
        records
    }

    pub(crate) fn relinquished(
        &mut self,
        sent: &[PartitionOwnership],
        outcomes: Relinquished,
    ) -> Relinquished {
        let outcomes = sent.iter().zip(outcomes).map(|(sent, outcome)| {
            let outcome = outcome.into_claim();
            self.holdings.records.note_outcome(sent, &outcome);
            RelinquishOutcome::from(outcome)
        });
        Relinquished::new(outcomes.collect())
    }

    /// Returns the won partitions whose checkpoints must be read to find their starting positions.
    pub(crate) fn unstarted(&self, now: Instant) -> Vec<String> {
        self.holdings.unstarted(now)
    }

    /// Returns the owned partitions that are not reported yet, and those that cannot be started.
    pub(crate) fn start(
        &mut self,
        token: RoundToken,
        starts: Starts,
        now: Instant,
    ) -> Result<(Vec<WonPartition>, Vec<UnstartedPartition>)> {
        self.check(token)?;
        Ok(self.holdings.start(starts, &self.membership.positions, now))
    }

    pub(crate) fn note_taken(&mut self, partition_id: &str, now: Instant) {
        self.holdings.note_taken(partition_id, now);
    }

    /// Returns each revocation once.
    pub(crate) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        self.holdings.take_revoked(now)
    }

    pub(crate) fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.holdings.is_owned(partition_id, now)
    }

    pub(crate) fn owned(&self, now: Instant) -> Vec<String> {
        self.holdings.owned(now)
    }

    /// Begins a stop: from now on nothing is owned, even if a round in progress wins a claim, and no round begins until
    /// [`end_stop`](Self::end_stop).
    pub(crate) fn begin_stop(&mut self) {
        self.stop.begin();
        self.holdings.drop_leases(&self.membership.options);
    }

    pub(crate) fn end_stop(&mut self) {
        self.stop.end();
    }

    /// Returns whether a list is needed to find out which versions of the records are ours.
    pub(crate) fn has_unknown_outcomes(&self) -> bool {
        self.holdings.records.has_unknown_outcomes()
    }

    /// Returns the records to relinquish at once, before [`apply_released`](Self::apply_released).
    pub(crate) fn give_up(&mut self, released: &Released) -> Vec<PartitionOwnership> {
        released.next(&mut self.holdings.records)
    }

    /// Applies the outcomes: failed records are kept for another try, and all others are forgotten.
    pub(crate) fn apply_released(
        &mut self,
        sent: &[PartitionOwnership],
        outcomes: Relinquished,
        released: &mut Released,
    ) {
        released.apply_outcomes(&mut self.holdings.records, sent, outcomes);
    }

    /// Applies a list that was requested because of unknown outcomes. Returns `false` if it resolves none of them.
    pub(crate) fn resolve(
        &mut self,
        listing: Result<Listing<PartitionOwnership>>,
        released: &mut Released,
    ) -> bool {
        let records = &mut self.holdings.records;
        match conclusive(listing) {
            Ok(listing) => {
                released.resolve(records, &self.membership.owner_id, listing);
                true
            }
            Err(error) => {
                released.fail(records, &error);
                false
            }
        }
    }
}

/// The error for partitions that another process with the same owner id also processes.
pub(crate) fn shared_owner_id(owner_id: &str, partition_ids: &[String]) -> Error {
    let text = format!(
        "owner id {owner_id:?}: another process writes ownership records with it (partitions {partition_ids:?}), so their \
         events are processed twice. Give each running consumer its own owner id"
    );
    Error::new(ErrorKind::Configuration, text)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::ETag;

    /// A consumer with one partition, which a round is about to renew when a stop begins.
    struct Stopped {
        state: RoundState,
        released: Released,
        round: OpenRound,
        /// The renewal, if it has been sent.
        sent: Option<ClaimUnderWay>,
        now: Instant,
    }

    fn ours(etag: &str) -> PartitionOwnership {
        let group = ConsumerGroup::new("ns", "hub", "$Default").unwrap();
        let record = PartitionOwnership::new(&group, "0", "me").unwrap();
        record.with_etag(ETag::new(etag).unwrap()).with_last_modified(SystemTime::UNIX_EPOCH)
    }

    fn listing(etag: &str) -> Listing<PartitionOwnership> {
        Listing::new(vec![ours(etag)], Vec::new(), SystemTime::UNIX_EPOCH)
    }

    fn budget(now: Instant) -> Budget {
        let round = Duration::from_secs(15);
        Budget { slots: 1, round, end: now + round }
    }

    impl Stopped {
        fn new(was_sent: bool) -> Self {
            let (group, positions) = (ours("1").group().clone(), StartingPositions::default());
            let (options, now) = (OwnershipOptions::default(), Instant::now());
            let mut state = RoundState::new(group, "me".into(), options, positions, 0).unwrap();
            let token = state.begin_round(now).unwrap();
            let ids = ["0".to_owned()];
            let mut round = state.open(token, &ids, false, listing("1"), budget(now), now).unwrap();
            let sent = was_sent.then(|| state.next_claim(&mut round, now).unwrap());
            state.begin_stop();
            Self { state, released: Released::default(), round, sent, now }
        }

        fn give_up(&mut self) -> Vec<PartitionOwnership> {
            self.state.give_up(&self.released)
        }

        fn resolve(&mut self, etag: &str) {
            assert!(self.state.resolve(Ok(listing(etag)), &mut self.released));
        }

        fn end_renewal(&mut self, outcome: ClaimOutcome) {
            let sent = self.sent.take().unwrap();
            self.state.apply_outcome(&mut self.round, sent, outcome, self.now);
        }

        fn end_give_up(&mut self, sent: &[PartitionOwnership], outcome: ClaimOutcome) {
            let outcomes = Relinquished::new(vec![outcome.into()]);
            self.state.apply_released(sent, outcomes, &mut self.released);
        }
    }

    #[test]
    fn a_stop_cancels_a_round_at_every_step() {
        let mut stopped = Stopped::new(false);
        let Stopped { state, round, now, .. } = &mut stopped;
        let (token, now) = (round.token, *now);
        assert!(state.open(token, &["0".into()], false, listing("0"), budget(now), now).is_err());
        assert!(state.next_claim(round, now).is_none());
        assert!(state.start(token, Starts::default(), now).is_err());
        assert!(state.begin_round(now).is_err(), "nor does another one begin");
        assert!(!state.has_unknown_outcomes());
        assert_eq!(stopped.give_up(), [ours("1")], "the list of the round may be an old one");
        stopped.state.end_stop();
        assert!(stopped.state.begin_round(stopped.now).is_ok());
    }

    #[test]
    fn a_late_response_to_a_round_does_not_bring_back_what_a_stop_gives_up() {
        let mut stopped = Stopped::new(true);
        assert_eq!(stopped.give_up(), []);
        stopped.resolve("2");
        let sent = stopped.give_up();
        assert_eq!(sent, [ours("2")]);
        stopped.end_renewal(ClaimOutcome::Claimed(ours("2")));
        assert!(stopped.state.unstarted(stopped.now).is_empty(), "nothing is won any more");
        stopped.end_give_up(&sent, ClaimOutcome::Claimed(ours("3").released()));
        assert!(!stopped.state.has_unknown_outcomes());
        stopped.released = Released::default();
        assert_eq!(stopped.give_up(), [], "it is not ours any more");
    }

    /// The late renewal is applied between the list and the release, and its response arrives before the release.
    #[test]
    fn a_release_lost_to_a_late_renewal_is_resolved_again() {
        let mut stopped = Stopped::new(true);
        stopped.resolve("1");
        let sent = stopped.give_up();
        stopped.end_renewal(ClaimOutcome::Claimed(ours("2")));
        stopped.end_give_up(&sent, ClaimOutcome::Lost(ours("1"), None));
        assert!(stopped.state.has_unknown_outcomes(), "the renewal was our own");
        stopped.resolve("2");
        assert_eq!(stopped.give_up(), [ours("2")]);
    }
}

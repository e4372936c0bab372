//! What an `OwnershipManager` knows, without any I/O.

use std::time::{Duration, Instant};

use super::claim_queue::{Budget, ClaimQueue, ClaimUnderWay};
use super::holdings::{Holdings, Starts};
use super::membership::Membership;
use super::records::conclusive;
use super::round::{OpenRound, UnstartedPartition, WonPartition};
use super::stop::{Released, RoundToken, Stop};
use super::{OwnershipOptions, Revocation, StartingPositions};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, ConsumerGroup, Listing, PartitionOwnership, Relinquished};

/// Who the consumer is, what it holds, and whether it is stopping.
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

    /// Whether a round fails that finds another process of the same owner id.
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
    /// Everything is being given up at this moment.
    pub(crate) fn begin_round(&mut self, now: Instant) -> Result<RoundToken> {
        let token = self.stop.token()?;
        self.membership.begin_round(now);
        Ok(token)
    }

    /// # Errors
    ///
    /// Everything was given up since the round began.
    pub(crate) fn check(&self, token: RoundToken) -> Result<()> {
        self.stop.check(token)
    }

    pub(crate) fn retry_in(&self, pause: Duration, now: Instant) -> Duration {
        self.membership.retry_in(pause, now)
    }

    /// Takes in a listing, decides, and opens the round for the claims.
    pub(crate) fn open(
        &mut self,
        token: RoundToken,
        partition_ids: &[String],
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
            // Others' records are older there than they are, and may be missing.
            let records = &self.holdings.records;
            plan.keep_renewals(|renewal| !records.is_doubtful(renewal.partition_id()));
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

    /// The claim that is to be sent now. From here on its outcome is in doubt.
    pub(crate) fn next_claim(
        &mut self,
        round: &mut OpenRound,
        now: Instant,
    ) -> Option<ClaimUnderWay> {
        // The last moment to refuse it.
        self.check(round.token).ok()?;
        let next = round.queue.next(now)?;
        self.holdings.records.sent(std::slice::from_ref(&next.claim.ownership));
        Some(next)
    }

    /// Takes in what a claim ended with, at once: a round that goes no further loses nothing of it.
    pub(crate) fn settle(
        &mut self,
        round: &mut OpenRound,
        ended: ClaimUnderWay,
        outcome: ClaimOutcome,
        now: Instant,
    ) {
        let is_stopped = self.check(round.token).is_err();
        let outcome = self.holdings.settle(&ended, outcome, is_stopped, now);
        round.queue.end(&ended, &outcome, now);
        round.note(ended.claim, outcome);
    }

    /// What is to be given up because it could not be started.
    pub(crate) fn relinquish(&mut self, round: &mut OpenRound) -> Vec<PartitionOwnership> {
        let records = std::mem::take(&mut round.to_relinquish);
        self.holdings.records.sent(&records);
        records
    }

    pub(crate) fn relinquished(&mut self, sent: &[PartitionOwnership], outcomes: Relinquished) {
        for (sent, outcome) in sent.iter().zip(outcomes) {
            self.holdings.records.answered(sent, &outcome.into_claim());
        }
    }

    /// The won partitions for which checkpoints must be read to say where reading begins.
    pub(crate) fn unstarted(&self, now: Instant) -> Vec<String> {
        self.holdings.unstarted(now)
    }

    /// The owned partitions that were not reported yet, and those that cannot be started.
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

    /// Each revocation once.
    pub(crate) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
        self.holdings.take_revoked(now)
    }

    pub(crate) fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.holdings.is_owned(partition_id, now)
    }

    pub(crate) fn owned(&self, now: Instant) -> Vec<String> {
        self.holdings.owned(now)
    }

    /// From now on nothing is owned, whatever a round that still waits may win, and no round begins until
    /// [`end_stop`](Self::end_stop).
    pub(crate) fn begin_stop(&mut self) {
        self.stop.begin();
        self.holdings.drop_leases(&self.membership.options);
    }

    pub(crate) fn end_stop(&mut self) {
        self.stop.end();
    }

    /// Whether a list is needed to know which versions of the records are ours.
    pub(crate) fn has_doubts(&self) -> bool {
        self.holdings.records.has_doubts()
    }

    /// What is to be given up at once, before [`settle_released`](Self::settle_released).
    pub(crate) fn give_up(&mut self, released: &Released) -> Vec<PartitionOwnership> {
        released.next(&mut self.holdings.records)
    }

    /// What failed can be tried again; everything else is forgotten.
    pub(crate) fn settle_released(
        &mut self,
        sent: &[PartitionOwnership],
        outcomes: Relinquished,
        released: &mut Released,
    ) {
        released.settle(&mut self.holdings.records, sent, outcomes);
    }

    /// Takes in a list that was asked for because of doubts. `false` if it settles none.
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

fn shared_owner_id(owner_id: &str, partition_ids: &[String]) -> Error {
    let text = format!(
        "owner id {owner_id:?}: another process writes ownership records with it (partitions {partition_ids:?}). \
         Give each running consumer an owner id of its own"
    );
    Error::new(ErrorKind::Configuration, text)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::ETag;

    /// One partition, which a round is about to renew when a stop begins.
    struct Stopped {
        state: RoundState,
        released: Released,
        round: OpenRound,
        /// The renewal, if it was sent.
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
            let mut round = state.open(token, &ids, listing("1"), budget(now), now).unwrap();
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
            self.state.settle(&mut self.round, sent, outcome, self.now);
        }

        fn end_give_up(&mut self, sent: &[PartitionOwnership], outcome: ClaimOutcome) {
            let outcomes = Relinquished::new(vec![outcome.into()]);
            self.state.settle_released(sent, outcomes, &mut self.released);
        }
    }

    #[test]
    fn wherever_a_round_waited_it_goes_no_further_after_a_stop() {
        let mut stopped = Stopped::new(false);
        let Stopped { state, round, now, .. } = &mut stopped;
        let (token, now) = (round.token, *now);
        assert!(state.open(token, &["0".into()], listing("0"), budget(now), now).is_err());
        assert!(state.next_claim(round, now).is_none());
        assert!(state.start(token, Starts::default(), now).is_err());
        assert!(state.begin_round(now).is_err(), "nor does another one begin");
        assert!(!state.has_doubts());
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
        assert!(!stopped.state.has_doubts());
        stopped.released = Released::default();
        assert_eq!(stopped.give_up(), [], "it is not ours any more");
    }

    /// The late renewal makes its version between the list and the relinquish, and is answered before that.
    #[test]
    fn what_a_stop_loses_to_a_late_renewal_is_looked_for_again() {
        let mut stopped = Stopped::new(true);
        stopped.resolve("1");
        let sent = stopped.give_up();
        stopped.end_renewal(ClaimOutcome::Claimed(ours("2")));
        stopped.end_give_up(&sent, ClaimOutcome::Lost(ours("1"), None));
        assert!(stopped.state.has_doubts(), "the renewal was our own");
        stopped.resolve("2");
        assert_eq!(stopped.give_up(), [ours("2")]);
    }
}

//! The state that an `OwnershipManager` keeps between its requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::balance::{BalanceInput, ClaimReason, Plan, PlannedClaim, balance};
use super::records::{Records, Released, conclusive};
use super::round::{FailedClaim, Tally, WonPartition, unsent};
use super::unclaimed::Unclaimed;
use super::{
    Leases, OwnershipOptions, Revocation, RevocationCause, StartingPosition, StartingPositions,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Checkpoint, ClaimOutcome, Claims, ConsumerGroup, Listing, PartitionOwnership};

/// What an `OwnershipManager` knows, without any I/O.
#[derive(Debug)]
pub(crate) struct RoundState {
    group: ConsumerGroup,
    owner_id: String,
    options: OwnershipOptions,
    positions: StartingPositions,
    leases: Leases,
    records: Records,
    unclaimed: Unclaimed,
    /// Owned, but not yet reported as won, because their checkpoints could not be read.
    unstarted: BTreeSet<String>,
    /// Found by a round, and not yet reported.
    revoked: Vec<Revocation>,
    /// How many calls have begun to give everything up, and how many of them are doing so now.
    stops: u64,
    stopping: usize,
    last_round: Option<Instant>,
    seed: u64,
}

/// What a round needs for everything it does. It is void as soon as a stop begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit(u64);

impl RoundState {
    pub(crate) fn new(
        group: ConsumerGroup,
        owner_id: String,
        options: OwnershipOptions,
        positions: StartingPositions,
        seed: u64,
    ) -> Result<Self> {
        // An owner id that cannot be stored is refused now, not in the first round.
        PartitionOwnership::new(&group, "0", owner_id.as_str())?;
        let leases = Leases::new(&options);
        Ok(Self {
            group,
            owner_id,
            options,
            positions,
            leases,
            records: Records::default(),
            unclaimed: Unclaimed::default(),
            unstarted: BTreeSet::new(),
            revoked: Vec::new(),
            stops: 0,
            stopping: 0,
            last_round: None,
            seed,
        })
    }

    pub(crate) fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    pub(crate) fn owner_id(&self) -> &str {
        &self.owner_id
    }

    pub(crate) fn options(&self) -> &OwnershipOptions {
        &self.options
    }

    /// # Errors
    ///
    /// Everything is being given up at this moment.
    pub(crate) fn begin_round(&mut self, now: Instant) -> Result<Permit> {
        if self.stopping > 0 {
            return Err(stopped());
        }
        self.last_round = Some(now);
        Ok(Permit(self.stops))
    }

    /// # Errors
    ///
    /// Everything was given up since the round began.
    pub(crate) fn check(&self, permit: Permit) -> Result<()> {
        if permit.0 == self.stops { Ok(()) } else { Err(stopped()) }
    }

    /// When to try again after a round that failed, of which the pause is counted from its start.
    pub(crate) fn retry_in(&self, pause: Duration, now: Instant) -> Duration {
        let since = self.last_round.map(|started| now.saturating_duration_since(started));
        pause.saturating_sub(since.unwrap_or_default())
    }

    /// Takes in a listing and decides.
    ///
    /// What ended is noted before anything is claimed: a partition that was lost and is won again in one round must be
    /// read anew from its checkpoint.
    pub(crate) fn plan(
        &mut self,
        permit: Permit,
        partition_ids: &[String],
        listing: Listing<PartitionOwnership>,
        now: Instant,
    ) -> Result<Plan> {
        self.check(permit)?;
        let (server_time, lags) = (listing.server_time(), listing.is_from_secondary());
        let listed = self.records.take_in(&self.owner_id, listing);
        self.leases.observe(&self.owner_id, &listed);
        self.note_revoked(now);
        let unclaimed_for = self.unclaimed.observe(partition_ids, &listed, now);
        let mut input =
            BalanceInput::new(&self.group, &self.owner_id, partition_ids, &listed, server_time);
        input.options = self.options;
        input.unclaimed_for = &unclaimed_for;
        input.seed = self.seed;
        self.seed = self.seed.wrapping_add(1);
        let mut plan = balance(&input)?;
        if lags {
            // Others' records are older there than they are, and may be missing.
            plan.keep_renewals(|renewal| !self.records.is_doubtful(renewal.partition_id()));
        }
        Ok(plan)
    }

    /// To be called right before claims are sent, which is the last moment to refuse them.
    pub(crate) fn send(&mut self, permit: Permit, ownerships: &[PartitionOwnership]) -> Result<()> {
        self.check(permit)?;
        self.records.sent(ownerships);
        Ok(())
    }

    /// Takes in the outcomes, known now, of claims whose requests were started at that moment at the earliest.
    ///
    /// A lease that ended meanwhile was over for whoever asked, so it is revoked and won anew, not prolonged.
    pub(crate) fn settle(
        &mut self,
        permit: Permit,
        claims: Vec<PlannedClaim>,
        outcomes: Claims,
        (started, now): (Instant, Instant),
        tally: &mut Tally,
    ) {
        self.note_revoked(now);
        let is_over = self.check(permit).is_err();
        let mut outcomes = outcomes.into_iter();
        for claim in claims {
            let renewal = claim.reason == ClaimReason::Renewal;
            let outcome = outcomes.next();
            if let Some(outcome) = &outcome {
                self.records.answered(&claim.ownership, outcome);
            }
            match outcome.unwrap_or_else(|| unsent(claim.ownership.clone())) {
                ClaimOutcome::Claimed(_) => {
                    let partition_id = claim.partition_id();
                    if !is_over && self.leases.grant(partition_id, started) {
                        self.unstarted.insert(partition_id.to_owned());
                    }
                    tally.won += usize::from(!renewal);
                }
                ClaimOutcome::Lost(_) => {
                    self.leases.lose(claim.partition_id());
                    tally.replaceable += usize::from(!renewal);
                    tally.lost.push(claim);
                }
                ClaimOutcome::Failed(_, error) => tally.failed.push(FailedClaim { claim, error }),
            }
        }
    }

    /// Whether checkpoints must be read to say where reading begins.
    pub(crate) fn has_unstarted(&self, now: Instant) -> bool {
        self.unstarted.iter().any(|partition_id| self.leases.is_owned(partition_id, now))
    }

    /// The owned partitions that were not reported yet, with the positions that the checkpoints say.
    pub(crate) fn start(
        &mut self,
        permit: Permit,
        checkpoints: Vec<Checkpoint>,
        now: Instant,
    ) -> Result<Vec<WonPartition>> {
        self.check(permit)?;
        self.note_revoked(now);
        let mut stored: BTreeMap<String, Checkpoint> = checkpoints
            .into_iter()
            .map(|checkpoint| (checkpoint.partition_id().to_owned(), checkpoint))
            .collect();
        let won = std::mem::take(&mut self.unstarted)
            .into_iter()
            .map(|partition_id| {
                let checkpoint = stored.remove(&partition_id);
                let start = checkpoint.as_ref().and_then(StartingPosition::after);
                let start =
                    start.unwrap_or_else(|| self.positions.for_partition(&partition_id).clone());
                WonPartition { partition_id, checkpoint, start }
            })
            .collect();
        Ok(won)
    }

    /// Each revocation once.
    pub(crate) fn take_revoked(&mut self, now: Instant) -> Vec<Revocation> {
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
            if !self.unstarted.remove(&revocation.partition_id) {
                self.revoked.push(revocation);
            }
        }
    }

    pub(crate) fn is_owned(&self, partition_id: &str, now: Instant) -> bool {
        self.leases.is_owned(partition_id, now) && !self.unstarted.contains(partition_id)
    }

    pub(crate) fn owned(&self, now: Instant) -> Vec<String> {
        let owned = self.leases.owned(now).filter(|id| !self.unstarted.contains(*id));
        let mut owned: Vec<_> = owned.map(str::to_owned).collect();
        owned.sort();
        owned
    }

    /// From now on nothing is owned, whatever a round that still waits may win, and no round begins until
    /// [`end_stop`](Self::end_stop). What is given up on purpose is not reported.
    pub(crate) fn begin_stop(&mut self) {
        self.stops += 1;
        self.stopping += 1;
        self.leases = Leases::new(&self.options);
        self.unstarted.clear();
    }

    pub(crate) fn end_stop(&mut self) {
        self.stopping -= 1;
    }

    /// Whether a list is needed to know which versions of the records are ours.
    pub(crate) fn has_doubts(&self) -> bool {
        self.records.has_doubts()
    }

    /// What is to be given up at once, before [`settle_released`](Self::settle_released).
    pub(crate) fn give_up(&mut self, released: &Released) -> Vec<PartitionOwnership> {
        released.next(&mut self.records)
    }

    /// What failed can be tried again; everything else is forgotten.
    pub(crate) fn settle_released(
        &mut self,
        sent: &[PartitionOwnership],
        outcomes: Claims,
        released: &mut Released,
    ) {
        released.settle(&mut self.records, sent, outcomes);
    }

    /// Takes in a list that was asked for because of doubts. `false` if it settles none.
    pub(crate) fn resolve(
        &mut self,
        listing: Result<Listing<PartitionOwnership>>,
        released: &mut Released,
    ) -> bool {
        match conclusive(listing) {
            Ok(listing) => {
                released.resolve(&mut self.records, &self.owner_id, listing);
                true
            }
            Err(error) => {
                released.fail(&self.records, &error);
                false
            }
        }
    }
}

/// Whoever gave everything up is not to be told that something was won, or lost.
pub(crate) fn stopped() -> Error {
    Error::new(ErrorKind::Other, "the round was ended: this consumer has given everything up")
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
        permit: Permit,
        renewals: Vec<PlannedClaim>,
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

    impl Stopped {
        fn new(was_sent: bool) -> Self {
            let (group, positions) = (ours("1").group().clone(), StartingPositions::default());
            let (options, now) = (OwnershipOptions::default(), Instant::now());
            let mut state = RoundState::new(group, "me".into(), options, positions, 0).unwrap();
            let permit = state.begin_round(now).unwrap();
            let plan = state.plan(permit, &["0".into()], listing("1"), now).unwrap();
            if was_sent {
                state.send(permit, &plan.ownerships()).unwrap();
            }
            state.begin_stop();
            Self { state, released: Released::default(), permit, renewals: plan.renew, now }
        }

        fn give_up(&mut self) -> Vec<PartitionOwnership> {
            self.state.give_up(&self.released)
        }

        fn resolve(&mut self, etag: &str) {
            assert!(self.state.resolve(Ok(listing(etag)), &mut self.released));
        }

        fn end_round(&mut self, outcomes: Claims) {
            let (renewals, times) = (std::mem::take(&mut self.renewals), (self.now, self.now));
            self.state.settle(self.permit, renewals, outcomes, times, &mut Tally::default());
        }

        fn end_give_up(&mut self, sent: &[PartitionOwnership], outcome: ClaimOutcome) {
            let outcomes = Claims::new(vec![outcome]);
            self.state.settle_released(sent, outcomes, &mut self.released);
        }
    }

    #[test]
    fn wherever_a_round_waited_it_goes_no_further_after_a_stop() {
        let mut stopped = Stopped::new(false);
        let Stopped { state, permit, renewals, now, .. } = &mut stopped;
        assert!(state.plan(*permit, &["0".into()], listing("0"), *now).is_err());
        assert!(state.send(*permit, &[renewals[0].ownership.clone()]).is_err());
        assert!(state.start(*permit, Vec::new(), *now).is_err());
        assert!(state.begin_round(*now).is_err(), "nor does another one begin");
        assert!(!state.has_doubts());
        assert_eq!(stopped.give_up(), [ours("1")], "the list of the round may be an old one");
        stopped.state.end_stop();
        assert!(stopped.state.begin_round(stopped.now).is_ok());
    }

    #[test]
    fn a_round_that_sent_nothing_settles_no_doubt_of_a_stop() {
        let mut stopped = Stopped::new(false);
        assert_eq!(stopped.give_up(), [ours("1")]);
        stopped.end_round(Claims::default());
        assert!(stopped.state.has_doubts(), "nobody knows yet what became of the relinquish");
    }

    #[test]
    fn a_late_answer_to_a_round_does_not_bring_back_what_a_stop_gives_up() {
        let mut stopped = Stopped::new(true);
        assert_eq!(stopped.give_up(), []);
        stopped.resolve("2");
        let sent = stopped.give_up();
        assert_eq!(sent, [ours("2")]);
        stopped.end_round(Claims::new(vec![ClaimOutcome::Claimed(ours("2"))]));
        assert!(!stopped.state.has_unstarted(stopped.now), "nothing is won any more");
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
        stopped.end_round(Claims::new(vec![ClaimOutcome::Claimed(ours("2"))]));
        stopped.end_give_up(&sent, ClaimOutcome::Lost(ours("1")));
        assert!(stopped.state.has_doubts(), "the renewal was our own");
        stopped.resolve("2");
        assert_eq!(stopped.give_up(), [ours("2")]);
    }
}

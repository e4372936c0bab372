//! The model clock, the fleet, and what happens to it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::PartitionOwnership;
use eventhub_checkpointstore::ownership::balance::{
    BalanceInput, ClaimReason, PlannedClaim, balance,
};
use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
use fastrand::Rng;

use super::consumer::{Consumer, Faults, LocalClock, Round};
use super::ledger::Ledger;
use super::store::Store;

/// One claim, and how many a store has under way.
const LATENCY: Duration = Duration::from_millis(20);
const CONCURRENCY: u32 = 32;
/// From the start of a list to what it shows, and from there to its response.
const LIST_LATENCY: Duration = Duration::from_millis(30);
/// The largest random factor of a latency.
const LATEST: f64 = 1.5;
/// Stamps and listings have whole seconds.
const CLOCK_RESOLUTION: Duration = Duration::from_secs(1);

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: Duration,
    pub(crate) store: Store,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) ledger: Ledger,
    /// When the fleet was last disturbed: a join, a stop, a crash, a failed round, the begin or the end of faults.
    disturbed: Duration,
    /// When a claim of each partition failed last.
    failed: Vec<Duration>,
    /// Records that changed their owner.
    pub(crate) moves: usize,
    pub(crate) last_move: Duration,
    pub(crate) requests_lost: usize,
    pub(crate) rng: Rng,
    origin: Instant,
    /// By time, and in the order in which they were scheduled.
    events: BTreeMap<(Duration, u64), Event>,
    next_event: u64,
}

enum Event {
    Round(usize),
    /// The service looks at its records for a list.
    List(usize),
    Listed {
        consumer: usize,
        records: Rc<Vec<PartitionOwnership>>,
        server_time: SystemTime,
    },
    Write {
        consumer: usize,
        claim: PlannedClaim,
        sent: Duration,
    },
}

impl World {
    pub(crate) fn new(partitions: usize, seed: u64) -> Self {
        Self {
            seed,
            now: Duration::ZERO,
            store: Store::new(partitions),
            consumers: Vec::new(),
            ledger: Ledger::new(partitions),
            disturbed: Duration::ZERO,
            failed: vec![Duration::ZERO; partitions],
            moves: 0,
            last_move: Duration::ZERO,
            requests_lost: 0,
            rng: Rng::with_seed(seed),
            origin: Instant::now(),
            events: BTreeMap::new(),
            next_event: 0,
        }
    }

    /// One of the running consumers, by chance.
    pub(crate) fn any_running(&mut self) -> Option<usize> {
        let running: Vec<_> =
            (0..self.consumers.len()).filter(|index| self.consumers[*index].is_running).collect();
        self.rng.choice(running)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.iter().filter(|consumer| consumer.is_running)
    }

    /// A new consumer, whose first round is after `delay`.
    pub(crate) fn join(&mut self, options: OwnershipOptions, delay: Duration) -> usize {
        let owner_id = format!("consumer-{}-{}", self.seed, self.consumers.len());
        self.start(owner_id, options, delay)
    }

    /// A consumer with the id of one that is gone.
    pub(crate) fn restart(&mut self, gone: usize, delay: Duration) -> usize {
        let gone = &self.consumers[gone];
        self.start(gone.owner_id.clone(), gone.options, delay)
    }

    fn start(&mut self, owner_id: String, options: OwnershipOptions, delay: Duration) -> usize {
        let origin = self.origin + Duration::from_secs(self.rng.u64(0..1_000_000));
        let clock = LocalClock { origin, rate: 0.98 + self.rng.f64() * 0.04 };
        let first = self.now + delay;
        self.consumers.push(Consumer::new(owner_id, options, clock, first));
        self.disturbed = self.disturbed.max(first);
        self.schedule(first, Event::Round(self.consumers.len() - 1));
        self.consumers.len() - 1
    }

    pub(crate) fn crash(&mut self, index: usize) {
        self.consumers[index].is_running = false;
        self.disturbed = self.disturbed.max(self.now);
        for partition in 0..self.store.partition_ids.len() {
            self.end_lapsed(partition);
            self.ledger.end(partition, index, self.now);
        }
    }

    /// Relinquishes what it owns, under the versions it knows, and stops.
    pub(crate) fn stop(&mut self, index: usize) {
        self.crash(index);
        let consumer = &self.consumers[index];
        for (partition_id, etag) in &consumer.etags {
            let record = self.store.record(partition_id).expect("it was claimed");
            if record.owner_id() == Some(&consumer.owner_id) {
                let released = record.released().with_etag(etag.clone());
                self.store.write(&released, self.now);
            }
        }
    }

    fn schedule(&mut self, time: Duration, event: Event) {
        self.events.insert((time, self.next_event), event);
        self.next_event += 1;
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= end) {
            self.now = next.key().0;
            match next.remove() {
                Event::Round(index) => self.round(index),
                Event::List(index) => self.list(index),
                Event::Listed { consumer, records, server_time } => {
                    self.listed(consumer, &records, server_time);
                }
                Event::Write { consumer, claim, sent } => self.write(consumer, &claim, sent),
            }
        }
        self.now = end;
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn round(&mut self, index: usize) {
        let consumer = &mut self.consumers[index];
        if !consumer.is_running {
            return;
        }
        let pause =
            consumer.options.jittered_interval(self.rng.u64(..)).div_f64(consumer.clock.rate);
        // A round that is still under way is not overtaken.
        if consumer.round.is_none() {
            consumer.round = Some(Round::default());
            let shown = self.now + self.by_chance(LIST_LATENCY);
            self.schedule(shown, Event::List(index));
        }
        self.schedule(self.now + pause, Event::Round(index));
    }

    fn by_chance(&mut self, latency: Duration) -> Duration {
        latency.mul_f64(0.5 + (LATEST - 0.5) * self.rng.f64())
    }

    fn list(&mut self, consumer: usize) {
        let (records, server_time) = (Rc::clone(&self.store.records), Store::server_time(self.now));
        let responded = self.now + self.by_chance(LIST_LATENCY);
        self.schedule(responded, Event::Listed { consumer, records, server_time });
    }

    fn listed(&mut self, index: usize, records: &[PartitionOwnership], server_time: SystemTime) {
        if !self.consumers[index].is_running {
            return;
        }
        self.take_revoked(index);
        let consumer = &mut self.consumers[index];
        if self.rng.f64() < consumer.faults.list {
            consumer.round = None;
            self.failed_round(index);
            return;
        }
        consumer.leases.observe(&consumer.owner_id, records);
        self.take_revoked(index);
        let consumer = &mut self.consumers[index];
        let Store { group, partition_ids, .. } = &self.store;
        let mut input =
            BalanceInput::new(group, &consumer.owner_id, partition_ids, records, server_time);
        input.options = consumer.options;
        input.seed = self.rng.u64(..);
        let plan = balance(&input).unwrap();
        let wave: Vec<_> = plan.claims().cloned().collect();
        let (needed, spare) = (plan.needed, plan.spare.into_iter());
        consumer.round = Some(Round { outstanding: 0, needed, won: 0, lost: 0, spare });
        self.send(index, wave);
    }

    /// Sends claims, or ends the round if there are none.
    fn send(&mut self, index: usize, wave: Vec<PlannedClaim>) {
        let consumer = &mut self.consumers[index];
        if wave.is_empty() {
            consumer.round = None;
            consumer.rounds.push(self.now);
            return;
        }
        if let Some(round) = &mut consumer.round {
            round.outstanding = wave.len();
        }
        for (position, claim) in (0u32..).zip(wave) {
            let sent = self.now + LATENCY * (position / CONCURRENCY);
            let lands = sent + self.by_chance(LATENCY);
            self.schedule(lands, Event::Write { consumer: index, claim, sent });
        }
    }

    fn write(&mut self, index: usize, claim: &PlannedClaim, sent: Duration) {
        let consumer = &self.consumers[index];
        let (faults, is_running) = (consumer.faults, consumer.is_running);
        let reached = if is_running { self.rng.f64() >= faults.request } else { self.rng.bool() };
        let responded = self.rng.f64() >= faults.response;
        let written = if reached { self.apply(claim) } else { None };
        if !is_running {
            return;
        }
        let is_lost = reached && responded && written.is_none();
        if !(reached && responded) {
            self.consumers[index].last_fault = Some(self.now);
            self.failed[number(claim)] = self.now;
        } else if is_lost {
            self.requests_lost += 1;
            self.consumers[index].leases.lose(claim.partition_id());
            self.take_revoked(index);
        }
        let won = written.filter(|_| responded);
        if let Some(etag) = &won {
            self.consumers[index].etags.insert(claim.partition_id().to_owned(), etag.clone());
            self.grant(index, claim, sent);
        }
        self.note_outcome(index, claim, won.is_some(), is_lost);
    }

    fn apply(&mut self, claim: &PlannedClaim) -> Option<eventhub_checkpointstore::ETag> {
        let former =
            self.store.record(claim.partition_id()).and_then(|it| it.owner_id().map(str::to_owned));
        let etag = self.store.write(&claim.ownership, self.now)?;
        if former.as_deref() != claim.ownership.owner_id() {
            self.moves += 1;
            self.last_move = self.now;
            if matches!(claim.reason, ClaimReason::Stolen { .. }) {
                self.ledger.rob(number(claim));
            }
        }
        Some(etag)
    }

    fn note_outcome(&mut self, index: usize, claim: &PlannedClaim, won: bool, lost: bool) {
        let Some(round) = &mut self.consumers[index].round else { return };
        round.outstanding -= 1;
        if claim.reason != ClaimReason::Renewal {
            round.won += usize::from(won);
            round.lost += usize::from(lost);
        }
        if round.outstanding == 0 {
            let wave = round.next_wave();
            self.send(index, wave);
        }
    }

    fn grant(&mut self, index: usize, claim: &PlannedClaim, sent: Duration) {
        let partition = number(claim);
        self.end_lapsed(partition);
        let consumer = &mut self.consumers[index];
        consumer.leases.grant(claim.partition_id(), consumer.clock.at(sent));
        if self.ledger.holders(partition).contains(&index) {
            return;
        }
        let since = self.ledger.win(partition, index, self.now);
        if let Some(since) = since {
            self.check_unowned(partition, since);
        }
    }

    fn failed_round(&mut self, index: usize) {
        let consumer = &mut self.consumers[index];
        consumer.last_fault = Some(self.now);
        // An outage disturbs the fleet when it begins and ends, not in each of its rounds.
        if !consumer.faults.is_outage() {
            self.disturbed = self.disturbed.max(self.now);
        }
    }

    pub(crate) fn set_faults(&mut self, index: usize, faults: Faults) {
        self.consumers[index].faults = faults;
        self.disturbed = self.disturbed.max(self.now);
    }

    fn take_revoked(&mut self, index: usize) {
        let now = self.consumers[index].clock.at(self.now);
        if self.consumers[index].leases.next_end().is_some_and(|end| end <= now) {
            (0..self.store.partition_ids.len()).for_each(|partition| self.end_lapsed(partition));
        }
        for revoked in self.consumers[index].leases.take_revoked(now) {
            self.end(revoked.partition_id.parse().unwrap(), index, self.now);
        }
    }

    /// Ends the beliefs whose lease ran out, at the moment when it did.
    fn end_lapsed(&mut self, partition: usize) {
        for index in self.ledger.holders(partition) {
            let consumer = &self.consumers[index];
            let partition_id = &self.store.partition_ids[partition];
            if let Some(end) = consumer.leases.owned_until(partition_id)
                && end <= consumer.clock.at(self.now)
            {
                let end = consumer.clock.when(end);
                self.end(partition, index, end);
            }
        }
    }

    fn end(&mut self, partition: usize, index: usize, now: Duration) {
        let Some(overlap) = self.ledger.end(partition, index, now) else { return };
        let consumer = &self.consumers[index];
        let learns = consumer.interval() + list_time() + Duration::from_millis(1);
        let had_fault = consumer.last_fault.is_some_and(|fault| fault + overlap + learns >= now);
        let lease = consumer.options.lease_duration().div_f64(consumer.clock.rate);
        let bound = if had_fault { lease } else { learns };
        assert!(
            overlap <= bound,
            "seed {}: partition {partition} had two owners for {overlap:?}, more than {bound:?}",
            self.seed
        );
    }

    pub(crate) fn longest_expiration(&self) -> Duration {
        self.running().map(|it| it.options.expiration()).max().unwrap_or_default()
    }

    /// Expiration and two intervals, after the last thing that happened to the fleet.
    ///
    /// Only a greedy consumer takes many at once, so a fleet without one has no such bound.
    pub(crate) fn unowned_bound(&self) -> Duration {
        let healthy = || self.running().filter(|it| !it.faults.is_outage());
        let expiration = healthy().map(|it| it.options.expiration()).max().unwrap_or_default();
        let interval = healthy().map(Consumer::interval).max().unwrap_or_default();
        if healthy().any(|it| it.options.strategy() == BalanceStrategy::Greedy) {
            expiration + interval * 2 + self.round_time() + CLOCK_RESOLUTION
        } else {
            Duration::MAX
        }
    }

    /// How long a round with one claim of each partition may take.
    fn round_time(&self) -> Duration {
        let partitions = u32::try_from(self.store.partition_ids.len()).unwrap();
        list_time() + (LATENCY * partitions.div_ceil(CONCURRENCY)).mul_f64(LATEST)
    }

    fn check_unowned(&self, partition: usize, since: Duration) {
        let since = since.max(self.disturbed).max(self.failed[partition]);
        let (unowned, bound) = (self.now.saturating_sub(since), self.unowned_bound());
        assert!(
            unowned <= bound,
            "seed {}: partition {partition} had no owner for {unowned:?}, more than {bound:?}",
            self.seed
        );
    }

    /// Checks every partition that has no owner now.
    pub(crate) fn check_all(&mut self) {
        for partition in 0..self.store.partition_ids.len() {
            self.end_lapsed(partition);
            if let Some(since) = self.ledger.unowned_since(partition) {
                self.check_unowned(partition, since);
            }
        }
        assert_eq!(
            self.ledger.doubles_after_expiry, 0,
            "seed {}: two owners after an expiry",
            self.seed
        );
    }
}

/// How long a list may take.
fn list_time() -> Duration {
    (LIST_LATENCY * 2).mul_f64(LATEST)
}

fn number(claim: &PlannedClaim) -> usize {
    claim.partition_id().parse().unwrap()
}

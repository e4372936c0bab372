//! Whole fleets of the real processor in model time: joins, stops, crashes, slow and failing handlers, cut and stolen
//! links, a storage that hangs, fails and loses responses.
//!
//! After each run every event was handled, no checkpoint was ever ahead of an event that was not, each event that was
//! handled again had a reason, and nothing was handled again after a graceful stop. `PROCESSING_SEEDS=200` runs more seeds
//! than the usual ones.

use std::collections::BTreeMap;
use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::processing::{CheckpointPolicy, Concurrency, ReadEnd, Summary};
use eventhub_checkpointstore::{Error, ErrorKind};

use super::world::{Act, Behavior, Call, Handover, Member, World};
use super::{SECOND, maybe_async, test};

const PARTITIONS: usize = 12;
/// In a run of a seed; all seeds together handle a good million on both surfaces.
const EVENTS: usize = 60_000;
const SEEDS: u64 = 10;
const STEPS: usize = 60;
/// Seeds that once found a fault.
const KEPT: &[u64] = &[];
const POLICY_EVENTS: u64 = 200;
const MAX_IN_FLIGHT: usize = 100;

struct Fleet {
    world: World,
    random: fastrand::Rng,
    running: Vec<(String, Member)>,
    killed: Vec<Member>,
    /// What members that were stopped said.
    summaries: BTreeMap<String, Summary>,
    joined: usize,
    kills: usize,
    troubles: usize,
    published: usize,
}

impl Fleet {
    fn new(seed: u64) -> Self {
        let world = World::new(PARTITIONS);
        world.without_log();
        let random = fastrand::Rng::with_seed(seed);
        Self {
            world,
            random,
            running: Vec::new(),
            killed: Vec::new(),
            summaries: BTreeMap::new(),
            joined: 0,
            kills: 0,
            troubles: 0,
            published: 0,
        }
    }

    fn publish(&mut self, count: usize) {
        let count = count.min(EVENTS - self.published);
        for _ in 0..count {
            let partition_id = self.random.usize(..PARTITIONS).to_string();
            self.world.publish(&partition_id, 1);
        }
        self.published += count;
    }

    fn join(&mut self) {
        let name = format!("member-{}", self.joined);
        self.joined += 1;
        let concurrency = match self.random.u32(..4) {
            0 => Concurrency::Unordered(3),
            1 => Concurrency::ByKey(3),
            _ => Concurrency::InOrder,
        };
        let builder = self
            .world
            .builder(&name)
            .ownership_options(OwnershipOptions::new(10 * SECOND, 60 * SECOND).unwrap())
            .owner_level(0)
            .max_batch_size(50)
            .max_in_flight(MAX_IN_FLIGHT)
            .concurrency(concurrency)
            .shutdown_timeout(20 * SECOND)
            .checkpoint_policy(CheckpointPolicy::every(POLICY_EVENTS, 5 * SECOND));
        let mut random = self.random.fork();
        let chance = std::sync::Mutex::new(move || random.u32(..5_000));
        let member =
            self.world.run(&name, builder, move |_, _, _| match (chance.lock().unwrap())() {
                0 => Behavior::Fail("scripted".into()),
                1..10 => Behavior::Take(Duration::from_millis(500)),
                _ => Behavior::Handle,
            });
        self.running.push((name, member));
    }

    fn pick(&mut self) -> Option<(String, Member)> {
        if self.running.len() < 2 {
            return None;
        }
        let index = self.random.usize(..self.running.len());
        Some(self.running.swap_remove(index))
    }

    /// The process is gone: whatever it does from now on, nobody hears of it.
    fn kill(&mut self) {
        if let Some((name, member)) = self.pick() {
            self.kills += 1;
            self.world.kill(&name);
            self.killed.push(member);
        }
    }

    fn trouble(&mut self) {
        self.troubles += 1;
        let id = self.random.usize(..PARTITIONS).to_string();
        match self.random.u32(..5) {
            0 => self.world.hub.steal(&id).unwrap(),
            1 => {
                let cut = Error::new(ErrorKind::Network, "scripted");
                self.world.hub.fail_next_receive(&id, ReadEnd::Failed(cut)).unwrap();
            }
            2 => {
                let refused = Error::new(ErrorKind::Service, "scripted");
                self.world.hub.fail_next_open(&id, refused).unwrap();
            }
            3 => self.storage(|call, chance| match call {
                Call::Update(_) | Call::Claim(_) if chance < 20 => Act::LoseResponse,
                _ if chance < 30 => Act::Fail(Duration::ZERO),
                _ => Act::Pass,
            }),
            _ => self.storage(|_, chance| match chance {
                0..20 => Act::Fail(8 * SECOND),
                20..40 => Act::Slow(2 * SECOND),
                _ => Act::Pass,
            }),
        }
    }

    /// What the storage does with a call, by chance of a hundred.
    fn storage(&mut self, act: impl Fn(&Call, u32) -> Act + Send + Sync + 'static) {
        let random = std::sync::Mutex::new(self.random.fork());
        self.world.script(move |_, call| {
            let chance = random.lock().unwrap().u32(..100);
            act(call, chance)
        });
    }
}

#[maybe_async]
impl Fleet {
    async fn run(mut self, seed: u64) -> Row {
        self.join();
        for _ in 0..STEPS {
            self.publish(EVENTS / STEPS + 1);
            match self.random.u32(..10) {
                0 | 1 if self.running.len() < 5 => self.join(),
                2 => {
                    if let Some((name, member)) = self.pick() {
                        let summary = member.stop().await;
                        self.summaries.insert(name, summary);
                    }
                }
                3 => self.kill(),
                4 | 5 => self.trouble(),
                6 | 7 => self.world.heal(),
                _ => {}
            }
            let pause = Duration::from_millis(self.random.u64(500..8_000));
            self.world.time.sleep(pause).await;
        }
        self.world.heal();
        self.publish(EVENTS);
        self.world.until_handled(EVENTS).await;
        for (_, member) in std::mem::take(&mut self.running) {
            let summary = member.stop().await;
            assert_eq!(summary.unsaved, [""; 0], "seed {seed}");
        }
        for member in std::mem::take(&mut self.killed) {
            member.stop.stop();
            let _ = member.running.join().await;
        }
        self.judge(seed)
    }

    fn judge(&self, seed: u64) -> Row {
        self.world.assert_no_violation();
        let (handled, twice) = self.world.handled();
        assert_eq!(handled, EVENTS, "seed {seed}");
        let opened = self.world.opened();
        let handovers = self.clean_handovers();
        let repeating: Vec<_> = handovers.iter().filter(|handover| handover.repeats > 0).collect();
        assert!(repeating.is_empty(), "seed {seed}: after a stop: {repeating:?}");
        let handovers = handovers.len();
        for partition_id in self.world.hub.partition_ids() {
            assert!(self.world.is_stored_to_the_end(&partition_id), "seed {seed}: {partition_id}");
        }
        let (joined, kills, troubles) = (self.joined, self.kills, self.troubles);
        Row { seed, handled, twice, opened, handovers, joined, kills, troubles }
    }

    /// The handovers by members that said that they had stored everything.
    fn clean_handovers(&self) -> Vec<Handover> {
        let mut handovers = self.world.handovers();
        handovers.retain(|handover| {
            let summary = self.summaries.get(&handover.from);
            summary.is_some_and(|summary| {
                !summary.unsaved.contains(&handover.partition_id)
                    && !summary.unfinished.contains(&handover.partition_id)
            })
        });
        handovers
    }
}

struct Row {
    seed: u64,
    handled: usize,
    twice: usize,
    opened: usize,
    /// How many partitions were opened after a graceful stop of their former reader.
    handovers: usize,
    joined: usize,
    kills: usize,
    troubles: usize,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, handled, twice, opened, handovers, joined, kills, troubles } = self;
        write!(
            f,
            "| {seed} | {handled} | {twice} | {opened} | {handovers} | {joined} | {kills} | {troubles} |"
        )
    }
}

#[allow(clippy::print_stdout, reason = "a table of what the seeds did, for whoever asks for it")]
#[maybe_async]
#[test]
async fn a_fleet_handles_every_event_and_never_stores_too_much() {
    let more = std::env::var("PROCESSING_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let seeds = KEPT.iter().copied().chain(0..more.unwrap_or(SEEDS));
    let (mut handled, mut twice, mut handovers) = (0, 0, 0);
    println!(
        "| seed | events | handled again | opened | after a stop | joined | killed | troubles |"
    );
    for seed in seeds {
        let row = Fleet::new(seed).run(seed).await;
        println!("{row}");
        (handled, twice) = (handled + row.handled, twice + row.twice);
        handovers += row.handovers;
    }
    println!(
        "{handled} events, {twice} handled again, {handovers} partitions handed over by a stop"
    );
    assert!(handovers > 0, "the check of handovers has something to check");
}

//! Fleets of managers in trouble, second by second: whoever believes in a partition holds its record, or was robbed of it.

use std::collections::BTreeMap;
use std::time::Duration;

use eventhub_checkpointstore::PartitionOwnership;
use eventhub_checkpointstore::ownership::OwnershipOptions;
use eventhub_checkpointstore::ownership::StartingPositions;
use fastrand::Rng;

use super::super::{group, maybe_async, test};
use super::{Act, Consumer, Model, partitions};

const EXPIRATION: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(15);
const LEASE: Duration = Duration::from_secs(55);
const TROUBLE: u64 = 600;
/// The expiration, and the rounds of those who then share.
const CALM: u64 = 60 + 6 * 15;

struct Member {
    owner_id: String,
    consumer: Consumer,
    next_round: Duration,
    /// The start of its last round that did not fail.
    last_good_round: Duration,
}

struct Fleet {
    model: Model,
    rng: Rng,
    partitions: Vec<String>,
    members: Vec<Member>,
    joined: usize,
    /// When a record was taken from an owner while it was valid.
    robbed: BTreeMap<(String, String), Duration>,
    takeovers: usize,
    overlaps: usize,
    /// In which nothing failed.
    clean_stops: usize,
}

#[maybe_async]
#[test]
async fn no_consumer_keeps_an_expired_ownership_and_calm_fleets_settle() {
    let (mut takeovers, mut overlaps, mut clean_stops) = (0, 0, 0);
    for seed in 0..40 {
        let fleet = live_through(seed).await;
        takeovers += fleet.takeovers;
        overlaps += fleet.overlaps;
        clean_stops += fleet.clean_stops;
    }
    assert!(takeovers > 50, "{takeovers} partitions were taken after they had expired");
    assert!(overlaps > 50, "{overlaps} seconds of two owners after a steal");
    assert!(clean_stops > 20, "{clean_stops} stops in which nothing failed");
}

#[maybe_async]
async fn live_through(seed: u64) -> Fleet {
    let mut rng = Rng::with_seed(seed);
    // What the managers draw, too: they live on this thread.
    fastrand::seed(seed);
    let partitions = partitions(rng.usize(1..=12));
    let mut fleet = Fleet {
        model: Model::new(),
        rng,
        partitions,
        members: Vec::new(),
        joined: 0,
        robbed: BTreeMap::new(),
        takeovers: 0,
        overlaps: 0,
        clean_stops: 0,
    };
    fleet.join();
    for second in 0..TROUBLE + CALM {
        if second < TROUBLE {
            fleet.trouble(seed).await;
        } else if second == TROUBLE {
            fleet.members.iter().for_each(|member| member.consumer.script.clear());
        }
        fleet.rounds(seed).await;
        fleet.check(seed).await;
        fleet.model.advance(1);
    }
    let counts: Vec<_> = fleet.members.iter().map(|it| it.consumer.owned().len()).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert_eq!(counts.iter().sum::<usize>(), fleet.partitions.len(), "seed {seed}: {counts:?}");
    assert!(most - least <= 1, "seed {seed}: {counts:?}");
    fleet
}

impl Fleet {
    fn join(&mut self) {
        let owner_id = format!("owner-{}", self.joined);
        self.joined += 1;
        let options = OwnershipOptions::new(INTERVAL, EXPIRATION).unwrap();
        let positions = StartingPositions::default();
        let consumer = self.model.consumer_with(&owner_id, options, positions);
        let now = self.model.elapsed();
        self.members.push(Member { owner_id, consumer, next_round: now, last_good_round: now });
    }

    fn set_faults(&mut self, index: usize) {
        let mut rng = self.rng.fork();
        let often = [0.0, 0.1, 0.5, 1.0][rng.usize(..4)];
        self.members[index].consumer.script.set(move |_| match rng.f64() {
            chance if chance >= often => Act::Pass,
            _ => [Act::Fail, Act::LoseResponse, Act::Vanish, Act::Late(2)][rng.usize(..4)].clone(),
        });
    }
}

#[maybe_async]
impl Fleet {
    async fn trouble(&mut self, seed: u64) {
        if self.rng.u8(..30) != 0 {
            return;
        }
        let index = self.rng.usize(..self.members.len());
        match self.rng.u8(..6) {
            0 | 1 if self.members.len() < 5 => self.join(),
            // A crash: nothing is relinquished, and nobody asks this one any more.
            2 if self.members.len() > 1 => _ = self.members.remove(index),
            3 if self.members.len() > 1 => {
                let stopped = self.members.remove(index);
                self.stop(&stopped, seed).await;
            }
            _ => self.set_faults(index),
        }
    }

    /// Whatever went wrong in the rounds before: what a stop does not call failed is free.
    async fn stop(&mut self, stopped: &Member, seed: u64) {
        let released = stopped.consumer.relinquish_all(Duration::from_secs(5)).await;
        assert!(stopped.consumer.owned().is_empty());
        let listing = self.model.store.list_ownership(&group()).await.unwrap();
        let left = listing.iter().filter(|it| it.owner_id() == Some(&stopped.owner_id));
        let left: Vec<_> = left.map(PartitionOwnership::partition_id).collect();
        let failed: Vec<_> = released.failed().map(|(record, _)| record.partition_id()).collect();
        assert!(left.iter().all(|id| failed.contains(id)), "seed {seed}: {left:?}, {failed:?}");
        self.clean_stops += usize::from(failed.is_empty() && !released.is_empty());
    }

    async fn rounds(&mut self, seed: u64) {
        for member in &mut self.members {
            let started = self.model.elapsed();
            if started < member.next_round {
                continue;
            }
            let pause = match member.consumer.round(&self.partitions).await {
                Ok(round) => {
                    member.last_good_round = started;
                    let news = round.won.iter().map(|won| &won.partition_id);
                    assert!(
                        news.clone().all(|id| round.owned.contains(id)),
                        "seed {seed}: {round:?}"
                    );
                    round.next_round_in
                }
                Err(_) => member.consumer.retry_in(),
            };
            member.next_round = self.model.elapsed() + pause;
        }
    }

    /// Compares what the members believe with what is stored.
    async fn check(&mut self, seed: u64) {
        let now = self.model.elapsed();
        for taken in self.model.take_takeovers() {
            let victim = (taken.partition_id, taken.from);
            if taken.age > EXPIRATION {
                self.takeovers += 1;
                self.robbed.remove(&victim);
            } else {
                self.robbed.insert(victim, now);
            }
        }
        let listing = self.model.store.list_ownership(&group()).await.unwrap();
        for record in &listing {
            let id = record.partition_id();
            for member in &self.members {
                if !member.consumer.is_owned(id) || record.owner_id() == Some(&member.owner_id) {
                    continue;
                }
                let since = self.robbed.get(&(id.to_owned(), member.owner_id.clone()));
                let since = since.unwrap_or_else(|| {
                    panic!(
                        "seed {seed}: {} believes in {id}, which it lost by expiry",
                        member.owner_id
                    )
                });
                let overlap = now - *since;
                self.overlaps += 1;
                assert!(member.last_good_round <= *since, "seed {seed}: a round did not show it");
                assert!(overlap <= LEASE, "seed {seed}: {id} had two owners for {overlap:?}");
            }
        }
    }
}

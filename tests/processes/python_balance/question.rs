//! One listing, and what is decided on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::ownership::balance::{
    BalanceInput, ClaimReason, PlannedClaim, balance,
};
use eventhub_checkpointstore::ownership::{BalanceStrategy, OwnershipOptions};
use eventhub_checkpointstore::{ConsumerGroup, ETag, PartitionOwnership};
use fastrand::Rng;
use serde_json::{Value, json};

const ME: &str = "me";
const INTERVAL: u64 = 15;
const EXPIRATION: u64 = 120;
/// After which anybody may take what nobody took.
pub const OVERDUE: u64 = EXPIRATION + INTERVAL;

#[derive(Debug, Clone)]
pub struct Listed {
    pub partition: usize,
    pub owner: String,
    pub age: u64,
}

impl Listed {
    fn is_free(&self) -> bool {
        self.owner.is_empty() || self.age > EXPIRATION
    }
}

#[derive(Debug, Clone)]
pub struct Question {
    seed: u64,
    pub partitions: usize,
    pub is_greedy: bool,
    listed: Vec<Listed>,
}

/// Partition ids by what is done to them.
#[derive(Debug, Default)]
pub struct Decision {
    pub renewed: BTreeSet<usize>,
    pub claimed: BTreeSet<usize>,
    /// With the owner before.
    pub stolen: BTreeMap<usize, String>,
}

impl Decision {
    pub fn numbers(&self) -> (usize, usize, usize) {
        (self.renewed.len(), self.claimed.len(), self.stolen.len())
    }
}

impl Question {
    /// From an empty listing to a settled fleet, with everything in between.
    pub fn generate(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let partitions = if seed.is_multiple_of(500) { 300 } else { rng.usize(1..=40) };
        let owners = rng.usize(1..=8);
        // Beyond the others: a newcomer.
        let me = rng.usize(0..=owners);
        let is_uneven = rng.bool();
        let free = [0.0, 0.0, 0.05, 0.2, 0.5, 1.0][rng.usize(..6)];
        let foreign = if rng.u8(..8) == 0 { rng.usize(1..=4) } else { 0 };
        let mut listed = Vec::new();
        for partition in 0..partitions + foreign {
            let number = if is_uneven {
                rng.usize(..owners).min(rng.usize(..owners))
            } else {
                partition % owners
            };
            let owner = if number == me { ME.to_owned() } else { format!("owner-{number}") };
            let age = rng.u64(0..=EXPIRATION);
            let is_free = rng.f64() < free;
            let (owner, age) = match (is_free, rng.u8(..4)) {
                (false, _) => (owner, age),
                (true, 0) => continue,
                (true, 1) => (String::new(), rng.u64(0..OVERDUE * 2)),
                (true, 2) => (owner, EXPIRATION + 1),
                (true, _) => (owner, rng.u64(OVERDUE..OVERDUE * 2)),
            };
            listed.push(Listed { partition, owner, age });
        }
        rng.shuffle(&mut listed);
        Self { seed, partitions, is_greedy: rng.bool(), listed }
    }

    pub fn has_foreign_records(&self) -> bool {
        self.listed.iter().any(|listed| listed.partition >= self.partitions)
    }

    pub fn without_foreign_records(&self) -> Self {
        let mut cleaned = self.clone();
        cleaned.listed.retain(|listed| listed.partition < self.partitions);
        cleaned
    }

    fn known(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().filter(|listed| listed.partition < self.partitions)
    }

    /// The partitions without an owner, and those of them that were so for long.
    pub fn free(&self) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let owned = self.known().filter(|listed| !listed.is_free());
        let owned: BTreeSet<_> = owned.map(|listed| listed.partition).collect();
        let free = (0..self.partitions).filter(|partition| !owned.contains(partition)).collect();
        let overdue = self.known().filter(|listed| listed.is_free() && listed.age > OVERDUE);
        (free, overdue.map(|listed| listed.partition).collect())
    }

    /// How many partitions each active owner has; this one has an entry in any case.
    pub fn loads(&self) -> BTreeMap<&str, usize> {
        let mut loads = BTreeMap::from([(ME, 0)]);
        for listed in self.known().filter(|listed| !listed.is_free()) {
            *loads.entry(&*listed.owner).or_default() += 1;
        }
        loads
    }

    pub fn mine(&self) -> usize {
        self.loads()[ME]
    }

    /// The least and the most partitions that this consumer should have: Python's expected and maximal count.
    pub fn share(&self) -> (usize, usize) {
        let owners = self.loads().len();
        (self.partitions / owners, self.partitions.div_ceil(owners))
    }

    pub fn to_json(&self) -> Value {
        let listed = self.listed.iter();
        let listed: Vec<_> =
            listed.map(|it| json!([it.partition.to_string(), it.owner, it.age])).collect();
        json!({
            "seed": self.seed,
            "partitions": self.partitions,
            "owner_id": ME,
            "strategy": if self.is_greedy { "greedy" } else { "balanced" },
            "expiration": EXPIRATION,
            "listed": listed,
        })
    }

    /// Reads what Python would claim.
    pub fn theirs(&self, answer: &Value) -> Decision {
        let mut decision = Decision::default();
        for claim in answer.as_array().unwrap() {
            let partition = claim[0].as_str().unwrap().parse().unwrap();
            let listed = self.listed.iter().find(|listed| listed.partition == partition);
            match listed.filter(|listed| !listed.is_free()) {
                None => _ = decision.claimed.insert(partition),
                Some(listed) if listed.owner == ME => _ = decision.renewed.insert(partition),
                Some(_) => {
                    let from = claim[1].as_str().unwrap().to_owned();
                    decision.stolen.insert(partition, from);
                }
            }
        }
        decision
    }

    pub fn ours(&self) -> Decision {
        let group = ConsumerGroup::new("ns", "hub", "$Default").unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let partition_ids: Vec<_> = (0..self.partitions).map(|id| id.to_string()).collect();
        let listed: Vec<_> = self.listed.iter().map(|listed| record(&group, listed, now)).collect();
        let mut input = BalanceInput::new(&group, ME, &partition_ids, &listed, now);
        let (interval, expiration) =
            (Duration::from_secs(INTERVAL), Duration::from_secs(EXPIRATION));
        input.options = OwnershipOptions::new(interval, expiration).unwrap();
        if !self.is_greedy {
            input.options = input.options.with_strategy(BalanceStrategy::Balanced);
        }
        input.seed = self.seed;
        let plan = balance(&input).unwrap();
        let stolen = plan.steal.iter().map(|claim| match &claim.reason {
            ClaimReason::Stolen { from } => (number(claim), from.clone()),
            other => panic!("{other:?} among the steals"),
        });
        Decision {
            renewed: plan.renew.iter().map(number).collect(),
            claimed: plan.claim.iter().map(number).collect(),
            stolen: stolen.collect(),
        }
    }
}

fn number(claim: &PlannedClaim) -> usize {
    claim.partition_id().parse().unwrap()
}

fn record(group: &ConsumerGroup, listed: &Listed, now: SystemTime) -> PartitionOwnership {
    let id = listed.partition.to_string();
    let record = if listed.owner.is_empty() {
        PartitionOwnership::new(group, id, "x").unwrap().released()
    } else {
        PartitionOwnership::new(group, id, &*listed.owner).unwrap()
    };
    let written = now - Duration::from_secs(listed.age);
    record.with_etag(ETag::new("0x1").unwrap()).with_last_modified(written)
}

//! A fleet of both languages over one container, what happens to it, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::ownership::OwnershipOptions;

use super::member::{ConsumerOptions, Running};
use super::watcher::Watcher;
use crate::support::azurite::Azurite;
use crate::support::fleet::{Member, MemberOptions, Strategy};
use crate::support::report;

/// Divisible by every number of consumers there is, so that a settled fleet has equal shares.
const PARTITIONS: u32 = 12;
const INTERVAL: Duration = Duration::from_secs(1);
const EXPIRATION: Duration = Duration::from_secs(5);
/// How long a change may take to settle. On an idle machine it takes about 7 s.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often one of each side is killed, and how often one is stopped.
const ENDS_OF_EACH_KIND: usize = 2;
/// How many rounds of every consumer must change nothing.
const STABLE_ROUNDS: usize = 2;

/// The partitions that a consumer of any language believes it owns.
#[derive(Clone, Debug, Default)]
struct Belief {
    rounds: usize,
    owned: BTreeSet<String>,
}

struct Python {
    member: Member,
    belief: Belief,
}

/// The last sequence number that each consumer reported to have stored, by consumer and partition.
type Written = BTreeMap<(String, String), i64>;

struct Fleet {
    surface: &'static str,
    connection_string: String,
    container: String,
    group: ConsumerGroup,
    store: BlobCheckpointStore,
    start_ours: fn(ConsumerOptions) -> Box<dyn Running>,
    python: BTreeMap<String, Python>,
    ours: BTreeMap<String, Box<dyn Running>>,
    started: usize,
    written: Written,
    overlaps: Overlaps,
    began: Instant,
}

/// Starts, kills and stops consumers of both languages, and waits each time until the fleet has settled.
pub fn survives_kills_and_stops(
    surface: &'static str,
    azurite: &Azurite,
    start_ours: fn(ConsumerOptions) -> Box<dyn Running>,
) {
    let mut fleet = Fleet::new(surface, azurite, start_ours);
    let watcher = Watcher::start(fleet.store.clone(), fleet.group.clone());

    let mut present = [fleet.start_one_of_each(), fleet.start_one_of_each()];
    fleet.settle("four consumers");
    let ends = [(Fleet::kill as fn(&mut Fleet, &str), "killed"), (Fleet::stop, "stopped")];
    for (end, how) in std::iter::repeat_n(ends, ENDS_OF_EACH_KIND).flatten() {
        present[0].iter().for_each(|owner_id| end(&mut fleet, owner_id));
        fleet.settle(&format!("one of each side {how}"));
        present = [present[1].clone(), fleet.start_one_of_each()];
        fleet.settle("one of each side joined");
    }
    // Nobody is left to renew anything: every record expires.
    present.iter().flatten().for_each(|owner_id| fleet.kill(owner_id));
    fleet.start_one_of_each();
    fleet.settle("all killed and replaced");

    let (took, overlap) = (fleet.began.elapsed(), fleet.overlaps.longest);
    let written = fleet.end();
    let seen = watcher.finish();
    report::show(&format!(
        "{surface}: {took:.0?}, {} looks, {:?}\n\
         {surface}: two believed in the same partition for {overlap:.1?} at most",
        seen.looks, seen.last
    ));
    assert_eq!(seen.backwards, [], "our checkpoints went back: partition, from, to");
    assert_eq!(seen.last.len(), PARTITIONS as usize);
    for ((owner_id, partition_id), at) in written {
        assert!(
            seen.last[&partition_id] >= at,
            "{partition_id}: {at} of {owner_id} is lost: {seen:?}"
        );
    }
}

impl Fleet {
    fn new(
        surface: &'static str,
        azurite: &Azurite,
        start_ours: fn(ConsumerOptions) -> Box<dyn Running>,
    ) -> Self {
        let connection_string = azurite.connection_string();
        let container = format!("fleet-{surface}");
        let store =
            BlobCheckpointStore::from_connection_string(&connection_string, &container).unwrap();
        store.create_container_if_not_exists().unwrap();
        Self {
            surface,
            connection_string,
            container,
            group: ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "$Default").unwrap(),
            store,
            start_ours,
            python: BTreeMap::new(),
            ours: BTreeMap::new(),
            started: 0,
            written: BTreeMap::new(),
            overlaps: Overlaps::default(),
            began: Instant::now(),
        }
    }

    fn start_one_of_each(&mut self) -> [String; 2] {
        self.started += 1;
        let names = ["python", "ours"].map(|side| format!("{side}-{}", self.started));
        let is_even = self.started.is_multiple_of(2);
        let strategy = if is_even { Strategy::Balanced } else { Strategy::Greedy };
        self.start_python(&names[0], strategy);
        self.start_one_of_ours(&names[1]);
        names
    }

    fn start_python(&mut self, owner_id: &str, strategy: Strategy) {
        let member = Member::start(&MemberOptions {
            connection_string: self.connection_string.clone(),
            container: self.container.clone(),
            fully_qualified_namespace: self.group.fully_qualified_namespace().to_owned(),
            eventhub_name: self.group.eventhub_name().to_owned(),
            consumer_group: self.group.consumer_group().to_owned(),
            owner_id: owner_id.to_owned(),
            partitions: PARTITIONS,
            interval: INTERVAL,
            expiration: EXPIRATION,
            strategy,
            write_checkpoints: true,
        });
        self.python.insert(owner_id.to_owned(), Python { member, belief: Belief::default() });
    }

    fn start_one_of_ours(&mut self, owner_id: &str) {
        let running = (self.start_ours)(ConsumerOptions {
            connection_string: self.connection_string.clone(),
            container: self.container.clone(),
            group: self.group.clone(),
            owner_id: owner_id.to_owned(),
            partition_ids: partition_ids().into_iter().collect(),
            ownership: OwnershipOptions::new(INTERVAL, EXPIRATION).unwrap(),
        });
        self.ours.insert(owner_id.to_owned(), running);
    }

    fn kill(&mut self, owner_id: &str) {
        self.collect();
        if let Some(python) = self.python.remove(owner_id) {
            python.member.kill();
        } else {
            self.ours.remove(owner_id).unwrap().abandon();
        }
    }

    fn stop(&mut self, owner_id: &str) {
        self.collect();
        if let Some(python) = self.python.remove(owner_id) {
            let rounds = python.member.stop(PATIENCE);
            rounds.iter().for_each(|round| note_round(&mut self.written, owner_id, round));
        } else {
            self.ours.remove(owner_id).unwrap().stop();
        }
    }

    /// Stops everybody and returns the last sequence numbers that were reported.
    fn end(mut self) -> Written {
        let python: Vec<_> = self.python.keys().cloned().collect();
        let ours: Vec<_> = self.ours.keys().cloned().collect();
        python.iter().chain(&ours).for_each(|owner_id| self.stop(owner_id));
        let listing = self.store.list_ownership(&self.group).unwrap();
        assert!(listing.iter().all(|record| !record.is_owned()), "all relinquished: {listing:?}");
        self.written
    }

    /// Takes in what the consumers have reported.
    fn collect(&mut self) {
        for (owner_id, python) in &mut self.python {
            for round in python.member.rounds() {
                assert!(round["error"].is_null(), "{owner_id} cannot go on: {round}");
                let owned = round["owned"].as_array().unwrap().iter();
                let owned = owned.map(|id| id.as_str().unwrap().to_owned()).collect();
                python.belief = Belief { rounds: python.belief.rounds + 1, owned };
                note_round(&mut self.written, owner_id, &round);
            }
        }
        for (owner_id, running) in &self.ours {
            for (partition_id, at) in &running.desk().report().written {
                note(&mut self.written, owner_id, partition_id, *at);
            }
        }
        self.overlaps.look(&self.beliefs());
    }

    fn beliefs(&self) -> BTreeMap<String, Belief> {
        let python =
            self.python.iter().map(|(owner_id, python)| (owner_id.clone(), python.belief.clone()));
        let ours = self.ours.iter().map(|(owner_id, running)| {
            let report = running.desk().report();
            let belief = Belief { rounds: report.rounds, owned: report.owned.clone() };
            (owner_id.clone(), belief)
        });
        python.chain(ours).collect()
    }

    /// Waits until every partition has one owner, all have equal shares, and nothing moves any more.
    fn settle(&mut self, what: &str) {
        let began = Instant::now();
        let mut first: Option<BTreeMap<String, Belief>> = None;
        loop {
            self.collect();
            let beliefs = self.beliefs();
            let is_unchanged = first.as_ref().is_some_and(|first| has_same_owners(first, &beliefs));
            if !is_unchanged {
                first = is_shared_equally(&beliefs).then(|| beliefs.clone());
            } else if has_gone_on(first.as_ref().unwrap(), &beliefs) {
                break self.assert_stored(&beliefs);
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{}, {what}: not settled: {beliefs:?}, our errors: {:?}",
                self.surface,
                self.our_errors()
            );
            thread::sleep(Duration::from_millis(50));
        }
        let errors = self.our_errors();
        report::show(&format!(
            "{}: {what}: settled after {:.1?}, our errors {errors:?}",
            self.surface,
            began.elapsed()
        ));
    }

    /// The stored records match their beliefs: each partition has one live owner.
    fn assert_stored(&self, beliefs: &BTreeMap<String, Belief>) {
        let listing = self.store.list_ownership(&self.group).unwrap();
        assert_eq!((listing.len(), listing.skipped().len()), (PARTITIONS as usize, 0));
        for record in &listing {
            let believers: Vec<_> = beliefs
                .iter()
                .filter(|(_, belief)| belief.owned.contains(record.partition_id()))
                .map(|(owner_id, _)| owner_id.as_str())
                .collect();
            assert_eq!(believers, [record.owner_id().unwrap()], "{record:?}");
            let age = record.age(listing.server_time()).unwrap();
            assert!(age < EXPIRATION, "{record:?} is {age:?} old");
        }
    }

    fn our_errors(&self) -> Vec<String> {
        self.ours.values().flat_map(|running| running.desk().report().errors.clone()).collect()
    }
}

/// For how long two consumers believed in the same partition, as after a steal until the former owner's next round.
#[derive(Default)]
struct Overlaps {
    since: BTreeMap<String, Instant>,
    longest: Duration,
}

impl Overlaps {
    fn look(&mut self, beliefs: &BTreeMap<String, Belief>) {
        let now = Instant::now();
        for partition_id in partition_ids() {
            let believers = beliefs.values().filter(|belief| belief.owned.contains(&partition_id));
            if believers.count() > 1 {
                let since = *self.since.entry(partition_id).or_insert(now);
                self.longest = self.longest.max(now - since);
            } else {
                self.since.remove(&partition_id);
            }
        }
    }
}

fn partition_ids() -> BTreeSet<String> {
    (0..PARTITIONS).map(|id| id.to_string()).collect()
}

fn is_shared_equally(beliefs: &BTreeMap<String, Belief>) -> bool {
    let share = PARTITIONS as usize / beliefs.len();
    let owned: BTreeSet<_> = beliefs.values().flat_map(|belief| belief.owned.clone()).collect();
    beliefs.values().all(|belief| belief.owned.len() == share) && owned == partition_ids()
}

fn has_same_owners(first: &BTreeMap<String, Belief>, now: &BTreeMap<String, Belief>) -> bool {
    first.iter().all(|(owner_id, belief)| now[owner_id].owned == belief.owned)
}

fn has_gone_on(first: &BTreeMap<String, Belief>, now: &BTreeMap<String, Belief>) -> bool {
    first.iter().all(|(owner_id, belief)| now[owner_id].rounds >= belief.rounds + STABLE_ROUNDS)
}

fn note_round(written: &mut Written, owner_id: &str, round: &serde_json::Value) {
    for (partition_id, at) in round["checkpoints"].as_object().unwrap() {
        note(written, owner_id, partition_id, at.as_i64().unwrap());
    }
}

/// No consumer goes back, however often it loses a partition and wins it again.
fn note(written: &mut Written, owner_id: &str, partition_id: &str, at: i64) {
    let key = (owner_id.to_owned(), partition_id.to_owned());
    let before = written.insert(key, at);
    assert!(before <= Some(at), "{owner_id} went back in {partition_id}: {before:?}, {at}");
}

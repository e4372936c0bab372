//! The fleet: starts consumers, kills them, and looks at what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use fastrand::Rng;

use super::DURATION;
use super::orders::{EXPIRATION, INTERVAL, Orders, PARTITIONS, Surface, group};
use crate::support::azurite::Azurite;
use crate::support::process::Killed;
use crate::support::report;

const CONSUMERS: usize = 6;
const LOOK: Duration = Duration::from_millis(200);
/// An expired partition waits for a round of its new owner. If that is killed just then, it is overdue an interval
/// later and anybody's, who needs a round, too. The rest is for a busy machine.
const LONGEST_WITHOUT_RENEWAL: Duration = EXPIRATION.saturating_add(INTERVAL.saturating_mul(8));

/// Sequence numbers by partition id.
type Positions = BTreeMap<String, i64>;

struct Consumer {
    /// `None` between a death and the next start.
    process: Option<Killed>,
    orders: Orders,
    starts: usize,
    restart_at: Instant,
}

struct Fleet {
    store: BlobCheckpointStore,
    folder: PathBuf,
    consumers: Vec<Consumer>,
    rng: Rng,
    seen: Seen,
}

/// The observations from outside.
#[derive(Debug, Default)]
struct Seen {
    looks: usize,
    kills: usize,
    owners: BTreeMap<String, String>,
    takeovers: usize,
    /// The longest time for which a partition was not renewed.
    oldest: Duration,
    stored: Positions,
}

pub fn survives_kills() {
    let mut fleet = Fleet::new();
    let end = Instant::now() + DURATION;
    let mut next_kill = Instant::now() + EXPIRATION;
    while Instant::now() < end {
        fleet.start_those_due();
        fleet.look();
        if Instant::now() > next_kill {
            fleet.kill_some();
            next_kill = Instant::now() + Duration::from_millis(fleet.rng.u64(0..2_500));
        }
        thread::sleep(LOOK);
    }
    fleet.end();
}

impl Fleet {
    fn new() -> Self {
        let azurite = Azurite::shared();
        let (text, container) = (azurite.connection_string(), azurite.new_container_name());
        let store = BlobCheckpointStore::from_connection_string(&text, &container).unwrap();
        store.create_container_if_not_exists().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dying-{container}"));
        fs::create_dir_all(&folder).unwrap();
        let consumer = |number: usize| {
            let surface = if number.is_multiple_of(2) { Surface::Blocking } else { Surface::Aio };
            let orders = Orders {
                surface,
                connection_string: text.clone(),
                container: container.clone(),
                owner_id: format!("{surface:?}-{number}"),
                acknowledged: folder.join(format!("{surface:?}-{number}.txt")),
            };
            Consumer { process: None, orders, starts: 0, restart_at: Instant::now() }
        };
        let consumers = (0..CONSUMERS).map(consumer).collect();
        Self { store, folder, consumers, rng: Rng::new(), seen: Seen::default() }
    }

    fn start_those_due(&mut self) {
        for (number, consumer) in self.consumers.iter_mut().enumerate() {
            if consumer.process.is_some() || Instant::now() < consumer.restart_at {
                continue;
            }
            // A consumer that keeps its id goes on with its records, another one waits until they expire.
            if self.rng.bool() {
                let Orders { surface, owner_id, .. } = &mut consumer.orders;
                *owner_id = format!("{surface:?}-{number}-{}", consumer.starts);
            }
            consumer.starts += 1;
            consumer.process = Some(consumer.orders.give());
        }
    }

    /// One consumer, or now and then all of them.
    fn kill_some(&mut self) {
        let victim = self.rng.usize(0..CONSUMERS);
        let all = self.rng.u8(0..8) == 0;
        for number in 0..CONSUMERS {
            if all || number == victim {
                self.kill(number);
            }
        }
    }

    fn kill(&mut self, number: usize) {
        let consumer = &mut self.consumers[number];
        let Some(mut process) = consumer.process.take() else {
            return;
        };
        assert!(process.is_running(), "{:?} ended by itself", consumer.orders);
        drop(process);
        self.seen.kills += 1;
        consumer.restart_at = Instant::now() + Duration::from_millis(self.rng.u64(0..1_700));
    }

    fn look(&mut self) {
        // What is acknowledged before the list is asked for has to be in it.
        let acknowledged = self.acknowledged(|_| true);
        let stored: Positions =
            self.store.list_checkpoints(&group()).unwrap().iter().map(position).collect();
        for (partition_id, last) in acknowledged {
            let found = stored.get(&partition_id);
            assert!(found >= Some(&last), "{partition_id} lost {last}, {found:?} is stored");
        }
        self.seen.look_at_positions(stored);
        let listing = self.store.list_ownership(&group()).unwrap();
        self.seen.looks += 1;
        for record in &listing {
            // A consumer that cannot start a partition in time gives it up, so a record may have no owner for a while.
            if let Some(owner_id) = record.owner_id() {
                self.seen.look_at_owner(record.partition_id(), owner_id);
            }
            let age = record.age(listing.server_time()).unwrap();
            self.seen.oldest = self.seen.oldest.max(age);
            assert!(age <= LONGEST_WITHOUT_RENEWAL, "{age:?} without an owner: {record:?}");
        }
    }

    /// The last acknowledged sequence numbers of some consumers.
    fn acknowledged(&self, which: impl Fn(Surface) -> bool) -> Positions {
        let mut highest = Positions::new();
        for consumer in self.consumers.iter().filter(|it| which(it.orders.surface)) {
            // Before its first checkpoint there is no file.
            let text = fs::read_to_string(&consumer.orders.acknowledged).unwrap_or_default();
            // The last line may be in the making.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            for line in whole.lines() {
                let (partition_id, number) = line.split_once(',').unwrap();
                let last = highest.entry(partition_id.to_owned()).or_default();
                *last = number.parse::<i64>().unwrap().max(*last);
            }
        }
        highest
    }

    fn end(mut self) {
        (0..CONSUMERS).for_each(|number| self.kill(number));
        self.look();
        let Seen { looks, kills, takeovers, oldest, stored, .. } = &self.seen;
        let checkpoints: i64 = stored.values().map(|last| last + 1).sum();
        report::show(&format!(
            "{kills} kills, {takeovers} takeovers, {checkpoints} checkpoints, {looks} looks, \
             {oldest:?} the longest time without a renewal"
        ));
        assert_eq!(stored.len(), PARTITIONS);
        assert!(
            *kills > CONSUMERS && *takeovers > PARTITIONS,
            "{kills} kills, {takeovers} takeovers"
        );
        for surface in [Surface::Blocking, Surface::Aio] {
            let worked_on: BTreeSet<_> =
                self.acknowledged(|it| it == surface).into_keys().collect();
            assert!(worked_on.len() > PARTITIONS / 2, "{surface:?}: {worked_on:?}");
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn position(checkpoint: &eventhub_checkpointstore::Checkpoint) -> (String, i64) {
    (checkpoint.partition_id().to_owned(), checkpoint.sequence_number().unwrap())
}

impl Seen {
    fn look_at_positions(&mut self, stored: Positions) {
        for (partition_id, before) in &self.stored {
            let now = stored.get(partition_id);
            assert!(now >= Some(before), "{partition_id} went back from {before} to {now:?}");
        }
        self.stored = stored;
    }

    fn look_at_owner(&mut self, partition_id: &str, owner_id: &str) {
        let before = self.owners.insert(partition_id.to_owned(), owner_id.to_owned());
        self.takeovers += usize::from(before.is_some_and(|before| before != owner_id));
    }
}

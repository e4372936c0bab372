//! Starts consumers of events, kills them or tells them to stop, and has the ledger judged.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use fastrand::Rng;

use super::super::DURATION;
use super::super::orders::{EXPIRATION, Surface};
use super::judge::Judge;
use super::ledger::{Ledger, What};
use super::orders::{self, FlowOrders, PARTITIONS, group, now};
use crate::support::azurite::Azurite;
use crate::support::process::Killed;
use crate::support::report;

const CONSUMERS: usize = 4;
/// A stop takes as long as a round that is under way and a checkpoint; the rest is for a busy machine.
const LONGEST_STOP: Duration = Duration::from_secs(60);

struct Consumer {
    /// `None` between an end and the next start.
    process: Option<Killed>,
    orders: FlowOrders,
    starts: usize,
    restart_at: Instant,
}

struct Fleet {
    store: BlobCheckpointStore,
    folder: PathBuf,
    ledger: Ledger,
    consumers: Vec<Consumer>,
    rng: Rng,
    kills: usize,
    stops: usize,
}

pub fn survives_kills_and_stops() {
    let mut fleet = Fleet::new();
    let end = Instant::now() + DURATION;
    let mut next = Instant::now() + EXPIRATION;
    while Instant::now() < end {
        fleet.start_those_due();
        if Instant::now() > next {
            let victim = fleet.rng.usize(0..CONSUMERS);
            if fleet.rng.bool() {
                fleet.kill(victim);
            } else {
                fleet.stop(victim);
            }
            next = Instant::now() + Duration::from_millis(fleet.rng.u64(400..2_800));
        }
        thread::sleep(Duration::from_millis(50));
    }
    fleet.end();
}

impl Fleet {
    fn new() -> Self {
        let azurite = Azurite::shared();
        let (text, container) = (azurite.connection_string(), azurite.new_container_name());
        let store = BlobCheckpointStore::from_connection_string(&text, &container).unwrap();
        store.create_container_if_not_exists().unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("flow-{container}"));
        fs::create_dir_all(&folder).unwrap();
        let began = now();
        let consumer = |number: usize| {
            let surface = if number.is_multiple_of(2) { Surface::Blocking } else { Surface::Aio };
            let orders = FlowOrders {
                surface,
                connection_string: text.clone(),
                container: container.clone(),
                instance: String::new(),
                folder: folder.clone(),
                began,
            };
            Consumer { process: None, orders, starts: 0, restart_at: Instant::now() }
        };
        let consumers = (0..CONSUMERS).map(consumer).collect();
        let ledger = Ledger::open(&folder, "fleet");
        Self { store, folder, ledger, consumers, rng: Rng::new(), kills: 0, stops: 0 }
    }

    fn start_those_due(&mut self) {
        for (number, consumer) in self.consumers.iter_mut().enumerate() {
            if consumer.process.is_some() || Instant::now() < consumer.restart_at {
                continue;
            }
            let surface = consumer.orders.surface;
            consumer.orders.instance = format!("{surface:?}-{number}-{}", consumer.starts);
            consumer.starts += 1;
            consumer.process = Some(consumer.orders.give());
        }
    }

    fn take(&mut self, number: usize) -> Option<(Killed, String)> {
        let consumer = &mut self.consumers[number];
        let mut process = consumer.process.take()?;
        assert!(process.is_running(), "{:?} ended by itself", consumer.orders);
        Some((process, consumer.orders.instance.clone()))
    }

    fn restart_later(&mut self, number: usize) {
        let pause = Duration::from_millis(self.rng.u64(0..1_600));
        self.consumers[number].restart_at = Instant::now() + pause;
    }

    fn kill(&mut self, number: usize) {
        let Some((process, instance)) = self.take(number) else { return };
        drop(process);
        self.ledger.note_of(&instance, What::Killed, "-", 0);
        self.kills += 1;
        self.restart_later(number);
    }

    fn stop(&mut self, number: usize) {
        let Some((mut process, instance)) = self.take(number) else { return };
        self.ledger.note_of(&instance, What::Stopping, "-", 0);
        orders::stop(&mut process);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = process.0.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < LONGEST_STOP, "{instance} does not stop");
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{instance}: {status}");
        self.stops += 1;
        self.restart_later(number);
    }

    /// Waits until all partitions have readers that live, as those of the killed have not yet.
    fn recover(&mut self) {
        let begun = Instant::now();
        loop {
            self.start_those_due();
            let running = self.consumers.iter().filter(|consumer| consumer.process.is_some());
            let names: Vec<_> = running.map(|it| it.orders.instance.clone()).collect();
            if names.len() == CONSUMERS
                && Judge::over(&Ledger::read(&self.folder)).all_are_read_by(&names)
            {
                return;
            }
            assert!(begun.elapsed() < LONGEST_STOP, "a partition is left lying");
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn end(mut self) {
        self.recover();
        (0..CONSUMERS).for_each(|number| self.stop(number));
        let judge = Judge::over(&Ledger::read(&self.folder));
        let (kills, stops) = (self.kills, self.stops);
        report::show(&format!("{kills} kills, {stops} stops, {judge}"));
        assert!(kills >= 5 && stops >= 5, "{kills} kills, {stops} stops");
        judge.assert_that_all_was_seen();
        let stored = self.store.list_checkpoints(&group()).unwrap();
        assert_eq!(stored.len(), PARTITIONS);
        for checkpoint in &stored {
            // The last consumers have stopped in an orderly way.
            let last = judge.last_handled(checkpoint.partition_id());
            assert_eq!(checkpoint.sequence_number(), Some(last), "{checkpoint:?}");
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

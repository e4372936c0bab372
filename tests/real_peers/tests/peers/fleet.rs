//! One group with consumers of all languages, which join, stop and die while events flow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, eventually};
use crate::peer::{Consumer, Heard, Kind, Options};
use crate::support::report;
use Kind::{JavaScript, Ours, OursAio, PythonAio, PythonSync};

const PARTITIONS: usize = 10;
const GROUP: &str = "$Default";

struct Fleet<'a> {
    bed: &'a Bed,
    running: Vec<Consumer>,
    /// The reports of consumers that are gone.
    gone: Vec<(Kind, Heard)>,
    started: usize,
}

impl<'a> Fleet<'a> {
    fn new(bed: &'a Bed) -> Self {
        Self { bed, running: Vec::new(), gone: Vec::new(), started: 0 }
    }

    fn join(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            self.started += 1;
            let name = format!("consumer {}", self.started);
            let consumer = Consumer::launch(*kind, &name, self.bed, &Options::sharing(GROUP));
            self.running.push(consumer);
        }
    }

    fn take(&mut self, kind: Kind) -> Consumer {
        let index = self.running.iter().position(|consumer| consumer.kind == kind);
        self.running.remove(index.expect("one of that kind runs"))
    }

    fn kill(&mut self, kind: Kind) {
        let heard = self.take(kind).kill();
        self.gone.push((kind, heard));
    }

    fn stop(&mut self, kind: Kind) {
        let heard = self.take(kind).stop();
        self.gone.push((kind, heard));
    }

    /// Waits until every partition is read by one consumer, all by equal shares, and the records say the same.
    fn settle(&mut self, what: &str) {
        let (bed, running) = (self.bed, &mut self.running);
        let began = Instant::now();
        eventually(what, || {
            let shares: Vec<_> = running.iter_mut().map(|one| one.look().open()).collect();
            let sizes: BTreeSet<_> = shares.iter().map(BTreeSet::len).collect();
            let is_shared = shares.iter().map(BTreeSet::len).sum::<usize>() == PARTITIONS
                && shares.iter().flatten().collect::<BTreeSet<_>>().len() == PARTITIONS
                && sizes.last().unwrap() - sizes.first().unwrap() <= 1;
            if !is_shared || bed.double.receivers().len() != PARTITIONS {
                return None;
            }
            let mut owned: BTreeMap<String, usize> = BTreeMap::new();
            for (_, owner) in bed.owners(GROUP) {
                *owned.entry(owner).or_default() += 1;
            }
            let by_records: BTreeSet<_> = owned.values().copied().collect();
            (owned.len() == running.len() && by_records == sizes).then_some(())
        });
        report::show(&format!("{what}: settled after {:.1?}", began.elapsed()));
    }

    fn heard(&mut self) -> Vec<Heard> {
        let running = self.running.iter_mut().map(|consumer| consumer.look().clone());
        let gone = self.gone.iter().map(|(_, heard)| heard.clone());
        running.chain(gone).collect()
    }

    fn numbers(&mut self, partition_id: &str) -> Vec<i64> {
        let heard = self.heard();
        heard.iter().flat_map(|heard| heard.numbers(partition_id)).collect()
    }
}

#[test]
fn a_fleet_of_all_languages_loses_no_event() {
    let bed = Bed::new(PARTITIONS);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                bed.append_to_each(1);
                thread::sleep(Duration::from_millis(100));
            }
        });
        // The flow ends with the test, also when it fails.
        let flow = StopAtDrop(&stop);
        live(&bed, flow);
    });
}

struct StopAtDrop<'a>(&'a AtomicBool);

impl Drop for StopAtDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn live(bed: &Bed, flow: StopAtDrop<'_>) {
    let mut fleet = Fleet::new(bed);
    fleet.join(&[Ours, PythonSync]);
    fleet.settle("two consumers");
    fleet.join(&[PythonAio, JavaScript, OursAio]);
    fleet.settle("five consumers");
    fleet.kill(PythonSync);
    fleet.kill(Ours);
    fleet.settle("one of Python's and one of ours killed");
    fleet.stop(JavaScript);
    fleet.stop(OursAio);
    fleet.join(&[Ours, PythonSync]);
    fleet.settle("two stopped and two others joined");
    fleet.join(&[JavaScript]);
    fleet.kill(PythonAio);
    fleet.stop(PythonSync);
    fleet.join(&[OursAio]);
    fleet.settle("the last change");

    drop(flow);
    let mut repeated = 0;
    let mut events = 0;
    for id in bed.partition_ids() {
        let what = format!("every event of partition {id} was handled");
        let numbers = eventually(&what, || {
            let numbers = fleet.numbers(&id);
            let handled: BTreeSet<_> = numbers.iter().copied().collect();
            (handled.len() as i64 == bed.double.length(&id)).then_some(numbers)
        });
        events += bed.double.length(&id);
        repeated += numbers.len() as i64 - bed.double.length(&id);
    }
    // No checkpoint is ahead of what was handled.
    for id in bed.partition_ids() {
        assert!(bed.checkpoint(GROUP, &id) < bed.double.length(&id));
    }
    let displaced = |(kind, heard): (Kind, &Heard)| {
        bed.partition_ids().iter().filter(|id| heard.is_displaced(kind, id)).count()
    };
    let of_ours = fleet.gone.iter().filter(|(kind, _)| kind.is_ours());
    let displaced: usize = of_ours.map(|(kind, heard)| displaced((*kind, heard))).sum();
    report::show(&format!(
        "{events} events, {repeated} repeated, {} links stolen, of which {displaced} of ours that are gone",
        bed.double.counters().stolen_links
    ));
    for kind in [Ours, JavaScript, OursAio] {
        fleet.stop(kind);
    }
    assert_eq!(bed.owners(GROUP), [], "all left their partitions");
}

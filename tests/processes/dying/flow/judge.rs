//! The rules that the ledger of a fleet must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::ledger::{Line, What};
use super::orders::PARTITIONS;

#[derive(Default)]
pub struct Judge {
    partitions: BTreeMap<String, Partition>,
    /// Where in the ledger a consumer first tried to claim a partition that it does not read.
    tries: BTreeMap<(String, String), usize>,
    unsaved: BTreeSet<(String, String)>,
    after_stops: usize,
    after_kills: usize,
    repeated: i64,
    most_repeated: i64,
    waits_after_stops: Vec<u64>,
    waits_after_kills: Vec<u64>,
}

#[derive(Default)]
struct Partition {
    /// How often each event was handled.
    handled: Vec<u32>,
    /// Below this all are handled.
    complete: usize,
    written: Option<i64>,
    reader: Option<Reader>,
    /// Since when an event waits for another reader, and whether the former one was killed.
    waiting: Option<(u64, bool, String)>,
}

struct Reader {
    instance: String,
    /// The next event, as this reader sees it.
    next: i64,
    end: Option<End>,
}

/// With its place in the ledger.
#[derive(Clone, Copy)]
enum End {
    Stopped(usize),
    Killed(usize),
    Lost,
}

impl Judge {
    pub fn over(lines: &[Line]) -> Self {
        let mut judge = Self::default();
        let unsaved = lines.iter().filter(|line| line.what == What::Unsaved);
        judge.unsaved =
            unsaved.map(|line| (line.instance.clone(), line.partition_id.clone())).collect();
        for (place, line) in lines.iter().enumerate() {
            judge.take(place, line);
        }
        judge
    }

    fn take(&mut self, place: usize, line: &Line) {
        let id = &line.partition_id;
        let key = (line.instance.clone(), id.clone());
        match line.what {
            What::Try => drop(self.tries.entry(key).or_insert(place)),
            What::Open => self.open(line),
            What::Handled => self.handled(line),
            What::Written => {
                let partition = self.partitions.entry(id.clone()).or_default();
                let complete = partition.complete as i64;
                assert!(line.number < complete, "{line:?} with all below {complete} handled");
                partition.written = partition.written.max(Some(line.number));
            }
            What::Closed => {
                self.tries.remove(&key);
                let is_saved = !self.unsaved.contains(&key);
                let reader = self.partitions.get_mut(id).and_then(|it| it.reader.as_mut());
                if let Some(reader) = reader.filter(|reader| reader.instance == line.instance) {
                    let is_stopped = line.number == 0 && is_saved;
                    reader.end = Some(if is_stopped { End::Stopped(place) } else { End::Lost });
                }
            }
            What::Unsaved => {}
            What::Killed | What::Stopping => {
                let is_killed = line.what == What::Killed;
                for partition in self.partitions.values_mut() {
                    let reader = partition.reader.as_mut();
                    let Some(reader) = reader.filter(|it| it.instance == line.instance) else {
                        continue;
                    };
                    if is_killed && reader.end.is_none() {
                        reader.end = Some(End::Killed(place));
                    }
                    partition.waiting = Some((line.at, is_killed, line.instance.clone()));
                }
            }
        }
    }

    fn open(&mut self, line: &Line) {
        let tried = self.tries.get(&(line.instance.clone(), line.partition_id.clone())).copied();
        let partition = self.partitions.entry(line.partition_id.clone()).or_default();
        let complete = partition.complete as i64;
        assert!(line.number <= complete, "{line:?}: an event from {complete} on is passed over");
        // A claim that was made before the end of the former reader may know an older checkpoint.
        let is_later = |end: usize| tried.is_some_and(|tried| tried > end);
        match partition.reader.as_ref().and_then(|reader| Some((reader, reader.end?))) {
            Some((former, End::Stopped(end))) if is_later(end) => {
                let (name, next) = (&former.instance, former.next);
                assert!(
                    line.number >= next,
                    "{line:?} repeats what {name} did up to {next} and stored"
                );
                self.after_stops += 1;
            }
            Some((_, End::Killed(end))) if is_later(end) => {
                let written = partition.written.map_or(0, |written| written + 1);
                assert!(
                    line.number >= written,
                    "{line:?} repeats what is below the checkpoint {written}"
                );
                // What the policy left, and what was handled while a write was under way: a new reader finds many.
                let again = partition.handled.len() as i64 - line.number;
                self.after_kills += 1;
                self.most_repeated = self.most_repeated.max(again);
            }
            _ => {}
        }
        let instance = line.instance.clone();
        partition.reader = Some(Reader { instance, next: line.number, end: None });
    }

    fn handled(&mut self, line: &Line) {
        let partition = self.partitions.entry(line.partition_id.clone()).or_default();
        let number = usize::try_from(line.number).unwrap();
        if partition.handled.len() <= number {
            partition.handled.resize(number + 1, 0);
        }
        partition.handled[number] += 1;
        self.repeated += i64::from(partition.handled[number] > 1);
        while partition.handled.get(partition.complete).is_some_and(|count| *count > 0) {
            partition.complete += 1;
        }
        if let Some(reader) = partition.reader.as_mut().filter(|it| it.instance == line.instance) {
            assert_eq!(line.number, reader.next, "{line:?}: in order and without a gap");
            reader.next += 1;
        }
        if let Some((since, is_killed, _)) =
            partition.waiting.take_if(|(_, _, former)| *former != line.instance)
        {
            let waits =
                if is_killed { &mut self.waits_after_kills } else { &mut self.waits_after_stops };
            waits.push(line.at - since);
        }
    }

    pub fn all_are_read_by(&self, instances: &[String]) -> bool {
        let is_read = |partition: &Partition| {
            let reader = partition.reader.as_ref();
            reader.is_some_and(|it| it.end.is_none() && instances.contains(&it.instance))
        };
        self.partitions.len() == PARTITIONS && self.partitions.values().all(is_read)
    }

    pub fn last_handled(&self, partition_id: &str) -> i64 {
        self.partitions[partition_id].handled.len() as i64 - 1
    }

    pub fn assert_that_all_was_seen(&self) {
        assert_eq!(self.partitions.len(), PARTITIONS);
        for (id, partition) in &self.partitions {
            assert_eq!(partition.complete, partition.handled.len(), "partition {id} has a gap");
            assert!(partition.complete > 500, "partition {id}: {} events", partition.complete);
        }
        let (stops, kills) = (self.after_stops, self.after_kills);
        assert!(
            stops > PARTITIONS / 2 && kills > PARTITIONS / 2,
            "{stops} and {kills} were judged"
        );
    }
}

fn waits(waits: &[u64]) -> String {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let at = |place: usize| sorted.get(place).map_or(f64::NAN, |wait| *wait as f64 / 1e3);
    format!(
        "{:.1} s in the middle, {:.1} s at most",
        at(sorted.len() / 2),
        at(sorted.len().saturating_sub(1))
    )
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: usize = self.partitions.values().map(|it| it.handled.len()).sum();
        write!(
            f,
            "{events} events, {} handled again; {} openings after a stop repeat nothing, {} after a kill at most {} events; the next \
             reader's first event comes {} after a kill and {} after a stop",
            self.repeated,
            self.after_stops,
            self.after_kills,
            self.most_repeated,
            waits(&self.waits_after_kills),
            waits(&self.waits_after_stops)
        )
    }
}

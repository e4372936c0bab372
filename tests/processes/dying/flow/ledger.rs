//! One file into which all processes write what happens, in the order in which it does.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::orders::now;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A claim begins.
    Try,
    /// A reader is opened; the number is that of its first event.
    Open,
    Handled,
    /// A checkpoint is stored.
    Written,
    /// A handler of a consumer that stops has ended, with 0; of a partition that was lost, with 1.
    Closed,
    /// A consumer that has stopped says that a partition was not saved.
    Unsaved,
    /// The fleet has killed a consumer.
    Killed,
    /// The fleet tells a consumer to stop.
    Stopping,
}

const LETTERS: [(What, &str); 8] = [
    (What::Try, "T"),
    (What::Open, "O"),
    (What::Handled, "H"),
    (What::Written, "W"),
    (What::Closed, "C"),
    (What::Unsaved, "U"),
    (What::Killed, "K"),
    (What::Stopping, "Q"),
];

pub struct Ledger {
    file: File,
    instance: String,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub at: u64,
    pub what: What,
    pub partition_id: String,
    pub number: i64,
    pub instance: String,
}

impl Ledger {
    pub fn open(folder: &Path, instance: &str) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(folder.join("ledger.txt"));
        Self { file: file.unwrap(), instance: instance.to_owned() }
    }

    /// One write per line: what was written stays written, however the process ends.
    pub fn note(&self, what: What, partition_id: &str, number: i64) {
        self.note_of(&self.instance, what, partition_id, number);
    }

    pub fn note_of(&self, instance: &str, what: What, partition_id: &str, number: i64) {
        let letter = LETTERS.iter().find(|(other, _)| *other == what).unwrap().1;
        let line = format!("{} {letter} {partition_id} {number} {instance}\n", now());
        (&self.file).write_all(line.as_bytes()).unwrap();
    }

    pub fn read(folder: &Path) -> Vec<Line> {
        let text = std::fs::read_to_string(folder.join("ledger.txt")).unwrap();
        // The last line may be in the making.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(parse).collect()
    }
}

fn parse(line: &str) -> Line {
    let [at, letter, partition_id, number, instance] = line.split(' ').collect::<Vec<_>>()[..]
    else {
        panic!("{line}")
    };
    Line {
        at: at.parse().unwrap(),
        what: LETTERS.iter().find(|(_, other)| *other == letter).unwrap().0,
        partition_id: partition_id.to_owned(),
        number: number.parse().unwrap(),
        instance: instance.to_owned(),
    }
}

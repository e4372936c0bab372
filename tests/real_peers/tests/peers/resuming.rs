//! Consumers of all languages after each other: each starts exactly behind the checkpoints of the one before.

use crate::bed::Bed;
use crate::peer::{Consumer, Kind, Options};
use Kind::{JavaScript, Ours, OursAio, PythonAio, PythonSync};

/// Every way from one of ours to one of another language, and back: 12 changes.
const CIRCUIT: [Kind; 13] = [
    Ours, PythonSync, OursAio, PythonSync, Ours, PythonAio, OursAio, PythonAio, Ours, JavaScript,
    OursAio, JavaScript, Ours,
];

fn passes_on(group: &str, kinds: &[Kind]) {
    let bed = Bed::new(2);
    let options = Options::sharing(group);
    for (turn, kind) in kinds.iter().enumerate() {
        // Not a multiple of the events between two checkpoints: the last ones come again.
        bed.append_to_each(7);
        let ids = bed.partition_ids();
        let stored: Vec<_> = ids.iter().map(|id| bed.checkpoint(group, id)).collect();
        let mut consumer = Consumer::start(*kind, &bed, &options);
        for id in &ids {
            consumer.until_event(id, bed.double.length(id) - 1);
        }
        let heard = consumer.stop();
        for (id, stored) in ids.iter().zip(stored) {
            let expected: Vec<_> = (stored + 1..bed.double.length(id)).collect();
            assert_eq!(heard.numbers(id), expected, "turn {turn}, {kind:?}, partition {id}");
            assert!(bed.checkpoint(group, id) > stored, "turn {turn}, {kind:?}, partition {id}");
        }
        assert_eq!(bed.owners(group), [], "{kind:?} leaves its partitions when it stops");
    }
}

#[test]
fn each_resumes_behind_the_checkpoint_of_the_other() {
    passes_on("$Default", &CIRCUIT);
}

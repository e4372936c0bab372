//! Looks at the checkpoints all the time: none of ours may go back. Python's store has no fence, so a write of its own that is
//! late may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;

/// The offsets that our consumers write begin with this.
pub const OURS: &str = "ours-";

const INTERVAL: Duration = Duration::from_millis(100);

pub struct Watcher {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// The observations of the watcher.
#[derive(Debug, Default)]
pub struct Seen {
    pub looks: usize,
    pub last: BTreeMap<String, i64>,
    /// Partition, earlier and later sequence number, where we wrote the later one.
    pub backwards: Vec<(String, i64, i64)>,
}

impl Watcher {
    pub fn start(store: BlobCheckpointStore, group: ConsumerGroup) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            // Once more after the end, when nobody writes any longer.
            loop {
                let is_last = ended.load(Ordering::SeqCst);
                seen.look(&store, &group);
                if is_last {
                    return seen;
                }
                thread::sleep(INTERVAL);
            }
        });
        Self { end, thread }
    }

    pub fn finish(self) -> Seen {
        self.end.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

impl Seen {
    fn look(&mut self, store: &BlobCheckpointStore, group: &ConsumerGroup) {
        self.looks += 1;
        for checkpoint in store.list_checkpoints(group).unwrap() {
            let at = checkpoint.sequence_number().unwrap();
            let partition_id = checkpoint.partition_id().to_owned();
            let is_ours = checkpoint.offset().is_some_and(|offset| offset.starts_with(OURS));
            let before = self.last.insert(partition_id.clone(), at);
            if let Some(before) = before.filter(|before| is_ours && *before > at) {
                self.backwards.push((partition_id, before, at));
            }
        }
    }
}

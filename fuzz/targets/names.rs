//! Names that are taken make a URL of exactly their segments; others are refused before anything is sent.

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup};
use percent_encoding::percent_decode_str;

use super::canned::{Canned, response};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut names = text.splitn(4, '\n');
    let mut name = || names.next().unwrap_or("x");
    let Ok(group) = ConsumerGroup::new(name(), name(), name()) else {
        return;
    };
    let partition_id = name();
    let canned = Canned::new(response(200, b""));
    let asked = canned.store().get_checkpoint(&group, partition_id);
    let targets = canned.targets.lock().expect("the lock");
    if Checkpoint::new(&group, partition_id, "1", 1).is_err() {
        assert!(asked.is_err() && targets.is_empty(), "a bad partition id was sent");
        return;
    }
    let path = targets[0].strip_prefix("https://acct.blob.core.windows.net/checkpoints/");
    let segments: Vec<_> = path
        .expect("the container")
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().expect("UTF-8"))
        .collect();
    let lower = format!("{group}/checkpoint/").to_lowercase();
    assert_eq!(segments.join("/"), format!("{lower}{partition_id}"));
    assert_eq!(segments.len(), 5);
}

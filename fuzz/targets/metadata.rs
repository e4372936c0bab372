//! A checkpoint or an owner that can be constructed is stored and read back unchanged.

use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, PartitionOwnership};

use super::canned::group;

pub fn run(data: &[u8]) {
    let Some((number, text)) = data.split_first_chunk::<9>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let sequence_number = i64::from_le_bytes(*number.first_chunk().expect("9 are more than 8"));
    let known = |bit: u8| number[8] & bit != 0;
    let store = BlobCheckpointStore::in_memory();
    let offset = known(1).then(|| text.to_owned());
    let checkpoint =
        Checkpoint::with_position(&group(), "0", offset, known(2).then_some(sequence_number));
    if let Ok(checkpoint) = checkpoint {
        store.update_checkpoint(&checkpoint).expect("written");
        let read = store.get_checkpoint(&group(), "0").expect("read").expect("there");
        assert_eq!(read.offset(), checkpoint.offset());
        assert_eq!(read.sequence_number(), checkpoint.sequence_number());
    }
    if let Ok(ownership) = PartitionOwnership::new(&group(), "0", text) {
        assert!(store.claim_ownership(&[ownership]).all_claimed());
        let listing = store.list_ownership(&group()).expect("listed");
        assert_eq!(listing.items()[0].owner_id(), Some(text));
    }
}

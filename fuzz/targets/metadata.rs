//! A checkpoint or an owner that can be constructed is stored and read back unchanged, in headers and in a list.

use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{Checkpoint, PartitionOwnership};

use super::canned::{group, store_over};
use super::echo::Echo;

pub fn run(data: &[u8]) {
    let Some((number, text)) = data.split_first_chunk::<9>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let sequence_number = i64::from_le_bytes(*number.first_chunk().expect("9 are more than 8"));
    let known = |bit: u8| number[8] & bit != 0;
    let offset = known(1).then(|| text.to_owned());
    let checkpoint =
        Checkpoint::with_position(&group(), "0", offset, known(2).then_some(sequence_number));
    let claim = PartitionOwnership::new(&group(), "0", text);
    for store in [BlobCheckpointStore::in_memory(), store_over(Echo::default())] {
        if let Ok(checkpoint) = &checkpoint {
            keeps_checkpoint(&store, checkpoint);
        }
        if let Ok(claim) = &claim {
            keeps_owner(&store, claim);
        }
    }
}

fn keeps_checkpoint(store: &BlobCheckpointStore, written: &Checkpoint) {
    store.update_checkpoint(written).expect("written");
    let read = store.get_checkpoint(&group(), "0").expect("read").expect("there");
    let listing = store.list_checkpoints(&group()).expect("listed");
    for read in [&read, &listing.items()[0]] {
        assert_eq!(read.offset(), written.offset());
        assert_eq!(read.sequence_number(), written.sequence_number());
    }
}

fn keeps_owner(store: &BlobCheckpointStore, claim: &PartitionOwnership) {
    assert!(store.claim_ownership(std::slice::from_ref(claim)).all_claimed());
    let listing = store.list_ownership(&group()).expect("listed");
    assert_eq!(listing.items()[0].owner_id(), claim.owner_id());
}

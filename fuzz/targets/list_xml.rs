//! The body of a list: whatever it is, it is read whole or refused, and a good one is never read shorter by a cut.

use eventhub_checkpointstore::{Checkpoint, Listing, Result};

use super::canned::{Canned, answer, group};

const END: &[u8] = b"</EnumerationResults";

pub fn run(data: &[u8]) {
    let Some((cut, body)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Ok(listing) = read(body) else {
        return;
    };
    for item in &listing {
        assert!(!item.partition_id().is_empty() && !item.partition_id().contains('/'));
        assert!(item.offset().is_some() || item.sequence_number().is_some());
    }
    let cut = &body[..usize::from(u16::from_le_bytes(*cut)) % body.len()];
    if let Ok(rest) = read(cut) {
        // Only blanks and comments behind its end were lost.
        assert!(cut.windows(END.len()).any(|window| window == END), "read without its end");
        assert_eq!(rest.items(), listing.items());
        assert_eq!(rest.skipped(), listing.skipped());
    }
}

fn read(body: &[u8]) -> Result<Listing<Checkpoint>> {
    let canned = Canned::new(answer(200, body));
    let store = canned.store();
    // The other kind of record is read from the same body; it cannot be claimed without a version.
    if let Ok(ownerships) = store.list_ownership(&group()) {
        assert!(ownerships.iter().all(|item| item.etag().is_some()));
    }
    let before = canned.targets.lock().expect("the lock").len();
    let listing = store.list_checkpoints(&group());
    // A canned page with a marker repeats it, which must end as an error after the second page.
    assert!(canned.targets.lock().expect("the lock").len() <= before + 2);
    listing
}

//! The body of a list: whatever it is, it is read whole or refused, alike in whatever chunks it comes, and a good one is
//! never read shorter by a cut.

use eventhub_checkpointstore::{CallOptions, Checkpoint, Listing, Result};

use super::canned::{Canned, group, response};

const END: &[u8] = b"</EnumerationResults";

pub fn run(data: &[u8]) {
    let Some((cut, body)) = data.split_first_chunk::<2>() else {
        return;
    };
    let cut = usize::from(u16::from_le_bytes(*cut));
    let chunks = read(body, cut % 1024 + 1);
    let listing = match read(body, usize::MAX) {
        Ok(listing) => listing,
        Err(error) => {
            // Which fault is seen first depends on what came before it.
            let of_chunks = chunks.expect_err("chunks of what is refused as a whole");
            return assert_eq!(of_chunks.kind(), error.kind());
        }
    };
    let chunks = chunks.expect("chunks of what is read as a whole");
    assert_eq!((chunks.items(), chunks.skipped()), (listing.items(), listing.skipped()));
    for item in &listing {
        assert!(!item.partition_id().is_empty() && !item.partition_id().contains('/'));
        assert!(item.offset().is_some() || item.sequence_number().is_some());
    }
    let cut = &body[..cut % body.len()];
    if let Ok(rest) = read(cut, usize::MAX) {
        // Only blanks and comments behind its end were lost.
        assert!(cut.windows(END.len()).any(|window| window == END), "read without its end");
        assert_eq!(rest.items(), listing.items());
        assert_eq!(rest.skipped(), listing.skipped());
    }
}

fn read(body: &[u8], chunk: usize) -> Result<Listing<Checkpoint>> {
    let canned = Canned::new(response(200, body)).in_chunks_of(chunk);
    // A page that is cut is asked for again; here each page is asked for once.
    let store = canned.store().with_options(CallOptions::new().with_max_retries(0));
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

//! The body of a list: whatever it is, it is read whole or refused, and every cut of a good one is refused.

use eventhub_checkpointstore::{Checkpoint, Listing, Result};

use super::canned::{Canned, answer, group};

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
        assert!(item.etag().is_some() && item.last_modified().is_some());
    }
    let end = body.windows(2).rposition(|pair| pair == b"</").expect("a good list has an end tag");
    let cut = usize::from(u16::from_le_bytes(*cut)) % (end + 1);
    assert!(read(&body[..cut]).is_err(), "a list that was cut at {cut} was read");
}

fn read(body: &[u8]) -> Result<Listing<Checkpoint>> {
    let canned = Canned::new(answer(200, body));
    let store = canned.store();
    // The other kind of record is read from the same body; it must not panic either.
    let _ = store.list_ownership(&group());
    let before = canned.targets.lock().expect("the lock").len();
    let listing = store.list_checkpoints(&group());
    // A canned page with a marker repeats it, which must end as an error after the second page.
    assert!(canned.targets.lock().expect("the lock").len() <= before + 2);
    listing
}

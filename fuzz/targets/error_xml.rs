//! The body of a failure: it never makes a failed read an empty one, or a failed write a done one.

use eventhub_checkpointstore::{ErrorKind, PartitionOwnership};

use super::canned::{Canned, group, response};

const STATUSES: [u16; 12] = [300, 302, 400, 401, 403, 404, 409, 412, 416, 429, 500, 503];

pub fn run(data: &[u8]) {
    let Some((status, body)) = data.split_first() else {
        return;
    };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let store = Canned::new(response(status, body)).store();

    // The text may be in several parts, and an entity may stand for any letter.
    let named = body.contains(&b'&') || has_letters(body, b"BlobNotFound");
    match store.get_checkpoint(&group(), "0") {
        Ok(found) => assert!(found.is_none() && status == 404 && named, "{status}"),
        Err(error) => assert!(error.kind() != ErrorKind::BlobNotFound),
    }
    assert!(store.list_ownership(&group()).is_err());
    let claim = PartitionOwnership::new(&group(), "0", "me").expect("an ownership");
    let claims = store.claim_ownership(&[claim]);
    assert!(claims.len() == 1 && claims.claimed().next().is_none());
}

/// Whether these letters are there in this order, whatever is between them.
fn has_letters(body: &[u8], letters: &[u8]) -> bool {
    let mut body = body.iter();
    letters.iter().all(|letter| body.any(|byte| byte == letter))
}

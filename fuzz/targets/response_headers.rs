//! The headers of a response: unreadable ones are an error or "unknown", and never a panic or a made-up value.

use eventhub_checkpointstore::PartitionOwnership;
use http::{HeaderName, HeaderValue};

use super::canned::{Canned, group, response};

pub fn run(data: &[u8]) {
    let Some((status, lines)) = data.split_first() else {
        return;
    };
    let status = [200, 201, 404, 409, 412, 503][usize::from(*status) % 6];
    let mut response = response(status, b"");
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    let has_etag = response.headers().contains_key("etag");
    let store = Canned::new(response).store();
    if let Ok(Some(checkpoint)) = store.get_checkpoint(&group(), "0") {
        assert!(has_etag && checkpoint.etag().is_some());
        assert!(checkpoint.offset().is_some() || checkpoint.sequence_number().is_some());
    }
    let claim = PartitionOwnership::new(&group(), "0", "me").expect("an ownership");
    for claimed in store.claim_ownership(&[claim]).claimed() {
        assert!(has_etag && claimed.etag().is_some());
    }
}

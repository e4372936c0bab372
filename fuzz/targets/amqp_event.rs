//! A message of a receive link, in one frame and in several: whatever it is, it becomes an event with a number or is
//! refused, and what is done with every event can be done with it.

use eventhub_checkpointstore::_fuzzing::{event, event_in_frames};
use eventhub_checkpointstore::processing::{AmqpValue, EventBody};

pub fn run(data: &[u8]) {
    // Where the first frame ends: somewhere, and at the same place whenever the input is run again.
    let sum: usize = data.iter().map(|byte| usize::from(*byte)).sum();
    let in_frames = event_in_frames(data, sum % (data.len() + 1));
    let Some((event, last)) = event(data) else {
        return;
    };
    let in_frames = in_frames.expect("it is an event in one frame");
    assert_eq!(format!("{in_frames:?}"), format!("{:?}", (&event, &last)), "frames change nothing");
    // No part of an event is longer than the message; text that is not UTF-8 is replaced by marks of three bytes.
    assert!(event.body().len() <= data.len());
    assert!(event.body().to_text().len() <= 3 * data.len());
    assert_eq!(event.body().is_empty(), event.body().as_bytes().is_empty());
    if let EventBody::Data(bytes) = event.body() {
        assert_eq!(&bytes[..], event.body().as_bytes());
    }
    for (name, value) in event.properties().chain(event.system_properties()) {
        assert!(name.len() <= data.len().max(32), "{name}");
        count(value, data.len());
    }
    for (name, value) in event.properties() {
        // The first of two properties of the same name is the one that is found.
        assert!(event.property(name).is_some(), "{name} {value:?}");
    }
    let again = event.clone();
    let alike = format!("{event:?}") == format!("{again:?}");
    assert!(alike, "an event and its copy");
    let _ = (event.offset(), event.enqueued_time(), event.partition_key(), event.message_id());
    if let Some(last) = last {
        assert!(last.offset.is_none_or(|offset| offset.len() <= data.len().max(20)));
    }
    // The position is fit for a checkpoint, or says why not.
    let group = super::canned::group();
    if let Err(error) = event.checkpoint(&group, "0") {
        assert!(!error.to_string().is_empty());
    }
}

/// No value is larger than what it was made of, but for an array of constructors without bytes.
fn count(value: &AmqpValue, length: usize) {
    match value {
        AmqpValue::String(text) => assert!(text.len() <= length.max(200), "{text}"),
        AmqpValue::Binary(bytes) => assert!(bytes.len() <= length),
        AmqpValue::List(values) => values.iter().for_each(|value| count(value, length)),
        AmqpValue::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            count(key, length);
            count(value, length);
        }),
        _ => {}
    }
}

//! Frames as the service writes them: with every field of a performative, the last ones as null where others leave them out.
//!
//! AMQP 1.0 allows both. Python's client reads fields by their place and fails on a list that is shorter.

use crate::frames::{self, MAX_FRAME_SIZE};

const NULL: u8 = 0x40;

/// The frame with all fields of its performative; as it is, if it has them, is no such frame, or would be too large.
pub(crate) fn pad(frame: Vec<u8>) -> Vec<u8> {
    padded(&frame).unwrap_or(frame)
}

fn padded(frame: &[u8]) -> Option<Vec<u8>> {
    let found = frames::performative(frame)?;
    let [list, rest @ ..] = found.rest else { return None };
    let (count, fields) = match *list {
        0x45 => (0, 0..0),
        0xc0 => (usize::from(*rest.get(1)?), 2..1 + usize::from(*rest.first()?)),
        0xd0 => (number(rest, 4)?, 8..4 + number(rest, 0)?),
        _ => return None,
    };
    let all = fields_of(found.code)?;
    let missing = all.checked_sub(count).filter(|missing| *missing > 0)?;
    let payload = rest.get(fields.end..)?;
    let fields = rest.get(fields)?;

    let mut padded = frame[..frame.len() - found.rest.len()].to_vec();
    padded.push(0xd0);
    padded.extend(u32::try_from(4 + fields.len() + missing).ok()?.to_be_bytes());
    padded.extend(u32::try_from(all).ok()?.to_be_bytes());
    padded.extend(fields);
    padded.extend(std::iter::repeat_n(NULL, missing));
    padded.extend(payload);
    (padded.len() <= MAX_FRAME_SIZE).then(|| frames::sized(padded))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// How many fields a performative has.
fn fields_of(code: u8) -> Option<usize> {
    Some(match code {
        frames::OPEN => 10,
        frames::BEGIN => 8,
        frames::ATTACH => 14,
        frames::FLOW | frames::TRANSFER => 11,
        frames::DISPOSITION => 6,
        frames::DETACH => 3,
        frames::END | frames::CLOSE => 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_fields_are_written_as_null() {
        // A close without an error, and a detach of handle 0 that closes, with a list of 8-bit sizes.
        let close = [0, 0, 0, 12, 2, 0, 0, 1, 0x00, 0x53, 0x18, 0x45];
        let expected =
            [0, 0, 0, 21, 2, 0, 0, 1, 0x00, 0x53, 0x18, 0xd0, 0, 0, 0, 5, 0, 0, 0, 1, NULL];
        assert_eq!(padded(&close), Some(expected.to_vec()));
        let detach = [0, 0, 0, 16, 2, 0, 0, 1, 0x00, 0x53, 0x16, 0xc0, 3, 2, 0x43, 0x41];
        let expected = [
            0, 0, 0, 23, 2, 0, 0, 1, 0x00, 0x53, 0x16, 0xd0, 0, 0, 0, 7, 0, 0, 0, 3, 0x43, 0x41,
            NULL,
        ];
        assert_eq!(padded(&detach), Some(expected.to_vec()));
        assert_eq!(padded(&expected), None, "it is whole");
    }

    #[test]
    fn the_payload_follows_the_fields() {
        let mut transfer = vec![0, 0, 0, 0, 2, 0, 0, 1, 0x00, 0x53, 0x14, 0xc0, 2, 1, 0x43];
        transfer.extend(b"payload");
        let padded = padded(&transfer).expect("it lacks fields");
        let mut fields = [NULL; 11];
        fields[0] = 0x43;
        assert_eq!(padded[20..31], fields);
        assert!(padded.ends_with(b"payload"));
        assert_eq!(padded[..4], u32::try_from(padded.len()).unwrap().to_be_bytes());
    }

    #[test]
    fn other_frames_stay() {
        assert_eq!(padded(&[0, 0, 0, 8, 2, 0, 0, 0]), None, "a heartbeat");
        assert_eq!(padded(&[0, 0, 0, 12, 2, 1, 0, 0, 0x00, 0x53, 0x44, 0x45]), None, "SASL");
    }
}

//! Checks how deeply an encoded AMQP value is nested. The decoder recurses, and senders may send anything, so a deep
//! value could overflow the stack. The check itself does not recurse.

/// The maximum depth of a value that is decoded. For comparison, JSON parsers stop at 128.
const MAX_DEPTH: usize = 64;

/// Returns whether a value can be decoded without a risk for the stack. A truncated or invalid value is judged by its
/// readable part, because the decoder refuses it anyway.
pub(super) fn is_shallow(encoded: &[u8]) -> bool {
    // The ends of the compounds that contain the cursor.
    let mut ends = vec![encoded.len()];
    let mut described = 0;
    let mut at = 0;
    while let Some(&end) = ends.last() {
        if at >= end {
            ends.pop();
            continue;
        }
        let Some(&code) = encoded.get(at) else { return true };
        match step(code, &encoded[at + 1..]) {
            None => return true,
            Some(Step::Over(length)) => at += 1 + length,
            Some(Step::Described) => {
                described += 1;
                at += 1;
            }
            Some(Step::Into { skipped, length }) => {
                // A compound must end within the one around it. Otherwise, the decoder refuses it.
                ends.push((at + 1 + length).min(end));
                at += 1 + skipped;
            }
            Some(Step::Deep) => return false,
        }
        if ends.len() + described > MAX_DEPTH {
            return false;
        }
    }
    true
}

enum Step {
    /// A value that contains no others, with this many bytes after its constructor.
    Over(usize),
    /// The constructor of a described value. The descriptor and the value follow.
    Described,
    /// A list or a map of this many bytes. Its values begin after the skipped ones.
    Into { skipped: usize, length: usize },
    /// An array of compounds, which no SDK sends. It counts as too deep.
    Deep,
}

fn step(code: u8, rest: &[u8]) -> Option<Step> {
    let wide = |bytes: &[u8]| -> Option<usize> {
        let bytes: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    };
    let narrow = |bytes: &[u8]| bytes.first().map(|byte| usize::from(*byte));
    Some(match code >> 4 {
        0x0 if code == 0 => Step::Described,
        0x4 => Step::Over(0),
        0x5 => Step::Over(1),
        0x6 => Step::Over(2),
        0x7 => Step::Over(4),
        0x8 => Step::Over(8),
        0x9 => Step::Over(16),
        0xa => Step::Over(narrow(rest)?.saturating_add(1)),
        0xb => Step::Over(wide(rest)?.saturating_add(4)),
        0xc => Step::Into { skipped: 2, length: narrow(rest)?.saturating_add(1) },
        0xd => Step::Into { skipped: 8, length: wide(rest)?.saturating_add(4) },
        0xe if is_simple(*rest.get(2)?) => Step::Over(narrow(rest)?.saturating_add(1)),
        0xf if is_simple(*rest.get(8)?) => Step::Over(wide(rest)?.saturating_add(4)),
        0xe | 0xf => Step::Deep,
        _ => return None,
    })
}

/// Returns whether values with this constructor contain no others.
fn is_simple(code: u8) -> bool {
    (0x40..0xc0).contains(&code)
}

#[cfg(test)]
mod tests {
    use serde_amqp::{Value, from_slice, to_vec};

    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut encoded = vec![0x40];
        for _ in 0..depth {
            let length = u32::try_from(encoded.len() + 4).unwrap();
            let mut list = vec![0xd0];
            list.extend(length.to_be_bytes());
            list.extend(1_u32.to_be_bytes());
            list.extend(encoded);
            encoded = list;
        }
        encoded
    }

    #[test]
    fn lists_are_counted_without_recursion() {
        assert!(is_shallow(&nested(60)));
        assert!(from_slice::<Value>(&nested(60)).is_ok());
        assert!(!is_shallow(&nested(64)));
        assert!(!is_shallow(&nested(5_000)));
    }

    #[test]
    fn siblings_do_not_add_up() {
        let siblings = Value::List(vec![Value::List(vec![Value::from(1_i32)]); 1_000]);
        assert!(is_shallow(&to_vec(&siblings).unwrap()));
    }

    #[test]
    fn chains_of_descriptors_are_counted() {
        assert!(!is_shallow(&[0_u8; 10_000]));
        assert!(is_shallow(&[0, 0x53, 1, 0x40]));
    }

    #[test]
    fn what_is_cut_is_left_to_the_decoder() {
        for encoded in [&[][..], &[0xd0], &[0xd0, 0, 0], &[0xa1, 200, 1], &[0x01], &[0xc0, 255, 1]]
        {
            assert!(is_shallow(encoded));
        }
    }
}

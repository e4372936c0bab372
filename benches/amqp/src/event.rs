//! The frame of an event.

/// A frame with places for the numbers of an event.
pub(crate) struct Template {
    frame: Vec<u8>,
    delivery_id: usize,
    delivery_tag: usize,
    sequence_number: usize,
    offset: usize,
}

/// The digits of an offset.
const DIGITS: usize = 10;

impl Template {
    pub(crate) fn new(channel: u16, handle: u32, bytes: usize, settled: bool) -> Self {
        // The length comes at the end.
        let mut frame = vec![0, 0, 0, 0, 2, 0];
        frame.extend(channel.to_be_bytes());
        // transfer: handle, delivery-id, delivery-tag, message-format, settled
        frame.extend([0x00, 0x53, 0x14, 0xc0, 19, 5, 0x70]);
        frame.extend(handle.to_be_bytes());
        frame.push(0x70);
        let delivery_id = reserve(&mut frame, 4);
        frame.extend([0xa0, 4]);
        let delivery_tag = reserve(&mut frame, 4);
        frame.extend([0x43, if settled { 0x41 } else { 0x42 }]);
        // message-annotations
        let annotations = frame.len();
        frame.extend([0x00, 0x53, 0x72, 0xc1, 0, 6]);
        let start = frame.len() - 1;
        symbol(&mut frame, "x-opt-sequence-number");
        frame.push(0x81);
        let sequence_number = reserve(&mut frame, 8);
        symbol(&mut frame, "x-opt-offset");
        frame.extend([0xa1, DIGITS as u8]);
        let offset = reserve(&mut frame, DIGITS);
        symbol(&mut frame, "x-opt-enqueued-time");
        frame.push(0x83);
        frame.extend(1_760_000_000_000_i64.to_be_bytes());
        frame[annotations + 4] = u8::try_from(frame.len() - start).expect("a small map");
        // data
        frame.extend([0x00, 0x53, 0x75, 0xb0]);
        frame.extend(u32::try_from(bytes).expect("a body").to_be_bytes());
        frame.resize(frame.len() + bytes, b'e');
        let length = u32::try_from(frame.len()).expect("a frame");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        Self { frame, delivery_id, delivery_tag, sequence_number, offset }
    }

    pub(crate) fn push(&mut self, chunk: &mut Vec<u8>, delivery: u32, number: u32) {
        let mut set = |at: usize, bytes: &[u8]| {
            self.frame[at..at + bytes.len()].copy_from_slice(bytes);
        };
        set(self.delivery_id, &delivery.to_be_bytes());
        set(self.delivery_tag, &delivery.to_be_bytes());
        set(self.sequence_number, &i64::from(number).to_be_bytes());
        let mut digits = [b'0'; DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        // An offset has no leading zero.
        digits[0] = b'1';
        set(self.offset, &digits);
        chunk.extend_from_slice(&self.frame);
    }
}

fn reserve(frame: &mut Vec<u8>, bytes: usize) -> usize {
    let at = frame.len();
    frame.resize(at + bytes, 0);
    at
}

fn symbol(frame: &mut Vec<u8>, name: &str) {
    frame.extend([0xa3, u8::try_from(name.len()).expect("a short name")]);
    frame.extend(name.as_bytes());
}

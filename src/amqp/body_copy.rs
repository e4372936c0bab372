//! Copies the bodies of events out of the messages that they came in.
//!
//! Bodies are often freed by another thread than the one that allocated them. At about 1 KiB, that costs more time than the
//! copy, so a few bodies share an allocation: only a few, because a body that a user keeps also keeps the memory of the others.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};

/// The size of an allocation that bodies share.
const ALLOCATION: usize = 4_096;
/// The lengths of the bodies that share one: so at most eight do, and at most a quarter of it stays empty.
const SHARING: RangeInclusive<usize> = 512..=1_024;

thread_local! {
    /// The part of an allocation that no body has yet.
    static FREE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Returns a copy of a body.
pub(super) fn copied(body: &[u8]) -> Bytes {
    if !SHARING.contains(&body.len()) {
        return Bytes::copy_from_slice(body);
    }
    let shared = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.capacity() < body.len() {
            *free = BytesMut::with_capacity(ALLOCATION);
        }
        free.extend_from_slice(body);
        free.split().freeze()
    });
    // Thread-local storage is gone while a thread exits.
    shared.unwrap_or_else(|_| Bytes::copy_from_slice(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(index: usize, length: usize) -> Vec<u8> {
        vec![u8::try_from(index).unwrap(); length]
    }

    /// Copies bodies on a new thread and waits until it has ended, so that nothing else shares their memory.
    fn copies(lengths: Vec<usize>) -> Vec<Bytes> {
        let copy = || {
            let bodies = lengths.into_iter().enumerate();
            bodies.map(|(index, length)| copied(&content(index, length))).collect()
        };
        std::thread::spawn(copy).join().unwrap()
    }

    #[test]
    fn a_body_stays_as_it_is_when_others_are_copied() {
        let lengths: Vec<_> = (0..200).map(|_| fastrand::usize(0..3_000)).collect();
        for (index, (body, length)) in copies(lengths.clone()).iter().zip(lengths).enumerate() {
            assert_eq!(*body, content(index, length));
        }
    }

    #[test]
    fn few_bodies_share_memory() {
        for (length, most) in [(100, 1), (511, 1), (512, 8), (800, 5), (1_024, 4), (1_025, 1)] {
            let every = |step: usize| copies(vec![length; 64]).into_iter().step_by(step);
            // One body of each allocation.
            let kept: Vec<_> = every(most).collect();
            assert!(kept.iter().all(Bytes::is_unique), "{length}");
            let kept: Vec<_> = every(1).collect();
            assert_eq!(kept.iter().any(|body| !body.is_unique()), most > 1, "{length}");
        }
    }
}
